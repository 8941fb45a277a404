"""docs/reference/: resources, rights, alarms and events, from the program and from the code of the functions."""
