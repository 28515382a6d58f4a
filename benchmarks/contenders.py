"""One contender on one workload: the whole life of a fresh process, with no import to spare.

The driver starts it as `python -c "from benchmarks.contenders import main; main()" CONTENDER MODULE
JOB DATA N_CALLS [FOLDER]` and times it from outside. It prints a line for each call: its wall
seconds and, where a FOLDER to account in was given, the CPU seconds of its items. What a contender
must import it imports as a program using it would, and nothing else is imported here.
"""

import os
import sys
from time import perf_counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Job = Callable[[Any], Any]
    Map = Callable[[Any], Any]
    Session = Callable[[Map], None]  # makes the calls, the last of them the one that counts


def main() -> None:
    """Run what the command line names and print what its calls took."""
    contender, module, job, data, n_calls, *folder = sys.argv[1:]
    __import__(module)
    jobs = sys.modules[module]
    calls = Calls(getattr(jobs, data), int(n_calls), *folder)
    CONTENDERS[contender](_accounted(module, job, *folder) or getattr(jobs, job), calls)
    sys.stdout.write("".join(calls.lines))


class Calls:
    """Some calls in a row, each over fresh data, timed one by one."""

    def __init__(self, make_data: "Callable[[], Any]", n_calls: int, folder: str = ""):
        self.make_data, self.n_calls, self.folder = make_data, n_calls, folder
        self.lines: list[str] = []

    def __call__(self, mapped: "Map") -> None:
        for _ in range(self.n_calls):
            data = self.make_data()
            before_cpu_s = self._items_cpu_s()
            before_s = perf_counter()
            results = mapped(data)
            wall_s = perf_counter() - before_s
            self.lines.append(f"{wall_s} {self._items_cpu_s() - before_cpu_s}\n")
            if hasattr(data, "__len__") and len(results) != len(data):
                raise SystemExit(f"{len(results)} results for {len(data)} items")
            del results

    def _items_cpu_s(self) -> float:
        if not self.folder:
            return 0.0
        from benchmarks.accounting import items_cpu_s

        return items_cpu_s(self.folder)


def _accounted(module: str, job: str, folder: str = "") -> "Job | None":
    if not folder:
        return None
    from benchmarks.accounting import Accounted

    return Accounted(module, job, folder)


def loop(job: "Job", session: "Session") -> None:
    session(lambda data: [job(item) for item in data])


def two_forks(job: "Job", session: "Session") -> None:
    """Two loops at once, each over every other item: what the work costs when both cores run."""

    def mapped(data: "Any") -> list[None]:
        items = list(data)
        children = [_forked_loop(job, items[start::2]) for start in (0, 1)]
        for child in children:
            os.waitpid(child, 0)
        return [None] * len(items)

    session(mapped)


def _forked_loop(job: "Job", items: "list[Any]") -> int:
    child = os.fork()
    if child:
        return child
    failed = 1
    try:
        [job(item) for item in items]
        failed = 0
    finally:
        os._exit(failed)


def pool(job: "Job", session: "Session", n_jobs: int | None = None) -> None:
    from multiprocessing import Pool

    with Pool(n_jobs) as workers:
        session(lambda data: workers.map(job, data))


def imap(job: "Job", session: "Session", n_jobs: int | None = None) -> None:
    from multiprocessing import Pool

    with Pool(n_jobs) as workers:
        session(lambda data: list(workers.imap(job, data)))


def executor_1(job: "Job", session: "Session") -> None:
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor() as workers:
        session(lambda data: list(workers.map(job, data)))


def executor_8th(job: "Job", session: "Session") -> None:
    from concurrent.futures import ProcessPoolExecutor

    def mapped(data: "Any") -> "list[Any]":
        items = data if hasattr(data, "__len__") else list(data)
        return list(workers.map(job, items, chunksize=-(-len(items) // 8)))

    with ProcessPoolExecutor() as workers:
        session(mapped)


def executor_4th(job: "Job", session: "Session", n_jobs: int) -> None:
    """Chunks as `Pool.map` makes them: four for each worker."""
    from concurrent.futures import ProcessPoolExecutor

    def mapped(data: "Any") -> "list[Any]":
        return list(workers.map(job, data, chunksize=-(-len(data) // (4 * n_jobs))))

    with ProcessPoolExecutor(n_jobs) as workers:
        session(mapped)


def threads(job: "Job", session: "Session", n_threads: int | None = None) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(n_threads) as workers:
        session(lambda data: list(workers.map(job, data)))


def threads_32(job: "Job", session: "Session") -> None:
    threads(job, session, 32)


def joblib(job: "Job", session: "Session", n_jobs: int | None = None) -> None:
    from joblib import Parallel, delayed  # type: ignore[import-untyped]

    with Parallel(n_jobs=n_jobs or -1) as parallel:
        session(lambda data: parallel(delayed(job)(item) for item in data))


def mpire(job: "Job", session: "Session", n_jobs: int | None = None) -> None:
    from mpire.pool import WorkerPool

    with WorkerPool(n_jobs, keep_alive=True) as workers:
        session(lambda data: workers.map(job, data, concatenate_numpy_output=False))


def amorsize(job: "Job", session: "Session") -> None:
    from amorsize import autotune

    session(autotune(job))


CONTENDERS: "dict[str, Callable[[Job, Session], None]]" = {
    "loop": loop,
    "pool": pool,
    "executor_1": executor_1,
    "executor_8th": executor_8th,
    "threads": threads,
    "threads_32": threads_32,
    "joblib": joblib,
    "mpire": mpire,
    "amorsize": amorsize,
    "two_forks": two_forks,
}
