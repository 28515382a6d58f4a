"""What the user's function is, reads and changes."""
