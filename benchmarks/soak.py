"""Thousands of calls of every kind, faults among them: what is left of them in the process?

Some are given large tables, as keywords, in closures and in objects, or give large results. There
are no garbage collections but those of the interpreter: with `--no-collections` none at all.

`python -m benchmarks.soak` makes 20 000 calls and prints what the process holds after every
thousandth: memory, descriptors, threads, children, shared memory. What a process loads or opens
once, however often it calls, is there before: each kind of call is made once, and the cache's
database is opened. `--storm` maps for 30 s instead while a random worker is killed every 50 ms.
"""

import argparse
import ctypes
import functools
import gc
import itertools
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import amorsize
from amorsize import AmorsizeError, autotune, tuned_map

N_CALLS = 20_000
EVERY = 1000  # calls between two looks; what follows the first is what may not grow
MOST_GROWTH = 1.1  # of memory, from the first look on: 1.00 to 1.02 was seen
COUNTED = ("n_descriptors", "n_threads", "n_children", "n_shared")  # none may be more at any look
CALLER = os.getpid()
LARGE_BYTES = 1 << 19
STORM_ITEMS = 22_000  # of 2 ms in two workers, with what the storm costs: about 30 s
BETWEEN_KILLS_S = 0.05
STORM_RETRIES = 50  # an item that is hit by chance each time it runs is a matter of luck


# -- items ---------------------------------------------------------------------------------------


def double(x: int) -> int:
    """Next to no work."""
    return 2 * x


def wait(x: int) -> int:
    """Work that waits."""
    time.sleep(1e-4)
    return 2 * x


def fail_at_7(x: int) -> int:
    """Item 7 raises."""
    if x == 7:
        raise ValueError("seven")
    return 2 * x


def die_at_7(x: int) -> int:
    """Item 7 ends its worker."""
    if x == 7 and os.getpid() != CALLER:
        os.kill(os.getpid(), signal.SIGKILL)
    return 2 * x


def stay_at_7(x: int) -> int:
    """Item 7 does not end."""
    if x == 7:
        time.sleep(1000)
    return 2 * x


def lock_at_7(x: int) -> Any:
    """Item 7 gives what cannot be pickled."""
    return threading.Lock() if x == 7 else 2 * x


def fork_at_7(x: int) -> int:
    """Item 7 forks, and both return."""
    if x == 7 and os.getpid() != CALLER:
        os.fork()
    return 2 * x


def megabyte(x: int) -> bytes:
    """A large result."""
    return bytes([x]) * 1_000_000


class Table:
    """What all items share, and none should keep."""

    def __init__(self) -> None:
        self.content = bytes(LARGE_BYTES)

    def look(self, x: int) -> int:
        """An item of an object."""
        return 2 * x + self.content[x]


def look_into(x: int, table: Table) -> int:
    """An item that is given what all share."""
    return table.look(x)


