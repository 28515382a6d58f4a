"""The page of a run: every figure in Markdown tables, with the machine it is of."""

from collections.abc import Iterable, Sequence

from benchmarks.bounds import bounds, by_best_peer, shown
from benchmarks.ratios import Figure, figure
from benchmarks.results import AMORSIZE, CACHED, FIRST, LOOP, PEERS, WARM, Results

TITLES = {
    LOOP: "loop",
    "pool": "`Pool.map`",
    "executor_1": "`ProcessPool-Executor` chunksize 1",
    "executor_8th": "`ProcessPool-Executor` chunksize n/8",
    "threads": "`ThreadPool-Executor`",
    "threads_32": "`ThreadPool-Executor(32)`",
    "joblib": "joblib",
    "mpire": "mpire",
    AMORSIZE: "**amorsize**",
}
INTRODUCTION = """\
# How fast amorsize is

Written by `python -m benchmarks.peers`; what is measured, and how, is in
[benchmarks/README.md](../../benchmarks/README.md). Every ratio is the median over rounds of the
ratio of two times of the same round. Its quartiles are in round brackets, its 90 % bootstrap
interval in square brackets.
"""


def report(results: Results) -> str:
    """The whole page."""
    parts = [
        INTRODUCTION,
        _machine(results),
        "## Targets\n",
        _asked_and_reached(results),
        "## Whole process, first call ever: time / time of the plain loop\n",
        _against_loop(results, FIRST),
        "## Warm call: time / time of the plain loop\n",
        _against_loop(results, WARM),
        "## amorsize / the best peer of each workload\n",
        _against_best(results),
        _notes(results),
    ]
    return "\n".join(part for part in parts if part)


def _machine(results: Results) -> str:
    facts = results.machine
    known = facts["versions"]
    assert isinstance(known, dict)
    versions = ", ".join(f"{name} {version}" for name, version in known.items())
    ours = (("before", results.cores_before), ("after", results.cores_after))
    checked = " and ".join(f"{n_cores:.2f} {when}" for when, n_cores in ours if n_cores)
    return "\n".join(
        [
            f"- Machine: {facts['cpu']}, {facts['n_cores']} cores, {facts['memory_gib']} GiB, "
            f"{facts['kernel']}, {facts['python']}; {versions}; {facts['date']}.",
            "- Cores that were free (the work that one process on each core did at once, divided "
            f"by that of one alone): {checked}. Other programs used {results.foreign_share():.1%} "
            "of the machine's CPU time meanwhile.",
            "",
        ]
    )


def _asked_and_reached(results: Results) -> str:
    rows = [
        (bound.what, bound.asked, bound.reached, ": ".join([bound.verdict, *_listed(bound.beyond)]))
        for bound in bounds(results)
    ]
    return _table(("what", "target", "measured", ""), rows)


def _listed(names: Sequence[str]) -> list[str]:
    return [", ".join(names)] if names else []


def _against_loop(results: Results, kind: str) -> str:
    rows = [_row_against_loop(results, kind, workload) for workload in results.workloads()]
    others = [TITLES[name] for name in (*PEERS[1:], AMORSIZE)]
    shown_kind = [row for row in rows if row]
    return _table(("workload", "loop, ms", *others), shown_kind)


def _row_against_loop(results: Results, kind: str, workload: str) -> tuple[str, ...]:
    loop_s = results.median_s(kind, workload, LOOP)
    if loop_s is None:
        return ()
    best = results.best_peer(kind, workload)
    n_rounds = len(results.by_round(kind, workload, LOOP))
    loop = f"{loop_s * 1e3:.0f}"
    cells = [f"**{loop}**" if best == LOOP else loop]
    for name in (*PEERS[1:], AMORSIZE):
        ratios = results.time_ratios(workload, (kind, name), (kind, LOOP))
        cell = (
            _spread(figure(ratios), n_rounds)
            if ratios
            else _why_missing(results, kind, workload, name)
        )
        cells.append(f"**{cell}**" if name == best else cell)
    return workload, *cells


def _spread(ratio: Figure, n_rounds: int) -> str:
    rounds = "" if ratio.n_rounds >= n_rounds else f" †{ratio.n_rounds}"
    return f"{ratio.median:.2f} ({ratio.quartile_1:.2f}-{ratio.quartile_3:.2f}){rounds}"


def _why_missing(results: Results, kind: str, workload: str, contender: str) -> str:
    return "gave up" if f"{kind}/{workload}/{contender}" in results.given_up else ""


def _against_best(results: Results) -> str:
    titles = (
        "workload",
        "best peer, first",
        "first call ever",
        "new process, cache filled",
        "best peer, warm",
        "warm call",
        "CPU time / two forked loops, first",
        "busy share, first",
        "busy share, warm",
    )
    return _table(titles, [_row_against_best(results, name) for name in results.workloads()])


def _row_against_best(results: Results, workload: str) -> tuple[str, ...]:
    return (
        workload,
        _best(results, FIRST, workload),
        _interval(by_best_peer(results, FIRST)(workload)),
        _interval(by_best_peer(results, CACHED)(workload)),
        _best(results, WARM, workload),
        _interval(by_best_peer(results, WARM)(workload)),
        _interval(results.cpu_ratios(workload, FIRST)),
        _interval(results.busy_shares(workload, 0)),
        _interval(results.busy_shares(workload, -1)),
    )


def _best(results: Results, kind: str, workload: str) -> str:
    best = results.best_peer(kind, workload)
    took_s = best and results.median_s(kind, workload, best)
    return f"{TITLES[best]} {took_s * 1e3:.0f} ms" if best and took_s else ""


def _interval(values: Sequence[float]) -> str:
    return shown(figure(values)) if values else ""


def _notes(results: Results) -> str:
    lines = [
        "Bold: the best peer, the one with the lowest median time. †n: dropped after n rounds, too",
        "slow to become the best peer. Gave up: it failed or took too long, see the raw results.",
    ]
    failed = [case for case in results.given_up if case.endswith(f"/{AMORSIZE}")]
    lines += [f"**amorsize failed**: {case}: {results.given_up[case]}" for case in failed]
    orphans = sorted({s.contender for s in results.samples if s.n_orphans})
    lines += [f"Processes that outlived their program were left by: {', '.join(orphans)}."] * bool(
        orphans
    )
    return "\n".join(lines) + "\n"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
