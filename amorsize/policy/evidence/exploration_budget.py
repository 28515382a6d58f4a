"""What trying neighbours of a function's plan has cost so far."""

from __future__ import annotations

from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


MOST_CALLS, MOST_SECONDS, MOST_CHARS, MOST_JOBS = 10**12, 1e15, 32, 4096


class Explored(Value):
    """The account of a function on one kind of item."""

    used_s: float = 0.0  # by all its calls, as far as they were put down
    spent_s: float = 0.0  # of that on trying neighbours
    at_call: int = 0  # the number of the call that tried one last
    at_s: float | None = None  # and when, in seconds since 1970; before the first: since when
    n_tried: int = 0  # trials in all
    n_held: int = 0  # in a row, that found nothing better
    rival: str | None = None  # what the last one found better: "thread", "thread x 64"
    n_waiters: int | None = None  # adopted: so many waiting items at once to begin with

    @classmethod
    def of(cls, profile: Any) -> Explored:
        """What a profile says of it; an empty account where that is nothing."""
        return cls.from_dict(profile.explored) or cls()

    @classmethod
    def from_dict(cls, fields: Any) -> Explored | None:
        """An account from stored fields; None if anything about them cannot be right."""
        if type(fields) is not dict or set(fields) != set(cls._fields):
            return None
        seconds = (fields["used_s"], fields["spent_s"])
        counts = (fields["at_call"], fields["n_tried"], fields["n_held"])
        n_waiters, rival, at_s = fields["n_waiters"], fields["rival"], fields["at_s"]
        sound = (
            all(type(one) in (int, float) and 0 <= one < MOST_SECONDS for one in seconds)
            and all(type(one) is int and 0 <= one <= MOST_CALLS for one in counts)
            and (n_waiters is None or (type(n_waiters) is int and 1 <= n_waiters <= MOST_JOBS))
            and (rival is None or (type(rival) is str and len(rival) <= MOST_CHARS))
            and (at_s is None or (type(at_s) in (int, float) and 0 <= at_s < MOST_SECONDS))
        )
        return cls(**fields) if sound else None
