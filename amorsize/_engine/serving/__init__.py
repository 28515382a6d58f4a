"""Exchanges chunks for results with workers."""
