"""What is public: from a decorated function to a checked request."""
