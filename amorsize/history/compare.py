"""Two results side by side: what changed beyond noise on which machines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from amorsize.history.result import ENOUGH, NORMAL_95
from amorsize.policy.frozen_record import Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.history.result import Figure, Saved

# Log standard deviation of one time from process to process, where it is not known by results that
# were added up. On a 2-core virtual machine, 16 to 30 processes each (0.2 s of waiting, 1.5 s of
# computing): 0.13 to 0.18 while few others wanted the cores, 0.26 to 0.31 while three did. By these
# two figures 2 % of 240 pairs of calls without any change were told as a change; with the first one
# alone, on the busy machine, 25 %.
BETWEEN_PROCESSES, BETWEEN_BUSY = 0.15, 0.30
#: A host counts as busy from this many processes a core that want to run: a call that uses all
#: cores counts itself.
BUSY_LOAD = 1.25
#: Two loads differ if they are this many processes apart.
LOAD_MATTERS = 0.5
SHOWN_PLANS = 10


class Difference(Value):
    """Something that was not the same in both."""

    what: str
    a: str
    b: str


class Change(Value):
    """A time in both, and what became of it."""

    what: str
    a: Figure
    b: Figure
    factor: float | None  # b / a; None: one of them has no time
    low: float | None  # 95 % of such comparisons lie from here
    high: float | None  # to here; None: one of them was measured once
    exceeds_noise: bool | None  # None: nobody can tell

    @property
    def is_apart(self) -> bool:
        """The intervals have nothing in common, which of a few processes proves no change."""
        return self.exceeds_noise is False and _are_apart(self.a, self.b)

    def __str__(self) -> str:
        if self.factor is None:
            return "not comparable: one of them has no time"
        words = _in_words(self.factor)
        if self.is_apart:
            return (
                f"{words}: the runs of each are apart, but from one process to the next such "
                f"results may differ as much ({self.low:.2f} to {self.high:.2f})"
            )
        if self.exceeds_noise is None:
            return f"{words}; too few measurements to tell whether that exceeds the noise"
        noise = "beyond the noise" if self.exceeds_noise else "within the noise"
        return f"{words}, {noise} ({self.low:.2f} to {self.high:.2f})"


class Comparison(Value):
    """Two results side by side; print it."""

    a: Saved
    b: Saved
    differences: tuple[Difference, ...]
    changes: tuple[Change, ...]

    @property
    def verdict(self) -> str:
        """What to make of it, in a sentence."""
        if not self.changes:
            return "They have no time in common: nothing can be compared."
        change = self.changes[0]
        text = f"{change.what}: {change}."
        few = min(change.a.n_saved, change.b.n_saved) < ENOUGH
        if few and change.is_apart:
            text += f" Add up {ENOUGH} or more of each (add=True, --add) to tell which it is."
        elif few and change.exceeds_noise is False:
            text += f" Add up {ENOUGH} or more of each (add=True, --add) to tell smaller changes."
        of_machine = [one.what for one in self.differences if one.what not in _OF_THE_WORK]
        of_work = [one.what for one in self.differences if one.what in _OF_THE_WORK]
        if of_work:
            text += f" The work differs as well ({', '.join(of_work)})."
        if of_machine:
            text += f" So do the machines ({', '.join(of_machine)})."
        return text[0].upper() + text[1:]

    @property
    def exceeds_noise(self) -> bool | None:
        """Whether the change of the whole exceeds the noise; None: nobody can tell."""
        return self.changes[0].exceeds_noise if self.changes else None

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain JSON."""
        return {
            "a": self.a.name,
            "b": self.b.name,
            "verdict": self.verdict,
            "exceeds_noise": self.exceeds_noise,
            "differences": [one.as_dict() for one in self.differences],
            "changes": [
                {**one.as_dict(), "a": one.a.as_dict(), "b": one.b.as_dict()}
                for one in self.changes
            ],
        }

    def rows(self) -> Iterator[tuple[str, str, str, str]]:
        """What, in `a`, in `b`, and what to say to it."""
        for change in self.changes:
            yield change.what, str(change.a), str(change.b), str(change)
        for one in self.differences:
            yield one.what, one.a, one.b, ""

    def __str__(self) -> str:
        header = ("", self.a.name, self.b.name, "")
        lines = [header, *self.rows()]
        widths = [max(len(line[column]) for line in lines) for column in range(4)]
        table = (
            "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )
        return "\n".join([*table, self.verdict])

    def _repr_html_(self) -> str:
        from html import escape

        lines = [("", self.a.name, self.b.name, ""), *self.rows()]
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines
        )
        return f"<table>{rows}</table><p>{escape(self.verdict)}</p>"


