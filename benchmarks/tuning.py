"""Deliberate tuning, measured: what it costs, how good its winners are, how true predictions.

    python -m benchmarks.tuning run 1/6     # a sixth of the tunings; results are added to a file
    python -m benchmarks.tuning short       # jobs too short to tune
    python -m benchmarks.tuning predict     # optimize against measured truth
    python -m benchmarks.tuning page        # docs/dev/tuning.md from all results

Each takes minutes and wants the machine to itself. Times that are compared are taken in turns.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import tempfile
from collections.abc import Callable
from functools import partial
from math import log
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, TypeVar

from benchmarks import host

T = TypeVar("T")
ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "dev" / "tuning.md"
ROUNDS = 9
PREDICTED_ROUNDS = 3
OURS, PATIENCE_S = 1.7, 30.0  # of two cores, or nothing is measured; and how long to wait for that

# name, module and job of benchmarks.jobs, data, items of it
JOBS = (
    ("60 us x 20k", "computing", "sixty_us", "thirty_thousand", 20_000),
    ("10 us x 120k", "computing", "ten_us", "sixty_thousand", 120_000),
    ("0.5 ms x 2400", "computing", "n_primes", "prime_limits", 2400),
    ("10 ms, three decades", "computing", "churn", "three_decades", 120),
    ("heavy tail, big ones last", "computing", "churn", "big_ones_last", 300),
    ("parse the stdlib", "parsing", "count_nodes", "library_sources", 140),
    ("zlib", "compressing", "shrink", "payloads", 90),
    ("numpy", "arrays", "phases", "signals", 60),
    ("8 ms waits x 300", "waiting", "wait_8_ms", "three_hundred", 300),
    ("5 ms wait + 1 ms work", "waiting", "wait_then_compute", "two_hundred", 240),
)
SHORT = (  # too short to tune
    ("0.5 ms x 1200", "computing", "n_primes", "prime_limits", 1200),
    ("60 us x 5k", "computing", "sixty_us", "thirty_thousand", 5000),
    ("40 items of 10 ms", "computing", "churn", "three_decades", 40),
    ("8 ms waits x 60", "waiting", "wait_8_ms", "three_hundred", 60),
    ("60 ms in all", "computing", "churn", "sixty_ms_in_all", 100),
)


def job_of(row: tuple[str, str, str, str, int]) -> tuple[Callable[[Any], Any], list[Any]]:
    """A function and so many items of its data, taken again from the start where it has fewer."""
    _, module_name, job, data, n_items = row
    module = importlib.import_module(f"benchmarks.jobs.{module_name}")
    items = list(getattr(module, data)())
    while len(items) < n_items:
        items += items
    return getattr(module, job), items[:n_items]


def loop_s(func: Callable[[Any], Any], items: list[Any]) -> float:
    """What the plain loop takes."""
    began = perf_counter()
    for item in items:
        func(item)
    return perf_counter() - began


class Busy(Exception):  # noqa: N818 - says what happened
    """Others had the cores for too long."""


def quietly(measure: Callable[[], T]) -> T:
    """Measure while the cores are ours, just before and just after; once more where they were not.

    Raises:
        Busy: They never were, for so long as anybody waits.
    """
    until_s = perf_counter() + PATIENCE_S
    while perf_counter() < until_s:
        if host.cores_that_are_ours(2, n_times=1) < OURS:
            continue
        measured = measure()
        if host.cores_that_are_ours(2, n_times=1) >= OURS:
            return measured
    raise Busy


def add_if_quiet(
    kind: str, name: str, measure: Callable[[], dict[str, Any]], seed: int | None = None
) -> None:
    """Measure what is not there yet, and keep it; or say that it could not be measured."""
    if any((row["name"], row.get("seed")) == (name, seed) for row in kept().get(kind, [])):
        return
    try:
        add(kind, measure())
    except Busy:
        print("given up: the cores are not ours", flush=True)


# ---- What tunings cost, and how good their winners are ----


def run(piece: int, n_pieces: int) -> None:
    """Some of twenty tunings: each job, with two seeds."""
    tunings = [(row, seed) for seed in (1, 2) for row in JOBS]
    for row, seed in tunings[piece - 1 :: n_pieces]:
        add_if_quiet("tunings", row[0], partial(tuned, row, seed), seed)


def tuned(row: Any, seed: int) -> dict[str, Any]:
    """One tuning of either kind, and the winner beside the best."""
    from amorsize import quick_tune, tune_parameters

    func, items = job_of(row)

    def beside_loops(tune: Any) -> tuple[Any, float]:
        """A tuning, and what it took by the loop before and after it."""
        before_s = loop_s(func, items)
        began = perf_counter()
        result = tune(func, items, seed=seed, save=False)
        took_s = perf_counter() - began
        serial_s = (before_s + loop_s(func, items)) / 2
        return result, took_s / serial_s

    serial_s = quietly(partial(loop_s, func, items))
    quick, quick_cost = quietly(partial(beside_loops, quick_tune))
    grid, grid_cost = quietly(partial(beside_loops, tune_parameters))
    return {
        "name": row[0],
        "seed": seed,
        "serial_s": serial_s,
        "quick_cost": quick_cost,
        "grid_cost": grid_cost,
        "n_cells": len(grid.configurations),
        "quick": shown(quick),
        "grid": shown(grid),
        "is_decided": quick.is_decided,
        **against_best(func, items, quick, grid),
    }


def shown(result: Any) -> str:
    """A winner in a few words."""
    if result.backend == "serial":
        return "the loop"
    return f"{result.backend} {result.best_n_jobs} x {result.best_chunksize}"


def against_best(func: Any, items: list[Any], quick: Any, grid: Any) -> dict[str, Any]:
    """The winner of `quick_tune` beside the three best of the grid, in turns."""
    from amorsize.policy.actions import Plan

    loop = Plan(backend="serial", n_jobs=1, chunksize=len(items), source="tuned")
    ranked = sorted((*grid.configurations, grid.serial), key=lambda one: one.time_s)
    best = [loop if one.backend == "serial" else one.plan for one in ranked[:3]]
    winner = loop if quick.backend == "serial" else quick.plan
    times = in_turns(func, items, [winner, *best], ROUNDS)
    first = min(best, key=lambda plan: median(times[plan]))
    ratios = [ours / theirs for ours, theirs in zip(times[winner], times[first], strict=True)]
    return {"ratio": median(ratios), "best_of_grid": f"{first.n_jobs} x {first.chunksize}"}


def in_turns(func: Any, items: list[Any], plans: list[Any], n_rounds: int) -> Any:
    """Seconds of each plan over all of the data, one after the other, round by round."""
    from amorsize.tuning.bench import WHOLE, Workers

    bench, plans = Workers(func, items), list(dict.fromkeys(plans))
    times: dict[Any, list[float]] = {plan: [] for plan in plans}
    for number in range(n_rounds):
        turn = number % len(plans)
        order = plans[turn:] + plans[:turn]
        runs = quietly(lambda: [bench.run(plan, WHOLE, float("inf")) for plan in order])  # noqa: B023
        for run in runs:
            times[run.plan].append(run.wall_s)
    return times


# ---- Jobs too short to tune ----


def short() -> None:
    """What the answer costs that there is nothing to tune."""
    from amorsize import quick_tune

    quick_tune(abs, range(10))  # what it imports is paid once in a process
    for row in SHORT:
        add_if_quiet("short", row[0], partial(answered, row))


def answered(row: Any) -> dict[str, Any]:
    """What one job's answer costs."""
    from amorsize import quick_tune

    func, items = job_of(row)
    loop_s(func, items[:3])

    def once() -> tuple[float, float, str]:
        serial_s = loop_s(func, items)
        began = perf_counter()
        result = quick_tune(func, items)
        return serial_s, perf_counter() - began, result.verdict

    taken = [quietly(once) for _ in range(ROUNDS)]
    serials_s = [serial_s for serial_s, _, _ in taken]
    verdicts = sorted({verdict.partition(" (")[0] for _, _, verdict in taken})
    ratio = median(quick_s / serial_s for serial_s, quick_s, _ in taken)
    return {"name": row[0], "serial_s": median(serials_s), "cost": ratio, "said": [*verdicts]}


