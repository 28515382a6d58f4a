"""Worker pools of every kind behind one protocol."""
