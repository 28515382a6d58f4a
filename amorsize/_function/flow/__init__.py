"""Follows values through the bytecode of a function."""
