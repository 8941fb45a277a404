"""What an operator does by hand on a running stack: reconcile, and send again what failed."""
