"""The state that workers take over from their caller."""
