"""Measures amorsize against the loop and its peers; never part of the test run."""
