"""How much more memory this process may map, where that is limited (ulimit -v, ulimit -d)."""

from __future__ import annotations

from resource import RLIM_INFINITY, RLIMIT_AS, RLIMIT_DATA, getpagesize, getrlimit

from amorsize._host import procfs

MIB = 1 << 20
#: With less left, the caller runs all items. The modules of a call with workers take up to 8 MiB,
#: the stack of a thread takes as much, and items need some as well.
LEAST_BYTES = 24 * MIB
#: With less left, a call is a plain loop: modules that run items in the caller take up to 5 MiB.
LOOP_BYTES = 10 * MIB
#: A thread may take its stack and the 64 MiB that the C library reserves for its memory.
THREAD_BYTES = 72 * MIB
#: The file of Linux with the number of pages that a process has mapped, and the column.
PAGES_PATH = "/proc/self/statm"
COLUMNS = {RLIMIT_AS: 0, RLIMIT_DATA: 5}


def bytes_left() -> int | None:
    """How much it may still map; None: no limit is known. Takes 15 us."""
    limits = {which: getrlimit(which)[0] for which in COLUMNS}
    n_pages = [int(one) for one in procfs.read(PAGES_PATH).split()]
    if not n_pages:
        return None
    left = [
        n_bytes - n_pages[COLUMNS[which]] * getpagesize()
        for which, n_bytes in limits.items()
        if n_bytes != RLIM_INFINITY
    ]
    return max(0, min(left)) if left else None


def why_less_than(least_bytes: int) -> str | None:
    """Says how much is left if that is less than this; None: enough is left."""
    n_left = bytes_left()
    if n_left is None or n_left >= least_bytes:
        return None
    return f"this process may map only {n_left / MIB:.0f} MiB more (ulimit -v)"


def n_threads_most() -> int | None:
    """The number of threads that leave half of it free; None: any number."""
    n_left = bytes_left()
    return None if n_left is None else n_left // 2 // THREAD_BYTES
