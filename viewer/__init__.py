"""The viewer: OHIF as it was released, the configuration that a stack's outputs give it, and our own extension."""
