"""ImageIngestion: takes every uploaded object to exactly one final state, and never loses one."""
