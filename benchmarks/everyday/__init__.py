"""Everyday functions as people write them, and whether `auto` gives what the plain loop gives."""
