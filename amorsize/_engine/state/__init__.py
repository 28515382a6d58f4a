"""What the parts of one call share."""
