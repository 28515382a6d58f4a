"""Many workers on few cores: items sleep, so that what sends them their work is measured.

    python -m benchmarks.manyworkers                # an hour; writes into docs/dev/scaling.md
    python -m benchmarks.manyworkers --rounds 2 --workers 64 --rows "5 ms" "1 ms" \\
        --contenders pool amorsize --report /tmp/report.md --json /tmp/raw.json
    python -m benchmarks.manyworkers --render benchmarks/results/manyworkers-....json

Processes that sleep need no cores, so 64 of them are truly at work at once on two. What bounds them
is the caller: it starts them, gives them items and takes their results. Told is the speed-up over
the sum of all naps, and beside it the CPU time of the caller.

In every round each contender makes two calls in a fresh process, in an order drawn anew. The first
call counts from before the first import, and the end of its workers counts with it.

amorsize runs twice: on items as they are, so that it sees them wait; and with wall time in place of
CPU time and as many cores as workers, as far as it can see, so that it sees them compute.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from benchmarks import host, kept_times, page_sections, peers
from benchmarks.many_contenders import CONTENDERS, ROWS
from benchmarks.outside import ROOT, ChildFailed, run_python
from benchmarks.ratios import geometric_mean

CHILD = "from benchmarks.many_contenders import main; main()"
CALLS = ("First call", "Second call")
OURS = ("amorsize", "amorsize_computing")
PEERS = tuple(name for name in CONTENDERS if name not in OURS)
TITLES = {
    "pool": "`Pool.map`",
    "imap": "`imap`, 1",
    "executor_4th": "`Process-PoolExecutor`",
    "joblib": "joblib",
    "mpire": "mpire",
    "amorsize": "**amorsize**",
    "amorsize_computing": "**amorsize**, computing",
}
WORKERS = (16, 64, 256)
ROUNDS = 5
GIVE_UP_S = 60.0
SEED = 18
SECTION = "manyworkers"
INTRODUCTION = """\
## Many workers