def fail_with(x: int, table: Table) -> int:
    """Its error leads to what it was given."""
    return fail_at_7(table.look(x) // 2)


# -- calls ---------------------------------------------------------------------------------------

ITEMS = list(range(20))
DOUBLES = [2 * x for x in ITEMS]
PROCESSES: dict[str, Any] = {"backend": "process", "n_jobs": 2}


def _all_but_7(found: list[Any], kind: type[BaseException]) -> bool:
    others = found[:7] + found[8:]
    return others == DOUBLES[:7] + DOUBLES[8:] and isinstance(found[7], kind)


def _raises() -> bool:
    try:
        tuned_map(fail_at_7, ITEMS, **PROCESSES)
    except ValueError as error:
        return amorsize.partial_results(error).items() >= dict(enumerate(DOUBLES[:7])).items()
    return False


def _lock() -> bool:
    try:
        tuned_map(lock_at_7, ITEMS, **PROCESSES)
    except AmorsizeError as error:
        return "item 7 " in str(error)
    return False


def _kept(function: Callable[[int], Any], kind: type[BaseException], **options: Any) -> bool:
    found = tuned_map(function, ITEMS, return_exceptions=True, **PROCESSES, **options)
    return _all_but_7(found, kind)


def _abandoned(backend: str) -> bool:
    stream = autotune(wait, backend=backend, n_jobs=2).stream(itertools.count())
    taken = list(itertools.islice(stream, 30))
    stream.close()
    return taken == [2 * x for x in range(30)]


def _clean() -> bool:
    os.environ["AMORSIZE_START"] = "clean"
    try:
        return tuned_map(double, ITEMS, **PROCESSES) == DOUBLES
    finally:
        del os.environ["AMORSIZE_START"]


def _large() -> bool:
    return tuned_map(megabyte, range(4), **PROCESSES) == [megabyte(x) for x in range(4)]


def _keyword(**options: Any) -> bool:
    return tuned_map(look_into, ITEMS, item_kwargs={"table": Table()}, **options) == DOUBLES


def _keyword_clean() -> bool:
    os.environ["AMORSIZE_START"] = "clean"
    try:
        return _keyword(**PROCESSES)
    finally:
        del os.environ["AMORSIZE_START"]


def _closure() -> bool:
    table = Table()
    return tuned_map(lambda x: look_into(x, table), ITEMS) == DOUBLES


def _partial_raises() -> bool:
    try:
        tuned_map(functools.partial(fail_with, table=Table()), ITEMS)
    except ValueError:
        return True
    return False


def _kept_raises() -> bool:
    function = functools.partial(fail_with, table=Table())
    return _all_but_7(tuned_map(function, ITEMS, return_exceptions=True), ValueError)


def _stream_of_table() -> bool:
    taken = autotune(functools.partial(look_into, table=Table())).stream(iter(ITEMS))
    return next(taken) == 0


CALLS: dict[str, tuple[int, Callable[[], bool]]] = {  # how often by the others, and what
    "loop": (30, lambda: tuned_map(double, ITEMS) == DOUBLES),
    "generator": (10, lambda: tuned_map(double, iter(ITEMS)) == DOUBLES),
    "processes": (15, lambda: tuned_map(double, ITEMS, **PROCESSES) == DOUBLES),
    "clean": (8, _clean),
    "threads": (10, lambda: tuned_map(wait, ITEMS, backend="thread") == DOUBLES),
    "stream": (5, lambda: list(autotune(double).stream(ITEMS, ordered=True)) == DOUBLES),
    "abandoned": (3, lambda: _abandoned("process")),
    "abandoned-threads": (2, lambda: _abandoned("thread")),
    "raises": (4, _raises),
    "unpicklable": (3, _lock),
    "dies": (3, lambda: _kept(die_at_7, amorsize.WorkerDied)),
    "forks": (2, lambda: tuned_map(fork_at_7, ITEMS, **PROCESSES) == DOUBLES),
    "late": (2, lambda: _kept(stay_at_7, amorsize.ItemTimeout, timeout=0.05)),
    "large": (3, _large),
    "keyword": (4, _keyword),
    "keyword-processes": (2, lambda: _keyword(**PROCESSES)),
    "keyword-clean": (1, _keyword_clean),
    "keyword-threads": (2, lambda: _keyword(backend="thread")),
    "closure": (4, _closure),
    "method": (4, lambda: tuned_map(Table().look, ITEMS) == DOUBLES),
    "partial-raises": (2, _partial_raises),
    "kept-raises": (2, _kept_raises),
    "table-stream": (2, _stream_of_table),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the process holds between two calls."""

    n_calls: int
    rss_bytes: int
    n_descriptors: int
    n_threads: int
    n_children: int
    n_shared: int  # segments of shared memory that are mapped
    n_wrong: int  # calls that did not end as they should have


def held(n_calls: int, n_wrong: int) -> Held:
    """Look at the process, once warm workers have ended and what is free was given back."""
    amorsize.shutdown()
    if gc.isenabled():
        gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    maps = Path("/proc/self/maps").read_text()
    return Held(
        n_calls=n_calls,
        rss_bytes=int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"),
        n_descriptors=len(os.listdir("/proc/self/fd")),
        n_threads=len(os.listdir("/proc/self/task")),
        n_children=sum(len(path.read_text().split()) for path in _children()),
        n_shared=maps.count("/dev/zero") + maps.count("/memfd:") + maps.count("/dev/shm"),
        n_wrong=n_wrong,
    )


def _children() -> list[Path]:
    return list(Path("/proc/self/task").glob("*/children"))


def settle() -> int:
    """Load and open what a process does only once; how many calls did not end as they should."""
    n_wrong = 0
    for name, (_, call) in CALLS.items():
        if not call():
            n_wrong += 1
            print(f"the first call ({name}) did not end as it should", flush=True)
    # The journal is moved into the database when it is full, which is after some 10 000 calls. It
    # must hold something for that, and a record by this name is nothing that a call asks for.
    amorsize.cache.note("soak", {})
    amorsize.cache.compact()
    amorsize.cache.forget("soak")
    return n_wrong


def soak(n_calls: int, *, every: int, seed: int = 0) -> list[Held]:
    """Make calls drawn at random; what was held after every so many."""
    pick = random.Random(seed)
    names, weights = list(CALLS), [weight for weight, _ in CALLS.values()]
    seen, n_wrong = [], settle()
    for number in range(1, n_calls + 1):
        name = pick.choices(names, weights)[0]
        if not CALLS[name][1]():
            n_wrong += 1
            print(f"call {number} ({name}) did not end as it should", flush=True)
        if number % every == 0:
            seen.append(held(number, n_wrong))
            print(json.dumps(asdict(seen[-1])), flush=True)
    return seen


# -- a storm -------------------------------------------------------------------------------------


def short_work(x: int) -> int:
    """2 ms."""
    time.sleep(2e-3)
    return 2 * x


def storm(n_items: int, *, seed: int = 0) -> tuple[float, int, bool]:
    """Map while a child kills a random worker every 50 ms: seconds, kills, and if all is right."""
    reading, writing = os.pipe()
    others = {pid for path in _children() for pid in path.read_text().split()}
    killer = os.fork()
    if not killer:
        with suppress(BaseException):
            _kill_workers(os.getppid(), others, writing, random.Random(seed))
        os._exit(0)
    os.close(writing)
    options: dict[str, Any] = {**PROCESSES, "retries": STORM_RETRIES}
    began_s = time.monotonic()
    try:
        found = tuned_map(short_work, range(n_items), **options)
    finally:
        took_s = time.monotonic() - began_s
        os.kill(killer, signal.SIGKILL)
        os.waitpid(killer, 0)
        with os.fdopen(reading, "rb") as told:
            n_kills = len(told.read())
    return took_s, n_kills, found == [2 * x for x in range(n_items)]


def _kill_workers(caller: int, others: set[str], writing: int, pick: random.Random) -> None:
    while True:
        time.sleep(BETWEEN_KILLS_S)
        listing = Path(f"/proc/{caller}/task/{caller}/children").read_text().split()
        workers = [int(pid) for pid in listing if int(pid) != os.getpid() and pid not in others]
        if workers:
            os.kill(pick.choice(workers), signal.SIGKILL)
            os.write(writing, b"k")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=N_CALLS)
    parser.add_argument("--no-collections", action="store_true")
    parser.add_argument("--storm", action="store_true")
    chosen = parser.parse_args()
    if chosen.storm:
        took_s, n_kills, is_right = storm(STORM_ITEMS)
        print(f"{took_s:.1f} s, {n_kills} workers killed, results right: {is_right}")
        return
    if chosen.no_collections:
        gc.disable()
    seen = soak(chosen.calls, every=EVERY)
    first, rest = seen[0], seen[1:]
    highest = max((one.rss_bytes for one in rest), default=first.rss_bytes)
    print(f"memory: {highest / first.rss_bytes:.3f} x that after {first.n_calls} calls, at most")
    more = [
        name for name in COUNTED if any(getattr(one, name) > getattr(first, name) for one in rest)
    ]
    if highest > MOST_GROWTH * first.rss_bytes:
        more.insert(0, "memory")
    if more:
        raise SystemExit(f"grown since the first look: {', '.join(more)}")
    if seen[-1].n_wrong:
        raise SystemExit("calls did not end as they should have")


if __name__ == "__main__":
    main()
