"""What trying neighbours of a function's plan has cost so far."""

from __future__ import annotations

from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.policy.schema import Check


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
        return cls(**profile.explored) if profile.explored else cls()


_SCHEMA: dict[str, Check] = {}


def explored_schema() -> dict[str, Check]:
    """What the fields of an account may hold."""
    if _SCHEMA:
        return _SCHEMA
    from amorsize.policy.schema import count, number, optional, text

    seconds, calls = number(MOST_SECONDS), count(MOST_CALLS, least=0)
    _SCHEMA.update(
        used_s=seconds,
        spent_s=seconds,
        at_call=calls,
        at_s=optional(seconds),
        n_tried=calls,
        n_held=calls,
        rival=optional(text(MOST_CHARS)),
        n_waiters=optional(count(MOST_JOBS)),
    )
    return _SCHEMA
