"""Runs chunks on other people's executors, all behind one protocol."""
