"""Where the items of a call may run."""
