"""How far a call is, at one moment."""

from __future__ import annotations

from amorsize.policy.counted import counted
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

#: Columns of a function's name in a line, at most.
NAME_COLUMNS = 24
#: Cells of the bar in a line, where there is room for it.
BAR_CELLS = 16
#: Characters between two parts of a line.
GAP = "  "


class Progress(Value):
    """How far a call is: what `progress=True` shows, and what a function of yours is given.

    Example:
        >>> told = []
        >>> tuned_map(len, ["a", "bb"], progress=told.append)
        [1, 2]
        >>> told[-1].n_done, told[-1].is_over
        (2, True)
    """

    name: str  # of the function
    n_done: int  # items that are done, failed ones that were kept among them
    n_items: int | None  # in all; None while the data has not ended
    n_failed: int = 0  # exceptions that were kept as results, with `return_exceptions=True`
    n_retried: int = 0  # items that ran again, or will: a worker was lost with them
    n_workers: int = 0  # that the call has now, beside the caller
    backend: str = "serial"  # what they are: "thread" or "process"; "serial" while there are none
    elapsed_s: float = 0.0  # seconds since the call began
    items_per_s: float | None = None  # items done in a second, lately; None before the first
    left_s: float | None = None  # seconds until all is done; None if it cannot be told
    done_share: float | None = None  # of the whole cost, from 0 to 1; None if it cannot be told
    is_over: bool = False  # the call has ended; with items left, by an error or Ctrl-C

    def __str__(self) -> str:
        if self.is_over:
            return f"{self.name}: {self._told_at_the_end()}"
        told = counted(self.n_done, "item")
        if self.n_items is not None:
            told = f"{self.n_done} of {counted(self.n_items, 'item')}"
        share = "" if self.done_share is None else f" ({self.done_share:.0%})"
        parts = [f"{told}{share} after {duration(self.elapsed_s)}", *self._further()]
        return f"{self.name}: {', '.join(parts)}"

    def _told_at_the_end(self) -> str:
        took = duration(self.elapsed_s)
        if self.n_items is not None and self.n_done < self.n_items:
            first = f"stopped at {self.n_done} of {counted(self.n_items, 'item')} after {took}"
        elif self.n_items is None:
            first = f"stopped after {counted(self.n_done, 'item')} and {took}"
        else:
            first = f"{counted(self.n_done, 'item')} in {took}"
        mean = None if not self.elapsed_s else self.n_done / self.elapsed_s
        return ", ".join([first, *([rate(mean)] if mean else []), *self._troubles()])

    def _further(self) -> list[str]:
        return [
            *([] if not self.items_per_s else [rate(self.items_per_s)]),
            *([] if self.left_s is None else [left(self.left_s)]),
            *([] if not self.n_workers else [counted(self.n_workers, self.backend)]),
            *self._troubles(),
        ]

    def _troubles(self) -> Iterator[str]:
        if self.n_retried:
            yield f"{self.n_retried} retried"
        if self.n_failed:
            yield f"{self.n_failed} failed"

    def line(self, n_columns: int) -> str:
        """The progress in one line of a terminal, with as much as there is room for."""
        if self.is_over:
            return clipped(str(self), n_columns)
        count = f"{self.n_done}" if self.n_items is None else f"{self.n_done}/{self.n_items}"
        share = "" if self.done_share is None else f"{self.done_share:.0%}"
        pace = rate(self.items_per_s) if self.items_per_s else ""
        left_s = "" if self.left_s is None else left(self.left_s)
        workers = counted(self.n_workers, self.backend) if self.n_workers else ""
        parts = [
            clipped(self.name, NAME_COLUMNS),
            "" if self.done_share is None else bar(self.done_share),
            *(share, count, pace, left_s, workers, *self._troubles()),
        ]
        # What goes first where there is not enough room, by its place.
        for place in (1, 6, 4, 2, 0, *range(len(parts) - 1, 6, -1), 5):
            if columns(GAP.join(filter(None, parts))) <= n_columns:
                break
            parts[place] = ""
        return clipped(GAP.join(filter(None, parts)), n_columns)


def duration(value_s: float) -> str:
    """Seconds as people say them, in two units at most."""
    whole = round(value_s)
    if value_s < 9.95:
        return f"{value_s:.1f} s"
    for unit_s, unit, next_s, lesser in (
        (60, "min", 1, "s"),
        (3600, "h", 60, "min"),
        (86_400, "d", 3600, "h"),
    ):
        most_s = {60: 3600, 3600: 86_400}.get(unit_s, float("inf"))
        if whole < 60:
            return f"{whole} s"
        if whole < most_s:
            rest = whole % unit_s // next_s
            return f"{whole // unit_s} {unit}" + (f" {rest} {lesser}" if rest else "")
    raise AssertionError("no duration is too long for days")


def left(value_s: float) -> str:
    """The seconds that are left, in whole ones: nobody knows it better."""
    whole = max(1, round(value_s))
    return f"{whole} s left" if whole < 60 else f"{duration(whole)} left"


def rate(per_s: float) -> str:
    """Items in a second, a minute or an hour: what gives a number from 1 on."""
    factor, unit = next(
        (one for one in ((1, "s"), (60, "min")) if per_s * one[0] >= 1), (3600, "h")
    )
    value = per_s * factor
    return f"{value:.0f}/{unit}" if value >= 99.5 else f"{value:.2g}/{unit}"


def bar(share: float) -> str:
    """A bar in plain ASCII, which any terminal shows in as many columns as it has signs."""
    n_full = int(share * BAR_CELLS)
    return f"[{'#' * n_full}{'.' * (BAR_CELLS - n_full)}]"


def columns(text: str) -> int:
    """The columns that a text takes in a terminal, where some signs take two and some none."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(
        0 if unicodedata.combining(sign) else 1 + (unicodedata.east_asian_width(sign) in "WF")
        for sign in text
    )


def clipped(text: str, n_columns: int) -> str:
    """A text that fits, without what could steer a terminal."""
    text = "".join(sign if sign.isprintable() else "?" for sign in text)
    if columns(text) <= n_columns:
        return text
    while text and columns(text) > n_columns - 1:
        text = text[:-1]
    return f"{text}~"
