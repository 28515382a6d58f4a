"""One contender with many workers on one row of naps, in a fresh process.

The driver starts it as `python -c "from benchmarks.many_contenders import main; main()" CONTENDER
N_WORKERS ROW`. It makes two calls and prints two lines: what the first one took, from before the
first import until the workers have ended, without the second; and what the second one took. Each
line has wall seconds and the CPU seconds of the caller, without those of its workers.
"""

import os
import sys
import time
from resource import RUSAGE_SELF, getrusage
from time import perf_counter, sleep

from benchmarks import contenders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from benchmarks.contenders import Job, Map, Session

N_CALLS = 2
SEED = 18


def main() -> None:
    """Run what the command line names and print what its calls took."""
    contender, n_workers, row = sys.argv[1:]
    calls = Calls(ROWS[row])
    CONTENDERS[contender](nap, calls, int(n_workers))
    calls.print()


def nap(nap_s: float) -> float:
    """An item."""
    sleep(nap_s)
    return nap_s


class Calls:
    """Two calls over the same naps, with the clocks before, between and after them."""

    def __init__(self, naps_s: "list[float]"):
        self.naps_s = naps_s
        self.marks = [clocks_s()]

    def __call__(self, mapped: "Map") -> None:
        for _ in range(N_CALLS):
            if len(mapped(self.naps_s)) != len(self.naps_s):
                raise SystemExit("not every item has a result")
            self.marks.append(clocks_s())

    def print(self) -> None:
        """What the calls took: once the workers have ended, if their contender ends them."""
        marks = zip(*self.marks, clocks_s(), strict=True)  # of the wall, then of the CPU
        wall_s, cpu_s = (
            (first - begun + ended - second, second - first)
            for begun, first, second, ended in marks
        )
        for one in zip(wall_s, cpu_s, strict=True):
            sys.stdout.write("{} {}\n".format(*one))


def clocks_s() -> tuple[float, float]:
    """Wall time, and CPU time of this process."""
    used = getrusage(RUSAGE_SELF)
    return perf_counter(), used.ru_utime + used.ru_stime


def amorsize(job: "Job", session: "Session", n_jobs: int) -> None:
    """As it is: it sees that the items wait."""
    from amorsize import autotune

    session(autotune(backend="process", n_jobs=n_jobs)(job))


def amorsize_computing(job: "Job", session: "Session", n_jobs: int) -> None:
    """On a host where naps are computing, with a core for each worker, as far as it can see."""
    time.process_time = time.thread_time = perf_counter
    os.cpu_count = lambda: n_jobs
    os.sched_getaffinity = lambda _process: set(range(n_jobs))
    amorsize(job, session, n_jobs)


def _three_decades() -> "list[float]":
    """From 0.5 ms to 0.5 s, as many in each factor of ten."""
    import random

    draw = random.Random(SEED)
    return [0.5e-3 * 1000 ** draw.random() for _ in range(800)]


ROWS: "dict[str, list[float]]" = {
    "5 ms x 2000": [5e-3] * 2000,
    "1 ms x 8000": [1e-3] * 8000,
    "64 of 0.2 s": [0.2] * 64,
    "2000 of 0.5 ms, then 400 of 20 ms": [0.5e-3] * 2000 + [20e-3] * 400,
    "0.5 ms to 0.5 s, three decades, x 800": _three_decades(),
    "1500 of 2 ms, then 10 of 0.15 s and one of 0.6 s": [2e-3] * 1500 + [0.15] * 10 + [0.6],
}
CONTENDERS: "dict[str, Callable[[Job, Session, int], Any]]" = {
    "pool": contenders.pool,
    "imap": contenders.imap,
    "executor_4th": contenders.executor_4th,
    "joblib": contenders.joblib,
    "mpire": contenders.mpire,
    "amorsize": amorsize,
    "amorsize_computing": amorsize_computing,
}
