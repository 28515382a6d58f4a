"""Starts workers where that is possible."""
