"""What is remembered of a function from one call to the next."""

from __future__ import annotations

from amorsize.policy.evidence.exploration_budget import Explored
from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BACKENDS = ("serial", "thread", "process")
SOURCES = ("learned", "tuned", "imported", "asked")
MOST_JOBS, MOST_ITEMS, MOST_S = 4096, 10**12, 1e7  # beyond, a stored figure is a mistake
MOST_SPREAD = 10.0  # of log costs: a factor of 22000 from one chunk to the next
MOST_WAYS = 8  # of running, whose results are remembered

#: What an earlier call has found holds where this call finds the same within this factor.
FITS = 3.0


class Profile(Value):
    """What was learned about a function on one kind of item; a hint, checked before it is used."""

    backend: str  # "serial", "thread" or "process": what served best
    n_jobs: int  # places where items ran at once
    chunksize: int  # items of a full chunk at this item cost
    item_s: float  # mean wall seconds of one item
    item_cpu_s: float  # mean CPU seconds of one item
    spread_log: float | None  # standard deviation of the log cost of chunks; None: one place only
    pickle_s: float | None  # to send one result (and its item) and read it; None: never measured
    warmup_s: float  # what the first item of a fresh worker costs on top
    holds_gil: bool | None  # None: never watched
    waits: bool  # items spend most of their time waiting
    n_items: int  # of the call it was learned from
    n_calls: int = 1
    source: str = "learned"
    typical_s: float | None = None  # geometric mean of item costs, chunk by chunk; None: no chunks
    n_chunks: int = 0  # behind that, and behind `spread_log`
    chunk_items: float = 1.0  # mean items of these
    n_short: int = 0  # calls in a row that achieved clearly less than the same plan did before
    achieved: dict[str, float] | None = None  # by "backend x n_jobs": work done / wall time
    is_enough: bool = False  # a test has shown that more than `n_jobs` bring no more,
    n_healthy: int = 1  # or that so many are not in each other's way, whatever items cost
    explored: dict[str, Any] | None = None  # the fields of an `Explored`
    failed_share: float | None = None  # of items that failed; None: failures were not kept
    bound: str | None = None  # what an item was seen to do that only the caller may do

    @classmethod
    def from_dict(cls, fields: Any) -> Profile | None:
        """A profile from stored fields; None if anything about them cannot be right."""
        if not isinstance(fields, dict) or set(fields) != set(cls._fields):
            return None
        counts = ("n_jobs", "chunksize", "n_items", "n_calls", "n_healthy")
        seconds = ("item_s", "item_cpu_s", "warmup_s")
        options = ("pickle_s", "typical_s")
        spread_log, n_chunks = fields["spread_log"], fields["n_chunks"]
        sound = (
            fields["backend"] in BACKENDS
            and fields["source"] in SOURCES
            and all(_is_count(fields[name]) for name in counts)
            and fields["n_jobs"] <= MOST_JOBS
            and all(_is_seconds(fields[name]) for name in seconds)
            and fields["item_s"] > 0
            and all(fields[name] is None or _is_seconds(fields[name]) for name in options)
            and (fields["typical_s"] is None or fields["typical_s"] > 0)
            and (spread_log is None or (_is_seconds(spread_log) and spread_log <= MOST_SPREAD))
            and all(type(n) is int and 0 <= n <= MOST_ITEMS for n in (n_chunks, fields["n_short"]))
            and _is_seconds(fields["chunk_items"])
            and any(fields["holds_gil"] is known for known in (None, True, False))
            and type(fields["waits"]) is type(fields["is_enough"]) is bool
            and _are_achieved(fields["achieved"])
            and (fields["failed_share"] is None or _is_share(fields["failed_share"]))
            and (fields["bound"] is None or _is_told(fields["bound"]))
            and (fields["explored"] is None or Explored.from_dict(fields["explored"]) is not None)
        )
        return cls(**fields) if sound else None


def _is_count(value: object) -> bool:
    return type(value) is int and 1 <= value <= MOST_ITEMS


def _is_seconds(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= MOST_S  # type: ignore[operator]


def _is_share(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1  # type: ignore[operator]


def _are_achieved(value: object) -> bool:
    """None, or how many cores' work each of a few ways of running has done."""
    if value is None:
        return True
    return (
        type(value) is dict
        and len(value) <= MOST_WAYS
        and all(type(way) is str and len(way) <= MOST_WAY_CHARS for way in value)
        and all(_is_seconds(n) and n <= MOST_JOBS for n in value.values())
    )


MOST_WAY_CHARS = 32


def _is_told(value: object) -> bool:
    """A reason that may be shown: of one line, with nothing in it that moves a cursor."""
    return type(value) is str and 0 < len(value) <= MOST_TOLD_CHARS and value.isprintable()


MOST_TOLD_CHARS = 200
