"""A module of the project that is asked by texts."""

FACTOR_OF_ALL = 2
