"""What a call tells about itself."""
