"""When something is done: one file for each rule."""
