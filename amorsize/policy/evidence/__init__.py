"""What a call knows: measurements and what they mean. No rule and no action."""
