"""What amorsize takes on Dask and on Ray, next to what else one would write there.

    python -m benchmarks.engines          # 8 minutes; writes the table in docs/how-to/engines.md
    python -m benchmarks.engines --only dask-64 --rounds 5

Needs `pip install -e '.[dask,ray]'`. Each engine is real, on this machine. The contenders of a row
take turns, each after one call that is told apart. Ratios within a row mean more than seconds.
"""

import argparse
import datetime
import logging
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from amorsize import autotune
from benchmarks import host

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "engines.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"

#: Seconds of rest before a call: what the one before it has left behind is no cost of this one.
REST_S = 0.5

Contender = tuple[str, Callable[[], object]]


def at_once(item: Any) -> Any:
    """A trifle."""
    return item


def computing(seconds: float) -> float:
    """An item that computes for so long, by its own clock."""
    until_s = time.thread_time() + seconds
    while time.thread_time() < until_s:
        pass
    return seconds


def waiting(seconds: float) -> float:
    """An item that waits."""
    time.sleep(seconds)
    return seconds


def waiting_here(seconds: float) -> float:
    """An item that waits as long as its worker is slow: `SLOW` in its environment times as long."""
    time.sleep(seconds * float(os.environ.get("SLOW", "1")))
    return seconds


def size_of(item: bytes) -> int:
    """Next to no work on much data."""
    return len(item)


def all_of(function: Callable[[Any], Any], items: list[Any]) -> list[Any]:
    """A batch, as one cuts it by hand."""
    return [function(item) for item in items]


def batches(items: list[Any], size: int) -> list[list[Any]]:
    return [items[k : k + size] for k in range(0, len(items), size)]


@contextmanager
def dask_client(n_workers: int, n_threads: int, *, processes: bool = True) -> Iterator[Any]:
    """A client of a cluster on this machine; without processes a worker is there at once."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=n_threads,
            processes=processes,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def ray_runtime() -> Iterator[Any]:
    """Ray with two processors."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        yield ray
    finally:
        ray.shutdown()


@contextmanager
def uneven_client() -> Iterator[Any]:
    """A client of two workers with a thread each, one of which takes four times as long."""
    from distributed import Client, Nanny, SpecCluster

    worker = {"nthreads": 1, "dashboard_address": None}
    workers = {
        "fast": {"cls": Nanny, "options": worker},
        "slow": {"cls": Nanny, "options": {**worker, "env": {"SLOW": "4"}}},
    }
    scheduler = {"cls": "distributed.Scheduler", "options": {"dashboard_address": ":0"}}
    with (
        SpecCluster(scheduler=scheduler, workers=workers, silence_logs=logging.CRITICAL) as cluster,
        Client(cluster) as client,
    ):
        yield client


def growing(cluster: Any, contender: Contender) -> Contender:
    """The same on a cluster that has 2 threads at first, and 12 from the first second on."""
    name, run = contender

    def run_while_it_grows() -> object:
        cluster.scale(1)
        until_s = time.monotonic() + 30
        while len(cluster.scheduler_info["workers"]) > 1 and time.monotonic() < until_s:
            time.sleep(0.05)
        timer = threading.Timer(1.0, cluster.scale, (6,))
        timer.start()
        try:
            return run()
        finally:
            timer.join()

    return name, run_while_it_grows


def tuned(function: Any, data: list[Any], executor: Any) -> list[Contender]:
    """A call of amorsize's: the first contender of a row."""
    mapped = autotune(function, executor=executor)
    return [("**amorsize**", lambda: mapped(data))]


def in_batches(client: Any, function: Any, data: list[Any], size: int) -> Contender:
    def run() -> object:
        futures = [client.submit(all_of, function, one, pure=False) for one in batches(data, size)]
        return client.gather(futures)

    return f"batches of {size}", run


def each_apart(client: Any, function: Any, data: list[Any]) -> Contender:
    return "`client.map`", lambda: client.gather(client.map(function, data, pure=False))


def scattered(client: Any, function: Any, data: list[Any]) -> Contender:
    def run() -> object:
        sent = client.scatter(data, direct=True, hash=False)
        return client.gather(client.map(function, sent, pure=False))

    return "`scatter(direct=True)`", run


def of_dask(client: Any) -> Iterator[tuple[str, list[Contender]]]:
    trifles = list(range(100_000))
    yield (
        "Dask, 100 000 trivial items",
        [*tuned(at_once, trifles, client), in_batches(client, at_once, trifles, 12_500)],
    )
    short = [1e-4] * 10_000
    yield (
        "Dask, 10 000 x 0.1 ms",
        [*tuned(computing, short, client), in_batches(client, computing, short, 1250)],
    )
    few = [1e-2] * 150
    yield (
        "Dask, 150 x 10 ms",
        [
            *tuned(computing, few, client),
            in_batches(client, computing, few, 19),
            each_apart(client, computing, few),
        ],
    )
    large = [bytes([k]) * 50_000_000 for k in range(8)]
    yield (
        "Dask, 8 items of 50 MB",
        [
            *tuned(size_of, large, client),
            each_apart(client, size_of, large),
            scattered(client, size_of, large),
        ],
    )


