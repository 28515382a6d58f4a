"""What workers cost a call beyond its items."""