Written by `python -m benchmarks.manyworkers`. The items sleep, so that so many workers are truly at
work at once on two cores, and what bounds them is the caller. Each figure is a speed-up: the sum of
all naps by the time of the call, as the median over rounds, with the lowest and the highest in
brackets. After it stands the CPU time of the caller. No way of running them can exceed the limit:
the number of workers, or what the longest item leaves of it. The last column has amorsize see wall
time as CPU time and a core for each worker. Bold: the best peer.
"""
# Of (workers, row, contender): for each round, for each call, wall and CPU seconds.
Case = tuple[int, str, str]
Taken = list[list[float]]
Times = dict[Case, list[Taken]]


def measured(cases: Sequence[Case], n_rounds: int, give_up_s: float = GIVE_UP_S) -> Times:
    """Every case once in each round; one that failed is not run again."""
    draw = random.Random(SEED)
    times: Times = defaultdict(list)
    left = list(cases)
    for contender in dict.fromkeys(contender for _, _, contender in cases):
        taken(2, "64 of 0.2 s", contender, give_up_s)  # compiled once, for all alike
    for n in range(n_rounds):
        draw.shuffle(left)
        began_s = time.monotonic()
        for case in tuple(left):
            try:
                rounds = times[case]
                rounds.append(taken(*case, give_up_s))
            except ChildFailed as failure:
                left.remove(case)
                print(f"given up: {case}: {failure}", file=sys.stderr)
        print(f"round {n + 1}: {time.monotonic() - began_s:.0f} s", file=sys.stderr, flush=True)
    return times


def taken(n_workers: int, row: str, contender: str, give_up_s: float) -> Taken:
    """What two calls took in a fresh process."""
    with tempfile.TemporaryDirectory() as home:
        done = run_python(
            CHILD,
            *(contender, str(n_workers), row),
            timeout_s=give_up_s,
            environ={"AMORSIZE_HOME": home},
        )
    return [[float(word) for word in line.split()] for line in done.output.splitlines()]


def limit(row: str, n_workers: int) -> float:
    """The speed-up that nobody exceeds: a worker a core, and no item is divided."""
    naps_s = ROWS[row]
    return sum(naps_s) / max(sum(naps_s) / min(n_workers, len(naps_s)), max(naps_s))


def speedups(times: Times, call: int, case: Case) -> list[float]:
    """One a round; none of a case that failed in one of them."""
    rounds = times.get(case, [])
    n_rounds = max(map(len, times.values()))
    return [sum(ROWS[case[1]]) / one[call][0] for one in rounds] if len(rounds) == n_rounds else []


def report(times: Times, machine: dict[str, object]) -> str:
    """The section of the page."""
    lines = [
        INTRODUCTION,
        f"- Machine: {machine['cpu']}, {machine['n_cores']} cores, {machine['memory_gib']} GiB, "
        f"{machine['kernel']}, {machine['python']}; {machine['date']}.",
        f"- Cores that were free (the work that one process on each core did at once, divided by "
        f"that of one alone): {machine['ours_before']} before and {machine['ours_after']} after. "
        f"Rounds: {max(map(len, times.values()))}.",
    ]
    for n_workers in sorted({n for n, _, _ in times}):
        for call, title in enumerate(CALLS):
            lines += [f"\n### {title}, {n_workers} workers\n", _table(times, call, n_workers)]
    return "\n".join(lines) + "\n"


def _table(times: Times, call: int, n_workers: int) -> str:
    names = [one for one in TITLES if any(contender == one for _, _, contender in times)]
    rows = [row for row in ROWS if any(case[:2] == (n_workers, row) for case in times)]
    lines = [
        f"| naps | limit | {' | '.join(TITLES[name] for name in names)} |",
        "| --- | ---: |" + " ---: |" * len(names),
    ]
    for row in rows:
        best = best_peer(times, call, n_workers, row)
        cells = [_cell(times, call, (n_workers, row, name), name == best) for name in names]
        lines.append(f"| {row} | {limit(row, n_workers):.3g} | {' | '.join(cells)} |")
    own = [beside_peers(times, call, n_workers, name, rows) for name in names if name in OURS]
    return "\n".join([*lines, *own])


def _cell(times: Times, call: int, case: Case, is_best: bool) -> str:
    if not (found := speedups(times, call, case)):
        return "gave up"
    cpu_s = median(one[call][1] for one in times[case])
    middle = f"**{median(found):.1f}**" if is_best else f"{median(found):.1f}"
    return f"{middle} [{min(found):.1f}, {max(found):.1f}] {cpu_s:.2f} s"


def best_peer(times: Times, call: int, n_workers: int, row: str) -> str | None:
    """The one with the highest median."""
    medians = {
        name: median(found)
        for name in PEERS
        if (found := speedups(times, call, (n_workers, row, name)))
    }
    return max(medians, key=lambda name: medians[name], default=None)


def beside_peers(times: Times, call: int, n_workers: int, own: str, rows: Sequence[str]) -> str:
    """How amorsize stands beside each single peer over all rows, and where it does worst."""
    means, worst = [], []
    for row in rows:
        best = best_peer(times, call, n_workers, row)
        if best and (shares := _shares(times, call, n_workers, row, own, best)):
            worst.append((median(shares), row))
    for peer in PEERS:
        pairs = [_shares(times, call, n_workers, row, own, peer) for row in rows]
        if all(pairs):
            share = geometric_mean([median(shares) for shares in pairs])
            means.append(f"{share:.2f} x {TITLES[peer]}")
    if not worst:
        return ""
    least, where = min(worst)
    beside = ", ".join(means) or "no peer has run all rows"
    return (
        f"\n{TITLES[own]}, geometric mean over the rows: {beside}. Beside the best peer of a row "
        f"at worst {least:.2f} x: {where}."
    )


def _shares(times: Times, call: int, n_workers: int, row: str, own: str, peer: str) -> list[float]:
    """Round by round, one speed-up by another; none where one of them has failed."""
    ours, theirs = (speedups(times, call, (n_workers, row, name)) for name in (own, peer))
    return [a / b for a, b in zip(ours, theirs, strict=True)] if ours and theirs else []


def main() -> None:
    """Measure or read, then report."""
    options = _parser().parse_args()
    if options.render:
        times, machine = kept_times.read(options.render)
    else:
        times, machine = kept_times.on_this_host(
            lambda: measured(_cases(options), options.rounds, options.give_up)
        )
        kept = options.json or ROOT / f"benchmarks/results/manyworkers-{host.slug(machine)}.json"
        kept_times.write(dict(sorted(times.items())), machine, kept)
    section = report(times, machine)
    page_sections.put(options.report, SECTION, section)
    print(section)


def _cases(options: argparse.Namespace) -> list[Case]:
    return [
        (n_workers, row, contender)
        for n_workers in options.workers
        for row in ROWS
        for contender in options.contenders
        if any(part in row for part in options.rows)
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.manyworkers", description=(__doc__ or "").splitlines()[0]
    )
    add = parser.add_argument
    add("--rounds", type=int, default=ROUNDS)
    add("--workers", type=int, nargs="+", default=WORKERS, metavar="N")
    add("--rows", nargs="+", default=[""], metavar="PART", help="of their names")
    add("--contenders", nargs="+", default=tuple(CONTENDERS), choices=tuple(CONTENDERS))
    add("--give-up", type=float, default=GIVE_UP_S, metavar="SECONDS", help="per process")
    peers.add_files(parser, page="docs/dev/scaling.md")
    return parser


if __name__ == "__main__":
    main()
