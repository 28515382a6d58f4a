"""What earlier calls have learned, in memory and in the cache."""
