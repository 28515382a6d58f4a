"""What amorsize costs where there is nothing to gain: single calls, in microseconds.

    python -m benchmarks.micro            # prints the figures
    python -m benchmarks.micro --json     # as JSON, for benchmarks.peers

Everything compared is measured in turns within one run, and the medians are given.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median

from benchmarks.outside import ROOT

N_TURNS = 15
CALLS_PER_TURN = 200
TRIVIAL_ITEMS = range(400_000)
BARE = "pass"
DECORATED = "from amorsize import autotune\n@autotune\ndef f(x): return x"


def measured_apart() -> dict[str, float]:
    """The figures, taken in a fresh process with an empty home.

    Raises:
        subprocess.SubprocessError: It failed; what it said stands on standard error.
    """
    with tempfile.TemporaryDirectory() as home:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.micro", "--json"],
            cwd=ROOT,
            env={**os.environ, "AMORSIZE_HOME": home},
            stdout=subprocess.PIPE,
            timeout=300,
            check=True,
        )
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def figures() -> dict[str, float]:
    """Every figure by its name, in microseconds, or as a ratio where the name says so."""
    return {
        "warm_call_us": warm_call_us(),
        "trivial_items_ratio": trivial_items_ratio(),
        "import_and_decorate_us": import_and_decorate_us(),
        **internals_us(),
    }


def successor(x: int) -> int:
    return x + 1


def warm_call_us() -> float:
    """One `tuned_map` over three trivial items, after the first."""
    from amorsize import tuned_map

    data = [1, 2, 3]
    tuned_map(successor, data)
    return median(_per_call_us(lambda: tuned_map(successor, data)) for _ in range(N_TURNS))


def trivial_items_ratio() -> float:
    """400k trivial items, mapped, by the list comprehension next to it."""
    from amorsize import tuned_map

    def ratio() -> float:
        loop_s = _taken_s(lambda: [successor(x) for x in TRIVIAL_ITEMS])
        return _taken_s(lambda: tuned_map(successor, TRIVIAL_ITEMS)) / loop_s

    ratio()
    return median(ratio() for _ in range(N_TURNS))


def import_and_decorate_us() -> float:
    """Of a fresh process, over one that does nothing."""
    _process_s(DECORATED)  # compiles what is not compiled yet
    extra_s = median(_process_s(DECORATED) - _process_s(BARE) for _ in range(N_TURNS))
    return extra_s * 1e6


def internals_us() -> dict[str, float]:
    """Deciding a call whose function is known, and the lookup that is part of it.

    The decision is all that happens before the first item: from the checked data to the tuner's
    first answer.
    """
    from amorsize import tuned_map
    from amorsize._engine import engine
    from amorsize._engine.state.call import Invocation
    from amorsize._profiles import memory_store

    data = range(200)
    tuned_map(spinning, data)

    def decide() -> None:
        call = engine.Engine(Invocation(func=spinning, iterables=(data,)))
        call._begin()
        call.call.tuner.next(call.call.status(caller_busy=False))

    def look_up() -> None:
        memory_store.memory().profile(memory_store.key_of(spinning, data[0]))

    return {
        "decision_us": median(_per_call_us(decide) for _ in range(N_TURNS)),
        "lookup_us": median(_per_call_us(look_up) for _ in range(N_TURNS)),
    }


def spinning(n: int) -> int:
    """About 0.2 ms of computing."""
    total = 0
    for i in range(5_000 + n):
        total += i
    return total


def _per_call_us(call: Callable[[], object]) -> float:
    def calls() -> None:
        for _ in range(CALLS_PER_TURN):
            call()

    return _taken_s(calls) / CALLS_PER_TURN * 1e6


def _taken_s(action: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    action()
    return time.perf_counter() - started_s


def _process_s(code: str) -> float:
    return _taken_s(lambda: subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True))


def main() -> None:
    """Measure and print."""
    found = figures()
    if "--json" in sys.argv[1:]:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:<24} {value:.4g}")


if __name__ == "__main__":
    main()
