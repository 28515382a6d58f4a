"""What trying neighbours of a plan has cost so far."""

from __future__ import annotations

from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.policy.stored_field_checks import Check

#: Beyond these, a stored figure or text is a mistake.
MOST_CALLS, MOST_SECONDS, MOST_CHARS, MOST_JOBS = 10**12, 1e15, 32, 4096


class Explored(Value):
    """The account of a function on one kind of item."""

    #: Seconds that all its calls have taken, as far as they were put down.
    used_s: float = 0.0
    #: Seconds of these that went into trying neighbours.
    spent_s: float = 0.0
    #: The number of the call that tried one last.
    at_call: int = 0
    #: When that was, in seconds since 1970. Before the first trial: since when calls are counted.
    at_s: float | None = None
    #: Trials in all.
    n_tried: int = 0
    #: Trials in a row that found nothing better.
    n_held: int = 0
    #: What the last trial found better: "thread", "thread x 64".
    rival: str | None = None
    #: Waiting items at once to begin with, adopted from a trial.
    n_waiters: int | None = None
    #: The same, as windows of items have shown. None: nothing was shown.
    n_begin: int | None = None

    @classmethod
    def of(cls, profile: Any) -> Explored:
        """What a profile says of it; an empty account where that is nothing."""
        return cls(**profile.sharing.explored) if profile.sharing.explored else cls()


_SCHEMA: dict[str, Check] = {}


def explored_schema() -> dict[str, Check]:
    """What the fields of an account may hold."""
    if _SCHEMA:
        return _SCHEMA
    from amorsize.policy.stored_field_checks import count, number, optional, text

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


def explored_later() -> dict[str, Check]:
    """What the fields may hold that older accounts do not have."""
    from amorsize.policy.stored_field_checks import count, optional

    return {"n_begin": optional(count(MOST_JOBS))}
