"""How much is read of what a function leads to, before it is given up."""

from __future__ import annotations

#: How many steps are taken from helper to helper for one function, at about 4 us each. Code that
#: calls itself in circles leads to the same things by ever more ways.
MOST_STEPS = 20_000
#: What it takes, in these steps, to find out what a call may have given.
OF_A_WAY_BACK = 6


class TooMuchToReadError(Exception):
    """What a function leads to was not all read, so nobody knows what it changes."""


class Work:
    """Counts what was followed, so that reading ends in time on any host alike."""

    def __init__(self) -> None:
        self.n_left = MOST_STEPS

    def spend(self, n_steps: int) -> None:
        """Count some steps; raises TooMuchToReadError if they are too many."""
        self.n_left -= n_steps
        if self.n_left < 0:
            raise TooMuchToReadError
