"""Proves that a function does nothing but compute."""