# ---- Predictions ----


def predict(piece: int = 1, n_pieces: int = 1) -> None:
    """The speedup that `optimize` predicts, and the backend, against what is measured."""
    for row in (*JOBS, *SHORT)[piece - 1 :: n_pieces]:
        add_if_quiet("predictions", row[0], partial(foretold, row))


def foretold(row: Any) -> dict[str, Any]:
    """One prediction beside what is measured on every backend."""
    from amorsize import optimize
    from amorsize.policy.actions import Plan

    func, items = job_of(row)
    found = quietly(lambda: optimize(func, items))
    loop = Plan(backend="serial", n_jobs=1, chunksize=len(items))
    plans = {"serial": loop, found.backend: found.plan}
    for backend in ("thread", "process"):
        plans.setdefault(backend, optimize(func, items, backend=backend).plan)
    plans["serial"] = loop
    by_plan = in_turns(func, items, list(plans.values()), PREDICTED_ROUNDS)
    times = {backend: by_plan[plan] for backend, plan in plans.items()}
    ratios = [a / b for a, b in zip(times["serial"], times[found.backend], strict=True)]
    medians_s = {backend: median(times_s) for backend, times_s in times.items()}
    best = min(medians_s, key=lambda backend: medians_s[backend])
    return {
        "name": row[0],
        "backend": found.backend,
        "best_backend": best,
        "slower_than_best": medians_s[found.backend] / medians_s[best],
        "predicted": found.estimated_speedup,
        "measured": median(ratios),
    }


