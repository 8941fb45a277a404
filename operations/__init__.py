"""What an operator does by hand: reconcile, send again what failed, and ask the doctor what is wrong."""
