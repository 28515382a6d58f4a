"""Workers that belong to somebody else's executor."""
