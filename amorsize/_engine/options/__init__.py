"""What is asked of a call: its function, its data, its options."""
