"""Runs items in the caller."""
