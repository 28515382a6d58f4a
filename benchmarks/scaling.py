"""How time falls as cores are added: amorsize and the process pools on 1, 2, 4 ... cores.

    python -m benchmarks.scaling                    # as many rounds as end within 8 minutes
    python -m benchmarks.scaling --seconds 60 --cores 1 4 --workloads zlib
    python -m benchmarks.scaling --render benchmarks/results/scaling-....json

In every round each workload is run by the loop, and by each contender once for each number of
cores, in an order drawn anew: once in a fresh process, timed from outside (`first`), and once more
where the second call in one process counts (`warm`). Told is the speed-up: the loop's time by the
contender's, both of one round, as medians over rounds.

A contender is bound to its cores with `sched_setaffinity`, and `os.cpu_count` is made to say their
number, as on a machine that has no more: before Python 3.13 the pools would start one process for
each core of the machine, however few they may use.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from benchmarks import host, kept_times, page_sections, peers
from benchmarks.manyworkers import SECTION
from benchmarks.outside import ROOT
from benchmarks.results import AMORSIZE, FIRST, LOOP, WARM
from benchmarks.tables import TITLES
from benchmarks.workloads import WORKLOADS, Workload, by_name

KINDS = {FIRST: "First call, whole process", WARM: "Warm call"}
CONTENDERS = ("pool", "executor_8th", "joblib", "mpire", AMORSIZE)
CHOSEN = ("60 us x 30k", "10 ms, three decades", "heavy tail, big ones last", "zlib")
SECONDS = 480.0
SEED = 4
SEES_ITS_CORES = "import os; n = len(os.sched_getaffinity(0)); os.cpu_count = lambda: n; "
INTRODUCTION = """\
# How amorsize scales with cores

Written by `python -m benchmarks.scaling`. Each figure is a speed-up: the time of the plain loop
divided by that of the contender in the same round. It is the median over rounds; the lowest and the
highest round are in brackets. Every contender is bound to as many cores as its column says. Some
work cannot be shared, whoever runs it: if items are few, the longest one bounds the speed-up.
"""
# Of (kind, workload, contender, cores), a value a round.
Case = tuple[str, str, str, int]
Times = dict[Case, list[float]]


def measured(workloads: Sequence[Workload], cores: Sequence[int], seconds: float) -> Times:
    """Seconds of whole rounds: another one is begun if one as long as the last ends in time."""
    draw = random.Random(SEED)
    times: Times = defaultdict(list)
    _prime()
    began_s = round_began_s = time.monotonic()
    last_s = 0.0
    while round_began_s + last_s <= began_s + seconds:
        cases = _cases(workloads, cores)
        draw.shuffle(cases)
        for case in cases:
            kind, workload, contender, n_cores = case
            with _bound_to(n_cores):
                times[case].append(
                    peers.taken_s(kind, contender, by_name(workload), code=SEES_ITS_CORES)
                )
        now_s = time.monotonic()
        last_s, round_began_s = now_s - round_began_s, now_s
        print(f"a round took {last_s:.0f} s", file=sys.stderr, flush=True)
    return times


def _cases(workloads: Sequence[Workload], cores: Sequence[int]) -> list[Case]:
    return [
        (kind, workload.name, contender, n_cores)
        for kind in KINDS
        for workload in workloads
        for contender in (LOOP, *CONTENDERS)
        for n_cores in ((1,) if contender == LOOP else cores)
    ]


def _prime() -> None:
    """Run each contender once: what can be compiled is so for all alike."""
    for contender in CONTENDERS:
        peers.taken_s(FIRST, contender, by_name(peers.PRIMING))


@contextmanager
def _bound_to(n_cores: int) -> Iterator[None]:
    """Let this process, and what it starts, use so many of its cores."""
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(own)[:n_cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)


def report(times: Times, machine: dict[str, object]) -> str:
    """The page."""
    n_rounds = min(map(len, times.values()))
    lines = [
        INTRODUCTION,
        f"- Machine: {machine['cpu']}, {machine['n_cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['kernel']}, {machine['python']}; {machine['date']}.",
        f"- Cores that were free (the work that one process on each core did at once, divided by "
        f"that of one alone): {machine['ours_before']} before and {machine['ours_after']} after. "
        f"Rounds: {n_rounds}.",
    ]
    for kind, title in KINDS.items():
        for workload in dict.fromkeys(name for _, name, _, _ in times):
            lines += [f"\n## {title}: {workload}\n", _table(times, kind, workload)]
    return "\n".join(lines) + "\n"


def _table(times: Times, kind: str, workload: str) -> str:
    cores = sorted({n for _, _, contender, n in times if contender != LOOP})
    lines = [
        "| cores | " + " | ".join(map(str, cores)) + " |",
        "| --- |" + " ---: |" * len(cores),
    ]
    loop_s = times[kind, workload, LOOP, 1]
    for contender in CONTENDERS:
        cells = [_shown(loop_s, times[kind, workload, contender, n]) for n in cores]
        lines.append(f"| {TITLES[contender]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _shown(loop_s: Sequence[float], own_s: Sequence[float]) -> str:
    speedups = [loop / own for loop, own in zip(loop_s, own_s, strict=True)]
    return f"{median(speedups):.2f} [{min(speedups):.2f}, {max(speedups):.2f}]"


def main() -> None:
    """Measure or read, then report."""
    options = _parser().parse_args()
    if options.render:
        times, machine = kept_times.read(options.render)
    else:
        workloads = [
            one for one in WORKLOADS if any(part in one.name for part in options.workloads)
        ]
        times, machine = kept_times.on_this_host(
            lambda: measured(workloads, options.cores, options.seconds)
        )
        kept = options.json or ROOT / f"benchmarks/results/scaling-{host.slug(machine)}.json"
        kept_times.write(times, machine, kept)
    page_sections.put_rest(options.report, report(times, machine), SECTION)
    print(options.report.read_text())


def _parser() -> argparse.ArgumentParser:
    doubling = [2**n for n in range(10) if 2**n <= host.n_cores()]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--seconds", type=float, default=SECONDS, help="rounds are begun until so much is over")
    add("--cores", type=int, nargs="+", default=doubling, metavar="N")
    add("--workloads", nargs="+", default=CHOSEN, metavar="PART", help="of their names")
    peers.add_files(parser, page="docs/dev/scaling.md")
    return parser


if __name__ == "__main__":
    main()
