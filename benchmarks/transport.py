"""What it costs to get large NumPy arrays from one process to another, by the way they take.

    python -m benchmarks.transport        # a table in Markdown, a few minutes

Each figure is the time of a call over some items in two worker processes, by their number: the
median of several fresh processes, taken in turns with the other ways, each of which makes a small
call before. The work on an item is to make its array, or to look at one number of it.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks import host

N_WORKERS = 2
N_TURNS = 3
SIZES_MB = (1, 8, 24, 100)
MOST_MB = 240  # in all items of a call


def gives(size: int) -> Any:
    """An item whose result is large."""
    return np.full(size, 1, dtype="u1")


def takes(array: Any) -> int:
    """A large item, of which little is wanted."""
    return int(array[-1])


@contextmanager
def one_pickle() -> Iterator[None]:
    """All in one pickle, through the pipe."""
    with patch("amorsize._workers.messages.serialization.PART_BYTES", 1 << 62), by_pipe():
        yield


@contextmanager
def by_pipe() -> Iterator[None]:
    """Arrays beside the pickle, through the pipe."""
    with patch("amorsize._workers.messages.shared_memory.RingBuffer.put", lambda *_: None):
        yield


@contextmanager
def as_it_is() -> Iterator[None]:
    """Arrays beside the pickle, through shared memory where there is room."""
    yield


def _amorsize(way: Callable[[], Any]) -> Callable[[Any, Iterable[Any]], Any]:
    def mapped(function: Any, data: Iterable[Any]) -> Any:
        from amorsize import tuned_map

        with way():
            return tuned_map(function, data, backend="process", n_jobs=N_WORKERS)

    return mapped


def _pool(function: Any, data: Iterable[Any]) -> Any:
    from multiprocessing import Pool

    with Pool(N_WORKERS) as pool:
        return pool.map(function, data, chunksize=1)


def _executor(function: Any, data: Iterable[Any]) -> Any:
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(N_WORKERS) as executor:
        return list(executor.map(function, data))


def _joblib(function: Any, data: Iterable[Any]) -> Any:
    from joblib import Parallel, delayed  # type: ignore[import-untyped]

    return Parallel(N_WORKERS)(delayed(function)(one) for one in data)


WAYS: dict[str, Callable[[Any, Iterable[Any]], Any]] = {
    "`Pool.map`": _pool,
    "`ProcessPoolExecutor`": _executor,
    "joblib": _joblib,
    "amorsize: one pickle, pipe": _amorsize(one_pickle),
    "amorsize: arrays apart, pipe": _amorsize(by_pipe),
    "**amorsize**": _amorsize(as_it_is),
}


def item_ms(way: str, direction: str, size_mb: float) -> float:
    """One call in a fresh process, by its items."""
    command = [sys.executable, "-m", "benchmarks.transport", way, direction, str(size_mb)]
    return float(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)


def here_ms(way: str, direction: str, size_mb: float) -> float:
    """One call, by its items."""
    WAYS[way](gives, [1000] * 4)
    n_items = max(4, int(min(60, MOST_MB / size_mb)))
    size = int(size_mb * 1e6)
    data: Iterable[Any] = [size] * n_items
    if direction == "items":
        data = (np.full(size, 1, dtype="u1") for _ in range(n_items))
    began = time.perf_counter()
    found = WAYS[way](gives if direction == "results" else takes, data)
    took_s = time.perf_counter() - began
    assert len(found) == n_items
    return 1e3 * took_s / n_items


def main() -> None:
    """Print the table, or what one call took."""
    if len(sys.argv) > 1:
        way, direction, size = sys.argv[1:]
        print(here_ms(way, direction, float(size)))
        return
    facts = host.facts()
    print(f"{facts['cpu']}, {facts['n_cores']} cores, {facts['kernel']}, {facts['python']}.\n")
    for direction in ("results", "items"):
        print(f"| ms for each of the {direction} | " + " | ".join(WAYS) + " |")
        print("|---|" + "---|" * len(WAYS))
        for size_mb in SIZES_MB:
            took: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in range(N_TURNS):
                for way, found in took.items():
                    found.append(item_ms(way, direction, size_mb))
            cells = " | ".join(f"{median(found):.2f}" for found in took.values())
            print(f"| {size_mb:g} MB | {cells} |", flush=True)
        print()


if __name__ == "__main__":
    main()
