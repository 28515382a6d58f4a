"""A saved result: its figures, with the function, the plan, the machine they were measured on."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from amorsize.policy.frozen_record import Value
from amorsize.policy.stored_field_checks import (
    count,
    either,
    fits,
    is_number,
    mapping,
    number,
    one_of,
    optional,
    record,
    sequence,
    text,
)
from amorsize.report import aligned, html_table, plan_in_short, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT, VERSION = "amorsize result", 1
KINDS = ("tuning", "call")
MOST_S, MOST_ITEMS, MOST_JOBS, MOST_RUNS = 1e9, 10**15, 10**6, 10**9
#: Standard deviations to either side that hold 95 % of a normal distribution.
NORMAL_95 = 1.96
#: Characters of one text, at most.
MAX_CHARS = 500
MAX_FACTS, MAX_FIGURES = 64, 2000
#: Plans that are shown.
TOP = 5
#: From this many results on their differences tell how sure their mean is.
ENOUGH = 3


class Figure(Value):
    """A time that was measured."""

    what: str  # "total", "loop", "item" or "plan"
    time_s: float | None  # None: it has none, as it failed or was timed out
    low_s: float | None = None  # by what was measured, its mean lies from here
    high_s: float | None = None  # to here, at 95 %; None: it was measured once, nobody can tell
    n_runs: int = 1  # that it was measured in
    n_saved: int = 1  # results it is the mean of; from 3 on the interval is what these differ by
    backend: str | None = None  # of a plan
    n_jobs: int | None = None
    chunksize: int | None = None
    why: str = ""  # it has no time

    @property
    def plan(self) -> str:
        """The plan in words."""
        unknown = "?" if self.n_jobs is None else "process"
        return plan_in_short(self.backend or unknown, self.n_jobs, self.chunksize)

    @property
    def key(self) -> tuple[str, str | None, int | None, int | None]:
        """What makes it the same figure in another result."""
        return self.what, self.backend, self.n_jobs, self.chunksize

    def __str__(self) -> str:
        if self.time_s is None:
            return self.why or "no time"
        if self.low_s is None or self.high_s is None:
            return seconds(self.time_s)
        return f"{seconds(self.time_s)} ({seconds(self.low_s)} to {seconds(self.high_s)})"

    @classmethod
    def from_dict(cls, fields: object) -> Figure | None:
        """A figure from stored fields; None if anything about them cannot be right."""
        return cls(**fields) if fits(fields, FIGURE) else None  # type: ignore[arg-type]


class Saved(Value):
    """A named result."""

    name: str
    kind: str  # "tuning" or "call"
    function: str  # its name
    code: str | None  # the fingerprint of its code; None: not known
    saved_at_s: float  # since 1970
    note: str
    n_items: int | None
    backend: str  # of the plan that was used, or found best
    n_jobs: int
    chunksize: int | None
    figures: tuple[Figure, ...]
    machine: dict[str, Any]  # what the host was like
    result: dict[str, Any]  # all that was given; whoever reads it must expect anything in it

    def figure(self, what: str) -> Figure | None:
        """The figure of this kind: of several results that were added up, their mean."""
        found = [one for one in self.figures if one.what == what]
        return _mean(found) if found else None

    @property
    def n_added(self) -> int:
        """How many results are in this one."""
        return max(1, sum(one.what == "total" for one in self.figures))

    @property
    def plans(self) -> list[Figure]:
        """The plans that were measured, the quickest first, those without a time at the end."""
        by_plan: dict[object, list[Figure]] = {}
        for one in self.figures:
            if one.what == "plan":
                by_plan.setdefault(one.key, []).append(one)
        plans = [_mean(found) for found in by_plan.values()]
        return sorted(plans, key=lambda one: (one.time_s is None, one.time_s or 0.0))

    @property
    def plan(self) -> str:
        """The plan that was used, or found best, in words."""
        best = Figure(
            what="plan",
            time_s=None,
            backend=self.backend,
            n_jobs=self.n_jobs,
            chunksize=self.chunksize,
        )
        return best.plan

    @property
    def speedup(self) -> float | None:
        """The loop's time / that of the plan; None where it is not known, and of a loop."""
        if self.kind == "call" and self.backend == "serial":
            return (
                None  # what it took besides was beginning and ending, and no other way of running
            )
        loop, total = self.figure("loop"), self.figure("total")
        if loop is None or total is None or not loop.time_s or not total.time_s:
            return None
        return loop.time_s / total.time_s

    def rows(self) -> Iterator[tuple[str, str]]:
        """Headings and what there is to say under each."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(min(self.saved_at_s, 4e9)))
        yield "what", f"a {self.kind} of {self.function}, saved {when}"
        if self.note:
            yield "note", self.note
        if self.n_added > 1:
            yield "results", f"{self.n_added}, whose means are shown"
        if self.n_items is not None:
            yield "items", str(self.n_items)
        yield "plan", self.plan
        for what, words in (("total", "takes"), ("loop", "the loop"), ("item", "an item")):
            if (figure := self.figure(what)) is not None:
                yield words, str(figure)
        if self.speedup is not None:
            yield "speedup", f"{self.speedup:.2f} x"
        for plan in self.plans[:TOP]:
            yield "measured", f"{plan.plan}: {plan}"
        if len(self.plans) > TOP:
            yield "measured", f"and {len(self.plans) - TOP} more"
        for name, value in self.machine.items():
            yield "machine", f"{name} = {value}"

    def __str__(self) -> str:
        return "\n".join([self.name, *aligned(list(self.rows()))])

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p><b>{escape(self.name)}</b></p>{html_table(list(self.rows()))}"

    def as_document(self) -> dict[str, Any]:
        """What is stored: plain JSON."""
        figures = [one.as_dict() for one in self.figures]
        return {"format": FORMAT, "version": VERSION, **self.as_dict(), "figures": figures}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Saved | None:
        """A result from what was stored; None if anything about it cannot be right."""
        if not fits(document, DOCUMENT):
            return None
        fields = {name: document[name] for name in cls._fields}
        figures = [Figure(**one) for one in document["figures"]]
        return cls(**{**fields, "figures": tuple(figures)})


#: What the fields of a stored figure may hold.
FIGURE = {
    "what": text(MAX_CHARS),
    "time_s": optional(number(MOST_S)),
    "low_s": optional(number(MOST_S)),
    "high_s": optional(number(MOST_S)),
    "n_runs": count(MOST_RUNS),
    "n_saved": count(MAX_FIGURES),
    "backend": optional(text(MAX_CHARS)),
    "n_jobs": optional(count(MOST_JOBS)),
    "chunksize": optional(count(MOST_ITEMS)),
    "why": text(MAX_CHARS),
}
#: A name with a text, a number, a truth or nothing.
FACT = optional(either(one_of(True, False), is_number, text(MAX_CHARS)))
#: What the fields of a stored result may hold.
DOCUMENT = {
    "format": one_of(FORMAT),
    "version": one_of(VERSION),
    "name": text(MAX_CHARS),
    "kind": one_of(*KINDS),
    "function": text(MAX_CHARS),
    "code": optional(text(MAX_CHARS)),
    "saved_at_s": number(MOST_S * 100),
    "note": text(MAX_CHARS),
    "n_items": optional(count(MOST_ITEMS, least=0)),
    "backend": text(MAX_CHARS),
    "n_jobs": count(MOST_JOBS),
    "chunksize": optional(count(MOST_ITEMS)),
    "figures": sequence(record(FIGURE), MAX_FIGURES),
    "machine": mapping(text(MAX_CHARS), FACT, MAX_FACTS),
    "result": lambda value: type(value) is dict,
}


def _mean(figures: list[Figure]) -> Figure:
    """One figure of several: their geometric mean, and from three on what they differ by."""
    timed = [one for one in figures if one.time_s]
    if len(timed) < 2:
        return (timed or figures)[0]
    logs = [math.log(one.time_s or 1.0) for one in timed]
    mean = sum(logs) / len(logs)
    low = high = None
    if len(timed) >= ENOUGH:
        sd = math.sqrt(sum((one - mean) ** 2 for one in logs) / (len(logs) - 1))
        width = students_t(len(logs) - 1) * sd / math.sqrt(len(logs))
        low, high = math.exp(mean - width), math.exp(mean + width)
    elif all(one.low_s and one.high_s for one in timed):
        low = math.exp(sum(math.log(one.low_s or 1.0) for one in timed) / len(timed))
        high = math.exp(sum(math.log(one.high_s or 1.0) for one in timed) / len(timed))
    return timed[0].replace(
        time_s=math.exp(mean),
        low_s=low,
        high_s=high,
        n_runs=sum(one.n_runs for one in timed),
        n_saved=len(timed),
    )


def students_t(n_free: float) -> float:
    """Standard errors to either side that hold 95 %, to within 4 % from 2 degrees of freedom on.

    Source:
        Abramowitz and Stegun (1964), Handbook of Mathematical Functions, 26.7.5, at 97.5 %.
    """
    return NORMAL_95 + 2.37 / n_free + 2.82 / n_free**2 + 2.55 / n_free**3
