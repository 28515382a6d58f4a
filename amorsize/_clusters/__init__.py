"""Other people's workers, each engine behind one protocol."""
