"""What a call knows: what its measurements mean. No rule and no action."""
