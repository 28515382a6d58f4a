"""What the machine offers this process, and what it costs to use it."""