def of_dask_64(client: Any) -> Iterator[tuple[str, list[Contender]]]:
    waits = [20e-3] * 3000
    yield (
        "Dask, 64 workers' threads, 3 000 waits of 20 ms",
        [
            *tuned(waiting, waits, client),
            in_batches(client, waiting, waits, 10),
            each_apart(client, waiting, waits),
        ],
    )


def of_dask_uneven(client: Any) -> Iterator[tuple[str, list[Contender]]]:
    items = [2e-3] * 600
    yield (
        "Dask, a fast and a slow worker, 600 items",
        [
            *tuned(waiting_here, items, client),
            in_batches(client, waiting_here, items, 75),
            each_apart(client, waiting_here, items),
        ],
    )


def of_dask_growing(client: Any) -> Iterator[tuple[str, list[Contender]]]:
    waits = [0.25] * 160
    contenders = [*tuned(waiting, waits, client), each_apart(client, waiting, waits)]
    yield (
        "Dask, 2 threads, 12 after 1 s, 160 waits of 250 ms",
        [growing(client.cluster, one) for one in contenders],
    )


def of_ray(ray: Any) -> Iterator[tuple[str, list[Contender]]]:
    from ray.util.multiprocessing import Pool

    pool = Pool(2)
    short = [1e-3] * 1000
    yield (
        "Ray, 1 000 x 1 ms",
        [*tuned(computing, short, "ray"), ("`Pool.map`", lambda: pool.map(computing, short))],
    )
    large = [bytes([k]) * 50_000_000 for k in range(8)]
    size = ray.remote(size_of)
    yield (
        "Ray, 8 items of 50 MB",
        [
            *tuned(size_of, large, "ray"),
            ("`ray.get`", lambda: ray.get([size.remote(one) for one in large])),
        ],
    )
    pool.terminate()


PARTS: dict[str, Callable[[], Iterator[tuple[str, list[Contender]]]]] = {}


def part(name: str) -> Callable[[Any], Any]:
    def keep(function: Any) -> Any:
        PARTS[name] = function
        return function

    return keep


@part("dask")
def _dask() -> Iterator[tuple[str, list[Contender]]]:
    with dask_client(2, 1) as client:
        yield from of_dask(client)


@part("dask-64")
def _dask_64() -> Iterator[tuple[str, list[Contender]]]:
    with dask_client(2, 32) as client:
        yield from of_dask_64(client)


@part("dask-uneven")
def _dask_uneven() -> Iterator[tuple[str, list[Contender]]]:
    with uneven_client() as client:
        yield from of_dask_uneven(client)


@part("dask-growing")
def _dask_growing() -> Iterator[tuple[str, list[Contender]]]:
    with dask_client(1, 2, processes=False) as client:
        yield from of_dask_growing(client)


@part("ray")
def _ray() -> Iterator[tuple[str, list[Contender]]]:
    with ray_runtime() as ray:
        yield from of_ray(ray)


def measured(contenders: list[Contender], n_rounds: int) -> dict[str, list[float]]:
    """Seconds of each, the first call first, taken in turns."""
    took_s: dict[str, list[float]] = {name: [] for name, _ in contenders}
    for _ in range(n_rounds + 1):
        for name, run in contenders:
            time.sleep(REST_S)
            began_s = time.perf_counter()
            run()
            took_s[name].append(time.perf_counter() - began_s)
    return took_s


def spread(took_s: list[float]) -> str:
    """The median, with the least and the most."""
    return f"{median(took_s):.2f} ({min(took_s):.2f} to {max(took_s):.2f})"


def row(title: str, took_s: dict[str, list[float]]) -> str:
    (_, (first_s, *ours_s)), *others = took_s.items()
    best_s = min(median(later_s) for _, (_, *later_s) in others)
    told = ", ".join(f"{name} {spread(later_s)}" for name, (_, *later_s) in others)
    share = median(ours_s) / best_s
    return f"| {title} | {first_s:.2f} | {spread(ours_s)} | {told} | {share:.2f} |"


def main() -> None:
    """Measure, print, and write the table where all of it was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=sorted(PARTS), default=sorted(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    lines = [
        "| seconds | first call | later calls | alternatives | ratio |",
        "|---|---|---|---|---|",
    ]
    print(*lines, sep="\n")
    for name in asked.only:
        for title, contenders in PARTS[name]():
            lines.append(row(title, measured(contenders, asked.rounds)))
            print(lines[-1], flush=True)
    if asked.only == sorted(PARTS):
        text = PAGE.read_text(encoding="utf-8")
        head, _, rest = text.partition(BEGIN)
        _, _, tail = rest.partition(END)
        where = f"{host.cpu_model()}, {host.n_cores()} cores, CPython {platform.python_version()}"
        taken = (
            f"{datetime.date.today()}, on {where}: medians of {asked.rounds} rounds, with the "
            "shortest and the longest. The ratio is the median of later calls, divided by that of "
            f"the best alternative. Load at the end: {os.getloadavg()[0]:.0f}."
        )
        table = "\n".join((*lines, "", taken, ""))
        PAGE.write_text(f"{head}{BEGIN}{table}{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
