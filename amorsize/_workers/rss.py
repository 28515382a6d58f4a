"""What memory a worker process has taken since it began, as the kernel counts it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LOOK_S = 5e-3  # how often it is looked while items run, where there is a limit: a look takes 15 us
MUCH_BYTES = 48 << 20  # held from the beginning: by then some of it may well be free
_KIB = 1024


class Appetite:
    """The memory of this process alone; what it shares with its caller is not counted.

    Args:
        most_bytes: By so much it may have grown; None: by any amount.
    """

    def __init__(self, most_bytes: int | None) -> None:
        found = _read() or (0, 0)
        if found[0] > MUCH_BYTES and _give_back():
            found = _read() or found
        self._held_bytes, self._peak_bytes = found
        self.begin(most_bytes)

    def begin(self, most_bytes: int | None) -> None:
        """Tell a call from now on, which allows so much."""
        self._most_bytes = most_bytes
        self._looked_s = 0.0
        self._n_reports, self._next_report = 0, 1
        self.exceeds_limit = False  # it has grown beyond what it may

    def look(self, now_s: float) -> bool:
        """Between two items: whether it may go on."""
        if self._most_bytes is not None and now_s - self._looked_s > LOOK_S:
            self._looked_s = now_s
            self.judge()
        return not self.exceeds_limit

    def judge(self) -> None:
        """See whether it has grown beyond what it may."""
        if self._most_bytes is not None and (found := _read()) is not None:
            self.exceeds_limit = self._growth_of(found[0]) > self._most_bytes

    def _growth_of(self, held_bytes: int) -> int:
        """Since it held least: a fork may give back what it began with, which then hides growth."""
        self._held_bytes = min(self._held_bytes, held_bytes)
        return held_bytes - self._held_bytes

    def to_report(self) -> tuple[int, int] | None:
        """By how much it has grown at most, and still holds; None where that need not be told.

        The first reports tell it, then ever fewer: what items take shows early, or changes slowly.
        """
        self._n_reports += 1
        if self._n_reports < self._next_report:
            return None
        self._next_report *= 2
        if (found := _read()) is None:
            return None
        held_bytes = self._growth_of(found[0])
        # A worker of earlier calls may have had its peak in one of those.
        return max(held_bytes, found[1] - self._peak_bytes), held_bytes


def _give_back() -> bool:
    """Have the C library give back what is free; whether it could be asked.

    A fork inherits what its caller has freed and kept. The kernel counts that as held from the
    beginning, so items that are put there would take memory, page by page, and not seem to.
    """
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)
    return trim is not None


def _read() -> tuple[int, int] | None:
    """Bytes of this process alone, now and at most so far; None where the system does not tell."""
    try:
        with open("/proc/self/status", "rb") as told:
            lines = told.read().split(b"\n")
    except OSError:
        return None
    found: dict[bytes, Any] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        if name in (b"VmHWM", b"RssAnon", b"RssFile"):
            found[name] = int(value.split()[0]) * _KIB
    try:
        # Of files, the kernel tells how much is mapped now: code, above all, that others share.
        return found[b"RssAnon"], found[b"VmHWM"] - found[b"RssFile"]
    except KeyError:  # Linux before 4.5
        return None
