"""The tests; a package only so that no other `tests` on the path can hide its fixtures."""
