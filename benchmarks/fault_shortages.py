"""More items of `benchmarks.faults`: hangs, shortages and leaks that come about around a map."""

import errno
import gc
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from benchmarks.fault_items import BAD, _first, double, witness

DEEP = 60_000  # lists in lists: more than any interpreter walks through by recursion
N_FILES = 4

_pool: list[ThreadPoolExecutor] = []
_own: list[int] = []  # descriptors


# -- threads, children and descriptors of items --------------------------------------------------


def asks_its_threads(x: int) -> int:
    """A client that starts threads of its own with the first question, as boto3's and grpc's do."""
    if not _pool:
        witness("starts threads")
        _pool.append(ThreadPoolExecutor(2))
    return _pool[0].submit(double, x).result()


def asks_threads_beside(results: Iterator[Any]) -> list[Any]:
    """Who takes the results has a client as well, which starts its threads with the first one."""
    return [asks_its_threads(result) // 2 for result in results]


def waits_for_all_children(x: int) -> int:
    """As a shell's `wait` does; there are none of its own."""
    if x == BAD:
        witness("waits for all children")
        with suppress(ChildProcessError):
            while True:
                os.wait()
    return double(x)


def takes_the_numbers(x: int) -> int:
    """Closes what it did not open, and has a file of its own under each of the numbers then."""
    if x == BAD and _first():
        witness("close(3...64), open")
        os.closerange(3, 64)
        for _ in range(20):
            number, path = tempfile.mkstemp()
            os.unlink(path)
            _own.append(number)
    if any(os.lseek(number, 0, os.SEEK_END) for number in _own):
        raise AssertionError("somebody has written into a file of the item's")
    return double(x)


def gives_depth(x: int) -> Any:
    """A result nested deeply."""
    if x != BAD:
        return double(x)
    witness(f"{DEEP} lists deep")
    found: Any = []
    for _ in range(DEEP):
        found = [found]
    return found


def is_deep(result: Any) -> bool:
    """The result of the bad item, where it is nested."""
    depth = 0
    while result:
        result, depth = result[0], depth + 1
    return depth == DEEP


def with_more_recursion(_: Any, __: Any) -> None:
    """What such results need in other places."""
    sys.setrecursionlimit(200_000)


def opens_files(x: int) -> int:
    """Waits with a few files open."""
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(N_FILES)]
    time.sleep(20e-3)
    for number in held:
        os.close(number)
    return 2 * x


# -- the caller's own state ----------------------------------------------------------------------


def stop_the_clocks(_: Any, __: Any) -> None:
    """As a test does that freezes time."""
    witness("frozen clocks")
    for name in ("time", "monotonic", "perf_counter"):
        setattr(time, name, partial(float, 1e9))


def ignore_children(_: Any, __: Any) -> None:
    """Have the system collect whatever ends."""
    witness("SIGCHLD is ignored")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


class TimeUpError(Exception):
    """A limit of the program's own."""


def limit_by_alarm(_: Any, __: Any) -> None:
    """A handler that raises in the midst of the map."""

    def over(*_: Any) -> None:
        raise TimeUpError

    witness("alarm in 0.4 s")
    signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, 0.4)


def begins_slowly(x: int) -> int:
    """Items among which the alarm comes, or the whole program is stopped."""
    if x == BAD and _first():
        witness("computing")
    time.sleep(30e-3)
    return 2 * x


def no_process_more(function: Any, mapped: Any) -> None:
    """As a control group with `pids.max` refuses it, which counts threads, too."""
    import _posixsubprocess
    import subprocess

    def refuse(*_: Any, **__: Any) -> Any:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    no_thread_more(function, mapped)
    witness("no process more")
    os.fork = _posixsubprocess.fork_exec = refuse  # type: ignore[assignment]
    subprocess._fork_exec = refuse  # type: ignore[attr-defined]


def no_thread_more(_: Any, __: Any) -> None:
    """As a control group with `pids.max` refuses it."""
    import _thread

    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError("can't start new thread")

    witness("no thread more")
    _thread.start_new_thread = refuse  # type: ignore[assignment]
    for name in ("_start_new_thread", "_start_joinable_thread"):  # up to Python 3.12, from 3.13 on
        if hasattr(threading, name):
            setattr(threading, name, refuse)


def no_descriptor_more(_: Any, __: Any) -> None:
    """All that may be open is, in a program that had its libraries before."""
    import concurrent.futures.process  # noqa: F401
    import multiprocessing.pool  # noqa: F401

    with suppress(ImportError):
        import joblib  # type: ignore[import-untyped]
        import mpire.pool  # noqa: F401

        joblib.parallel.get_active_backend()
    import amorsize._profiles.memory_store

    assert amorsize.autotune

    _leave_descriptors(0)


def few_for_many(_: Any, __: Any) -> None:
    """As many as 20 items at once would need."""
    _leave_descriptors(20 * N_FILES)


def _leave_descriptors(n_left: int) -> None:
    witness(f"RLIMIT_NOFILE, {n_left} left")
    lowest_free = os.dup(0)
    os.close(lowest_free)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + n_left, hard))


def lift_limits() -> None:
    """Have descriptors again, to tell what came of it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# -- what is left --------------------------------------------------------------------------------


class Held:
    """What may be large."""


class StillHeldError(Exception):
    """What a map was given is alive when the map is over."""


def double_beside(x: int, held: Held) -> int:
    """An item that needs what all share."""
    return double(x) if held else x


def frees_what_it_was_given(_: Any, mapped: Any) -> None:
    """Without a garbage collection; one of those comes when it likes."""
    witness("no garbage collection")
    gc.collect()
    gc.disable()
    held = Held()
    list(mapped(partial(double_beside, held=held), list(range(40))))
    watched = weakref.ref(held)
    del held
    if watched() is not None:
        raise StillHeldError


def raises_when_set_up_second() -> None:
    """A licence for one worker only."""
    if not _first("licence"):
        witness("no licence left")
        raise RuntimeError("no licence left")