# ---- Results ----


def path() -> Path:
    """Where this machine's results are kept."""
    return RESULTS / f"tuning-{host.slug(host.facts())}.json"


def add(kind: str, told: dict[str, Any]) -> None:
    """Keep one more."""
    print(json.dumps(told), flush=True)
    results = kept()
    results["machine"] = host.facts()
    results[kind] = [*results.get(kind, []), told]
    RESULTS.mkdir(exist_ok=True)
    path().write_text(json.dumps(results, indent=1) + "\n")


def kept() -> dict[str, Any]:
    """What is there already; remove the file to begin anew."""
    return json.loads(path().read_text()) if path().exists() else {}


def page() -> str:
    """docs/dev/tuning.md."""
    results = kept()
    machine = results["machine"]
    tunings, shorts, predictions = (results.get(k, []) for k in ("tunings", "short", "predictions"))
    errors = [abs(log(row["predicted"] / row["measured"])) for row in predictions]
    n_right = sum(is_right(row) for row in predictions)
    n_good = sum(row["ratio"] <= 1.05 for row in tunings)
    by_cells = [row["grid_cost"] / (row["n_cells"] + 1) for row in tunings]
    reached = [
        ("`quick_tune` / loop", "<= 1.5", spread([row["quick_cost"] for row in tunings])),
        (
            "its winner / the grid's best, median of 9 rounds",
            "<= 1.05 in 18 of 20",
            f"{n_good} of {len(tunings)}: {spread([row['ratio'] for row in tunings])}",
        ),
        (
            "`tune_parameters`, default space / loop",
            "<= 4",
            spread([row["grid_cost"] for row in tunings]),
        ),
        ("the same / (cells + 1)", "<= 1", spread(by_cells)),
        (
            'the answer "too short to tune" / loop',
            "<= 1.1",
            spread([row["cost"] for row in shorts]),
        ),
        (
            "error of the speedup that `optimize` predicts",
            "<= 15 % in the median",
            spread(errors),
        ),
        (
            "`optimize` names the right backend",
            ">= 95 %",
            f"{n_right} of {len(predictions)}",
        ),
    ]
    return "\n".join(
        [
            INTRODUCTION,
            f"{len(tunings)} of 20 tunings, {len(shorts)} of {len(SHORT)} short jobs and "
            f"{len(predictions)} of {len(JOBS) + len(SHORT)} predictions were measured so far "
            "while the cores were free. Another run measures the others.",
            "",
            f"Machine: {machine['cpu']}, {machine['n_cores']} cores, {machine['memory_gib']} GiB, "
            f"{machine['kernel']}, {machine['python']}; {machine['date']}.",
            "",
            "## Targets",
            table(("what", "target", "measured"), reached),
            "## Twenty tunings",
            TUNINGS,
            table(
                ("job", "loop, s", "quick / loop", "grid / loop", "winner", "grid's best", "ratio"),
                [
                    (
                        row["name"],
                        f"{row['serial_s']:.2f}",
                        f"{row['quick_cost']:.2f}",
                        f"{row['grid_cost']:.2f}",
                        row["quick"] + ("" if row["is_decided"] else " (undecided)"),
                        row["best_of_grid"],
                        f"{row['ratio']:.2f}",
                    )
                    for row in sorted(tunings, key=lambda row: (row["name"], row["seed"]))
                ],
            ),
            "## Jobs too short to tune",
            table(
                ("job", "loop, ms", "answer / loop"),
                [(r["name"], f"{r['serial_s'] * 1e3:.0f}", f"{r['cost']:.2f}") for r in shorts],
            ),
            "## What `optimize` predicts",
            PREDICTIONS,
            table(
                ("job", "backend", "best", "predicted", "measured"),
                [
                    (
                        row["name"],
                        row["backend"],
                        row["best_backend"],
                        f"{row['predicted']:.2f} x",
                        f"{row['measured']:.2f} x",
                    )
                    for row in predictions
                ],
            ),
        ]
    )


