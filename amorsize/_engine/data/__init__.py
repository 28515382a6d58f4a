"""The items of a call, from the data to the ordered results."""
