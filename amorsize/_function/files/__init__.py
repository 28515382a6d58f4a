"""Finds files that several items change."""
