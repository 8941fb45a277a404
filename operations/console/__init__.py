"""A page on this machine's loopback that shows one stack: its resources, the way of one image, metrics, and rights."""