def spread(values: list[float]) -> str:
    """Median and worst."""
    return f"{median(values):.2f}, at worst {max(values):.2f}" if values else "not measured yet"


def is_right(row: dict[str, Any]) -> bool:
    """It is the best one, or as quick: a few percent are less than two runs of one plan differ."""
    return row["backend"] == row["best_backend"] or row["slower_than_best"] <= SAME


SAME = 1.05
INTRODUCTION = """\
# Deliberate tuning, measured

Written by `python -m benchmarks.tuning page`. How to use it is in
[examples/README_tuning.md](../../examples/README_tuning.md).

A tuning looks at a few items and then runs plans in turns on parts of the data. All plans are
compared by one estimate of the noise. A call of a tuned function needs no tuning, because it tunes
itself while it works. A tuning is for those who want to know, to compare, or to ship a plan.
"""
TUNINGS = """\
Each job was tuned twice. `quick / loop` and `grid / loop` are the times of `quick_tune` and
`tune_parameters`, divided by the mean of the loops just before and after. `ratio` compares the
winner of `quick_tune` with the best of the grid's three best plans: each runs nine times, in turns,
on all of the data, and the ratio is the median. Steps during which other programs took the cores
were run again.
"""
PREDICTIONS = f"""\
Speedups of exactly the plan that is named, against loops in turns. A backend is right if it is the
quickest of the three, or at most {SAME - 1:.0%} slower.
"""


def table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Markdown."""
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Do what the command line says, with an empty home."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("run", "short", "predict", "page"))
    parser.add_argument("piece", nargs="?", default="1/1", help="of how many: 2/6")
    asked = parser.parse_args()
    piece, n_pieces = map(int, asked.piece.split("/"))
    with tempfile.TemporaryDirectory() as home:
        os.environ["AMORSIZE_HOME"] = os.path.join(home, "amorsize")
        match asked.what:
            case "run":
                run(piece, n_pieces)
            case "short":
                short()
            case "predict":
                predict(piece, n_pieces)
            case _:
                PAGE.write_text(page())


if __name__ == "__main__":
    main()
