"""Finds what a function changes that outlives the call."""
