"""The growth of a worker process in memory, as the kernel counts it."""

from __future__ import annotations

from amorsize._host import procfs

#: Seconds between two looks while items run under a limit. A look takes 15 us.
EVERY_S = 5e-3
#: A process that holds more than this at its start first returns free memory to the system.
MUCH_BYTES = 48 << 20


class RssLimit:
    """Compares the private memory of this process with the limit of a call.

    Args:
        most_bytes: How much the process may grow; None: any amount.
    """

    def __init__(self, most_bytes: int | None) -> None:
        found = _read() or (0, 0)
        if found[0] > MUCH_BYTES and _give_back():
            found = _read() or found
        self._held_bytes, self._peak_bytes = found
        self.begin(most_bytes)

    def begin(self, most_bytes: int | None) -> None:
        """Start anew for a call that allows this growth."""
        self._most_bytes = most_bytes
        self._checked_s = 0.0
        self._n_reports, self._next_report = 0, 1
        self.exceeds_limit = False  # it has grown beyond the limit

    def check(self, now_s: float) -> bool:
        """Whether the process may run another item."""
        if self._most_bytes is not None and now_s - self._checked_s > EVERY_S:
            self._checked_s = now_s
            self.judge()
        return not self.exceeds_limit

    def judge(self) -> None:
        """Compare the growth with the limit now."""
        if self._most_bytes is not None and (found := _read()) is not None:
            self.exceeds_limit = self._growth_of(found[0]) > self._most_bytes

    def _growth_of(self, held_bytes: int) -> int:
        """Growth since the smallest size: freed inherited memory would hide growth."""
        self._held_bytes = min(self._held_bytes, held_bytes)
        return held_bytes - self._held_bytes

    def to_report(self) -> tuple[int, int] | None:
        """The peak growth and the growth now; None for most reports.

        The first reports have it, later ones ever more rarely: the memory of items shows early or
        changes slowly.
        """
        self._n_reports += 1
        if self._n_reports < self._next_report:
            return None
        self._next_report *= 2
        if (found := _read()) is None:
            return None
        held_bytes = self._growth_of(found[0])
        # A warm worker may have had its peak in an earlier call.
        return max(held_bytes, found[1] - self._peak_bytes), held_bytes


def _give_back() -> bool:
    """Make the C library return free memory to the system; whether it can.

    A fork inherits the free memory of its caller, which the kernel counts from the start. Items
    that fill it would take pages without showing as growth.
    """
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc
    if trim is not None:
        trim(0)
    return trim is not None


def _read() -> tuple[int, int] | None:
    """Private bytes of this process, now and at their peak; None where the system does not tell."""
    told = procfs.read("/proc/self/status")
    try:
        now, peak, files = (procfs.bytes_in(told, name) for name in ("RssAnon", "VmHWM", "RssFile"))
    except ValueError:  # Linux before 4.5
        return None
    return now, peak - files  # the peak includes mapped files, mostly shared code
