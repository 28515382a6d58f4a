"""What to do next, decided from values alone: no clock, no file, no worker, no randomness."""
