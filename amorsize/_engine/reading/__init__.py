"""Whether an item may be read before the one in front of it has been run."""
