"""What is known of the functions of libraries."""
