"""What is remembered of a function from one call to the next."""

from __future__ import annotations

from amorsize.policy.actions import PLAN_BACKENDS, Plan
from amorsize.policy.evidence.exploration_cost import explored_later, explored_schema
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.policy.stored_field_checks import Check

    Schema = dict[str, Check]

#: The version of stored profiles. A function with one of another version is learned again.
VERSION = 4
SOURCES = ("learned", "tuned", "imported", "asked")
#: Beyond these, a stored figure is a mistake.
MOST_JOBS, MOST_ITEMS, MOST_S = 4096, 10**12, 1e7
#: The largest spread of log costs that is believed: a factor of 22000 from one chunk to the next.
MOST_SPREAD = 10.0
#: The most ways of running whose results are remembered.
MOST_WAYS = 8
MOST_WAY_CHARS, MOST_REASON_CHARS = 32, 200
#: The least number above 0.
TINY = 5e-324

#: A profile holds if this call's items cost the same within this factor.
FITS = 3.0


class ItemTraits(Value):
    """What one item costs, and what it does meanwhile."""

    item_s: float  # mean wall seconds of one item
    item_cpu_s: float  # mean CPU seconds of one item
    pickle_s: float | None  # to send one result (and its item) and read it; None: never measured
    warmup_s: float  # what the first item of a fresh worker costs on top
    holds_gil: bool | None  # None: never watched
    waits: bool  # items spend most of their time waiting


class CostLevel(Value):
    """The level around which costs vary from chunk to chunk, by which drift is found."""

    typical_s: float | None = None  # geometric mean of item costs, chunk by chunk; None: no chunks
    spread_log: float | None = None  # standard deviation of log costs; None: one place only
    n_chunks: int = 0  # behind these two
    chunk_items: float = 1.0  # mean items of these


class Sharing(Value):
    """What running several items at once has achieved."""

    achieved: dict[str, float] | None = None  # by "backend x n_jobs": work done / wall time
    n_short: int = 0  # calls in a row that achieved clearly less than the same plan did before
    is_enough: bool = False  # a test has shown that more than the plan's jobs bring no more,
    n_healthy: int = 1  # or that so many are not in each other's way, whatever items cost
    explored: dict[str, Any] | None = None  # the fields of an `Explored`


class Profile(Value):
    """What was learned about a function on one kind of item; it is checked before it is used."""

    plan: Plan  # what served best, with full chunks as they are at this item cost
    traits: ItemTraits
    level: CostLevel = CostLevel()
    sharing: Sharing = Sharing()
    n_items: int  # of the call it was learned from
    n_calls: int = 1
    failed_share: float | None = None  # of items that failed; None: failures were not kept
    bound: str | None = None  # what an item was seen to do that only the caller may do

    @classmethod
    def of(cls, **fields: Any) -> Profile:
        """A profile from the fields of all its parts, side by side as they are stored."""
        parts: dict[str, Any] = {
            part: kind(**{name: fields.pop(name) for name in kind._fields if name in fields})
            for part, kind in _PARTS.items()
        }
        return cls(**parts, **fields)

    def replace(self, **changes: Any) -> Profile:
        """The same profile with some fields changed, whichever part they are of."""
        fields = super().as_dict()
        for part, kind in _PARTS.items():
            if found := {name: changes.pop(name) for name in kind._fields if name in changes}:
                fields[part] = fields[part].replace(**found)
        return type(self)(**{**fields, **changes})

    def as_dict(self) -> dict[str, Any]:
        """The fields of all its parts, side by side as they are stored."""
        fields = super().as_dict()
        for part in _PARTS:
            fields.update(fields.pop(part).as_dict())
        return fields

    @classmethod
    def from_dict(cls, fields: Any) -> Profile | None:
        """A profile from stored fields; None if anything about them cannot be right."""
        from amorsize.policy import stored_field_checks  # a first call has nothing to check

        return cls.of(**fields) if stored_field_checks.fits(fields, _schema()) else None


#: The parts of a profile that have fields of their own.
_PARTS: dict[str, type[Value]] = {
    "plan": Plan,
    "traits": ItemTraits,
    "level": CostLevel,
    "sharing": Sharing,
}

_SCHEMA: Schema = {}


def _schema() -> Schema:
    """What the fields of a profile may hold."""
    if _SCHEMA:
        return _SCHEMA
    from amorsize.policy.stored_field_checks import (
        count,
        mapping,
        number,
        one_of,
        optional,
        record,
        text,
    )

    positive, seconds, flag = number(MOST_S, least=TINY), number(MOST_S), one_of(True, False)
    _SCHEMA.update(
        backend=one_of(*PLAN_BACKENDS),
        n_jobs=count(MOST_JOBS),
        chunksize=count(MOST_ITEMS),
        item_s=positive,
        item_cpu_s=seconds,
        spread_log=optional(number(MOST_SPREAD)),
        pickle_s=optional(seconds),
        warmup_s=seconds,
        holds_gil=optional(flag),
        waits=flag,
        n_items=count(MOST_ITEMS),
        n_calls=count(MOST_ITEMS),
        source=one_of(*SOURCES),
        typical_s=optional(positive),
        n_chunks=count(MOST_ITEMS, least=0),
        chunk_items=seconds,
        n_short=count(MOST_ITEMS, least=0),
        achieved=optional(mapping(text(MOST_WAY_CHARS), number(MOST_JOBS), MOST_WAYS)),
        is_enough=flag,
        n_healthy=count(MOST_ITEMS),
        explored=optional(record(explored_schema(), explored_later())),
        failed_share=optional(number(1.0)),
        bound=optional(text(MOST_REASON_CHARS, least=1)),
    )
    return _SCHEMA
