"""What it costs to find out where items may run: reading a function, watching one item.

    python -m benchmarks.judging          # prints a table, in milliseconds and microseconds

First figures are CPU time in a fresh process, the median of several; the modules are compiled
before, as an installation does. All others are medians of wall time within one process.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.outside import ROOT

N_PROCESSES, N_TURNS = 9, 200
PROBES = (0, 8, 32)  # open files besides the standard streams


def waits(x: int) -> int:
    """An item that waits."""
    time.sleep(1e-5)
    return x


def parses(text: str) -> Any:
    """An item that uses a library."""
    return json.loads(text)


def runs(name: str) -> int:
    """An item that runs a program."""
    return subprocess.run([name], check=False).returncode


class Model:
    """What a function of a project has made once."""

    def __init__(self) -> None:
        self.weights = [0.5, 2.0, 1.0]

    def scored(self, x: float) -> float:
        """Something that takes a helper and a constant."""
        return sum(weighted(weight, x) for weight in self.weights)


MODEL = Model()
NAMES = {f"name {number}": number for number in range(50)}
FACTOR = 3.0


def weighted(weight: float, x: float) -> float:
    """A helper."""
    return weight * x * FACTOR


def scores(x: float) -> str:
    """An item that needs a model, a table and a library."""
    return json.dumps({"score": MODEL.scored(x), "of": NAMES.get("name 3")})


FUNCTIONS: tuple[tuple[Callable[[Any], Any], list[Any]], ...] = (
    (waits, [1, 2]),
    (parses, ["1", "2"]),
    (runs, ["true", "false"]),
)


def main() -> None:
    """Print the table, or, in a process of its own, the first figures."""
    if "--first" in sys.argv:
        print(json.dumps(first_figures()))
        return
    command = [sys.executable, "-m", "benchmarks.judging", "--first"]
    firsts = [
        json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
        for _ in range(N_PROCESSES)
    ]
    rows = [(f"first {name}", 1e3 * median(one[name] for one in firsts)) for name in firsts[0]]
    for name, took_ms in rows:
        print(f"{name:52} {took_ms:8.2f} ms")
    for name, took_us in warm_figures().items():
        print(f"{name:52} {took_us:8.1f} us")


def first_figures() -> dict[str, float]:
    """Seconds of CPU time, of what is done once in a process: others may have the cores."""
    before = time.thread_time()
    from amorsize import _watching
    from amorsize._function.sharing import thread_safety

    loaded = time.thread_time()
    thread_safety.examine(waits, [1, 2])
    read = time.thread_time()
    thread_safety.examine(parses, ["1", "2"])
    again = time.thread_time()
    around = _watching.Around.begin()
    around.end()
    watched = time.thread_time()
    return {
        "loading of what reads and watches": loaded - before,
        "reading, with the table": read - loaded,
        "reading of a second function": again - read,
        "look around an item": watched - again,
    }


def warm_figures() -> dict[str, float]:
    """Microseconds."""
    from amorsize import _watching
    from amorsize._function.library import effects as library_effects
    from amorsize._function.sharing import thread_safety

    figures = {}
    for function, items in FUNCTIONS:
        figures[f"reading {function.__name__}() again"] = _median_us(
            lambda function=function, items=items: thread_safety.examine(function, items)
        )
    for n_files in PROBES:
        with tempfile.TemporaryDirectory() as folder:
            files = [open(f"{folder}/{n}", "w") for n in range(n_files)]  # noqa: SIM115 - many
            figures[f"looking around an item, {n_files} files open"] = _median_us(_look_around)
            for file in files:
                file.close()
    for function, items in (*FUNCTIONS, (scores, [1.0, 2.0])):
        figures[f"looking what {function.__name__}() needs in a warm interpreter"] = _median_us(
            lambda function=function, items=items: _look_at_needs(function, items[0])
        )
    alone_us = _median_us(lambda: waits(1))
    inside_us = _median_us(lambda: _watching.Inside(library_effects.effect_of).run(waits, 1))
    figures["looking into an item of two calls"] = inside_us - alone_us
    return figures


def _look_at_needs(function: Callable[[Any], Any], item: Any) -> None:
    from amorsize._workers.protocol import Task
    from amorsize._workers.tasks.payload import Payload

    assert Payload(Task(function), function, item).why_not() is None


def _look_around() -> None:
    from amorsize._watching import Around

    Around.begin(items=([1, 2, 3],)).end()


def _median_us(act: Callable[[], object]) -> float:
    took = []
    for _ in range(N_TURNS):
        before = time.perf_counter()
        act()
        took.append(time.perf_counter() - before)
    return 1e6 * median(took)


if __name__ == "__main__":
    main()
