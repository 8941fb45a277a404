"""What is wrong with this machine or stack, and what to do about it. The machine's part needs no installed library."""