def compared(a: Saved, b: Saved) -> Comparison:
    """What differs, and what changed; the time of the whole comes first, then what explains it."""
    return Comparison(
        a=a, b=b, differences=tuple(_differences(a, b)), changes=tuple(_changes(a, b))
    )


_OF_THE_WORK = ("function", "code", "items", "kind")
_WORDS = {"total": "the whole", "loop": "the loop", "item": "an item"}


def _differences(a: Saved, b: Saved) -> Iterator[Difference]:
    pairs = {
        "function": (a.function, b.function),
        "kind": (a.kind, b.kind),
        "items": (_items(a), _items(b)),
    }
    for what, (one, other) in pairs.items():
        if one != other:
            yield Difference(what=what, a=one, b=other)
    if a.code != b.code and a.function == b.function and a.code and b.code:
        yield Difference(what="code", a=a.code[:8], b=b.code[:8])
    for name in {**a.machine, **b.machine}:
        here, there = a.machine.get(name), b.machine.get(name)
        if here != there and not (name == "load" and _is_near(here, there)):
            yield Difference(what=name, a=_shown(here), b=_shown(there))


def _items(saved: Saved) -> str:
    return "not known" if saved.n_items is None else str(saved.n_items)


def _shown(value: object) -> str:
    return "not known" if value is None else str(value)


def _is_near(one: Any, other: Any) -> bool:
    try:
        return abs(float(one) - float(other)) < LOAD_MATTERS
    except (TypeError, ValueError):
        return False


def _changes(a: Saved, b: Saved) -> Iterator[Change]:
    between = (_between_processes(a), _between_processes(b))
    per_item = a.n_items != b.n_items and bool(a.n_items) and bool(b.n_items)
    for what, words in _WORDS.items():
        one, other = a.figure(what), b.figure(what)
        if one is None or other is None:
            continue
        if per_item and what != "item":
            one, other = _divided(one, a.n_items), _divided(other, b.n_items)
            words += ", per item"
        name = f"{words} ({a.plan} / {b.plan})" if what == "total" and a.plan != b.plan else words
        yield _change(name, one, other, between)
    of_b = {one.key: one for one in b.plans}
    told = [plan for plan in a.plans if plan.backend != "serial"]  # the loop has come already
    both = [(plan, of_b[plan.key]) for plan in told if plan.key in of_b]
    for plan, same in [] if per_item else both[:SHOWN_PLANS]:
        yield _change(plan.plan, plan, same, between)


def _divided(figure: Figure, n: int | None) -> Figure:
    times = {name: getattr(figure, name) for name in ("time_s", "low_s", "high_s")}
    return figure.replace(**{name: t and t / (n or 1) for name, t in times.items()})


def _between_processes(saved: Saved) -> float:
    """What the same measurement differs by from process to process, on such a host."""
    load, n_cores = saved.machine.get("load"), saved.machine.get("n_cores")
    try:
        is_busy = float(load) > BUSY_LOAD * float(n_cores)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        is_busy = False
    return BETWEEN_BUSY if is_busy else BETWEEN_PROCESSES


def _change(what: str, a: Figure, b: Figure, between: tuple[float, float]) -> Change:
    factor = b.time_s / a.time_s if a.time_s and b.time_s else None
    width = _log_half_width(a, b, between) if factor is not None else None
    if factor is None or width is None:
        return Change(what=what, a=a, b=b, factor=factor, low=None, high=None, exceeds_noise=None)
    return Change(
        what=what,
        a=a,
        b=b,
        factor=factor,
        low=factor * math.exp(-width),
        high=factor * math.exp(width),
        exceeds_noise=abs(math.log(factor)) > width,
    )


def _are_apart(a: Figure, b: Figure) -> bool:
    """Whether their intervals have nothing in common."""
    if a.low_s is None or a.high_s is None or b.low_s is None or b.high_s is None:
        return False
    return a.high_s < b.low_s or b.high_s < a.low_s


def _log_half_width(a: Figure, b: Figure, between: tuple[float, float]) -> float | None:
    """How far the factor may be off, as a logarithm; the errors of both are independent."""
    widths = []
    for one, sd in zip((a, b), between, strict=True):
        if not one.low_s or not one.high_s:
            return None
        widths.append(abs(math.log(one.high_s / one.low_s)) / 2)
        if one.n_saved < ENOUGH:
            widths.append(NORMAL_95 * sd)
    return math.hypot(*widths)


def _in_words(factor: float) -> str:
    if factor >= 1:
        return f"{factor:.2f} x as long"
    return f"{1 / factor:.2f} x as quick"
