"""Finds what a worker must have in the same state as the caller."""
