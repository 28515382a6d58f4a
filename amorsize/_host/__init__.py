"""What the machine offers this process, at which cost."""
