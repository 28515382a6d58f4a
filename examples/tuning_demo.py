"""Deliberate tuning in nine short demonstrations: python examples/tuning_demo.py [name ...]

Everything is measured while you watch; it takes about ten seconds. What the functions
do is small on purpose: put your own in their place.
"""

import sys
import tempfile
import time
from pathlib import Path

from amorsize import autotune, optimize, quick_tune, tune_parameters, tune_pipeline
from amorsize.tuning import TuningResult


def steps(number: int) -> int:
    """How often halving, or tripling and adding one, takes 60 numbers to 1: about 0.3 ms."""
    n_steps = 0
    for start in range(number, number + 60):
        at = start
        while at != 1:
            at = at // 2 if at % 2 == 0 else 3 * at + 1
            n_steps += 1
    return n_steps


def fetch(number: int) -> str:
    """Stands for a request: 10 ms of waiting."""
    time.sleep(10e-3)
    return f"page {number}"


def double(number: int) -> int:
    """Next to nothing."""
    return 2 * number


NUMBERS = range(1, 201)


def basic() -> None:
    """A grid over numbers of jobs and chunksizes; the loop is always measured beside it."""
    result = tune_parameters(steps, NUMBERS, n_jobs_range=[1, 2], chunksize_range=[5, 25])
    print(result)


def quick() -> None:
    """A good plan for about one and a half times what the loop takes."""
    result = quick_tune(fetch, range(120))
    print(f"{result!r}\n{result.verdict}")


def against_optimizer() -> None:
    """What five items predict, and what measuring finds."""
    predicted = optimize(steps, NUMBERS)
    measured = tune_parameters(steps, NUMBERS, chunksize_range=[predicted.chunksize], repeats=2)
    print(predicted.explain())
    print(
        f"measured: {measured.best_speedup:.2f} x, predicted: {predicted.estimated_speedup:.2f} x"
    )


def too_fast() -> None:
    """Where parallel cannot pay, the loop is the answer, and the reason is told."""
    print(optimize(double, range(10_000)).explain())
    print(quick_tune(double, range(10_000)).verdict)


def custom_space() -> None:
    """Name the cells, how often each is run, and how long a run may take."""
    result = tune_parameters(
        steps,
        NUMBERS,
        n_jobs_range=[2, 3],
        chunksize_range=[1, 10, 50],
        repeats=2,
        timeout_per_config=10,
        save=False,
    )
    for one in result.configurations:
        print(f"{one.n_jobs} x {one.chunksize}: {one.time_s:.3f} s, {one.status}")


def threads() -> None:
    """Items that wait run in many threads at once."""
    result = tune_parameters(fetch, range(64), [4, 16, 32], [1, 2], prefer_threads_for_io=True)
    print(f"{result.best_n_jobs} threads: {result.best_speedup:.1f} x the loop")


def reading_results() -> None:
    """The winner, how sure it is, the others, and a file to keep it in."""
    result = tune_parameters(fetch, range(64), [8, 16], [1, 4], prefer_threads_for_io=True)
    print(f"{result.plan}, decided: {result.is_decided}")
    for n_jobs, chunksize, time_s, speedup in result.get_top_configurations(3):
        print(f"  n_jobs={n_jobs} chunksize={chunksize}: {time_s * 1e3:.0f} ms, {speedup:.1f} x")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fetch.json"
        result.save_config(file)
        assert TuningResult.load_config(file).plan == result.plan


def pipeline() -> None:
    """Several functions in a row: each is tuned on what the one before really gives."""
    print(tune_pipeline([fetch, len, steps], range(100)))


def kept() -> None:
    """The next call starts from the winner."""
    tuned_fetch = autotune(fetch)
    result = tuned_fetch.tune(range(120))
    tuned_fetch(range(120))
    print(f"tuned: {result.plan}\nused:  {tuned_fetch.plan}")


DEMONSTRATIONS = (
    *(basic, quick, against_optimizer, too_fast, custom_space),
    *(threads, reading_results, pipeline, kept),
)


def main(names: list[str]) -> None:
    """Those that are named, or all."""
    for demonstration in DEMONSTRATIONS:
        if not names or demonstration.__name__ in names:
            title = demonstration.__name__.replace("_", " ")
            print(f"\n== {title}: {demonstration.__doc__}\n")
            demonstration()


if __name__ == "__main__":
    main(sys.argv[1:])
