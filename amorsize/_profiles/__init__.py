"""What earlier calls have learned of functions."""
