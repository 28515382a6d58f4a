"""What is asked of amorsize's speed, and whether a run's figures keep to it.

A bound is broken where the whole 90 % interval lies beyond it. Where only the median does, the run
cannot tell, and the table says so.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from benchmarks.ratios import Figure, figure, geometric_mean_figure
from benchmarks.results import AMORSIZE, CACHED, FIRST, LOOP, WARM, Results
from benchmarks.workloads import Workload, by_name

REACHED, UNSURE, BROKEN, NOT_RUN = "reached", "within noise", "**not reached**", "not run"
ALLOWANCE_S = 0.005  # what a call may take on top of 1.03 times the loop
SHORT_WAITS = "8 ms waits x 300"
MICRO_LIMITS_US = {
    "warm `tuned_map(f, [1, 2, 3])` on a trivial f": ("warm_call_us", 30.0),
    "decision of a cached call": ("decision_us", 50.0),
    "its lookup": ("lookup_us", 5.0),
    "`from amorsize import autotune` and decorating, over the bare interpreter": (
        "import_and_decorate_us",
        60_000.0,
    ),
}
MICRO_RATIOS = {"400k trivial items, by the list comprehension": ("trivial_items_ratio", 1.05)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One limit, and what was reached."""

    what: str
    asked: str
    reached: str
    verdict: str
    beyond: tuple[str, ...] = ()  # workloads that break it


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A value that figures must stay at or below, or at or above."""

    value: float
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.value:g}"

    def excess(self, value: float) -> float:
        """Above 1 where the value is on the wrong side."""
        return self.value / value if self.at_least else value / self.value

    def verdict(self, reached: Figure) -> str:
        """Broken, reached, or too close to tell."""
        if self.excess(reached.median) <= 1:
            return REACHED
        best_end = reached.high if self.at_least else reached.low
        return BROKEN if self.excess(best_end) > 1 else UNSURE


Measure = Callable[[str], Sequence[float]]  # of a workload, per round; empty where it was not run


def bounds(results: Results) -> list[Bound]:
    """All that is asked, in the order it is asked."""
    return [
        *_against_peers(results),
        *_against_loop(results),
        *_busy(results),
        *_gains(results),
        *_cpu(results),
        *_micro(results),
    ]


def by_best_peer(results: Results, kind: str) -> Measure:
    """Amorsize's time by that of the best peer; `cached` is compared with the `first` of peers."""
    peers_kind = WARM if kind == WARM else FIRST

    def ratios(workload: str) -> list[float]:
        best = results.best_peer(peers_kind, workload)
        if best is None:
            return []
        return results.time_ratios(workload, (kind, AMORSIZE), (peers_kind, best))

    return ratios


def _against_peers(results: Results) -> list[Bound]:
    found = []
    for kind, called, each in ((FIRST, "first call ever", 1.10), (WARM, "warm call", 1.05)):
        ratios = by_best_peer(results, kind)
        mean, worst = f"{called} / best peer, geometric mean", f"{called} / best peer, the worst"
        found += [
            _mean(mean, Limit(value=0.75), ratios, _those_run(results)),
            _mean(
                f"{mean} without waits", Limit(value=0.92), ratios, _those_run(results, _computing)
            ),
            _worst(worst, Limit(value=each), ratios, _those_run(results)),
        ]
    return found


def _against_loop(results: Results) -> list[Bound]:
    return [
        _worst(
            f"({called} - 5 ms) / loop, the worst",
            Limit(value=1.03),
            _less_allowance(results, kind),
            _those_run(results),
        )
        for kind, called in ((FIRST, "first call ever"), (CACHED, "new process"), (WARM, "warm"))
    ]


def _less_allowance(results: Results, kind: str) -> Measure:
    loop_kind = WARM if kind == WARM else FIRST
    return lambda workload: results.time_ratios(
        workload, (kind, AMORSIZE), (loop_kind, LOOP), less_s=ALLOWANCE_S
    )


def _busy(results: Results) -> list[Bound]:
    return [
        _worst(
            f"busy share of jobs of 1 s and more, {called}, the worst",
            Limit(value=limit, at_least=True),
            _busy_shares(results, call),
            _those_run(results, lambda workload: workload.shows_busy_share),
        )
        for call, called, limit in ((0, "first call", 0.93), (-1, "warm call", 0.96))
    ]


def _busy_shares(results: Results, call: int) -> Measure:
    return lambda workload: results.busy_shares(workload, call)


def _gains(results: Results) -> list[Bound]:
    """How many times faster than the loop, where threads can help."""
    waits = (lambda workload: workload.name == SHORT_WAITS, f"loop / amorsize, {SHORT_WAITS}")
    unlocked = (lambda w: w.releases_gil, "loop / amorsize, GIL released, the worst")
    asked = (
        (*waits, FIRST, 15),
        (*waits, WARM, 25),
        (*unlocked, FIRST, 1.7),
        (*unlocked, WARM, 1.7),
    )
    return [
        _worst(
            f"{what}, {'warm' if kind == WARM else 'first call'}",
            Limit(value=value, at_least=True),
            _gain(results, kind),
            _those_run(results, chosen),
        )
        for chosen, what, kind, value in asked
    ]


def _gain(results: Results, kind: str) -> Measure:
    return lambda workload: results.time_ratios(workload, (kind, LOOP), (kind, AMORSIZE))


def _cpu(results: Results) -> list[Bound]:
    return [
        _worst(
            f"CPU time / two forked loops, {called}, the worst",
            Limit(value=1.06),
            _cpu_ratios(results, kind),
            _those_run(results, lambda workload: workload.computes_all_the_time),
        )
        for kind, called in ((FIRST, "first call ever"), (CACHED, "new process"))
    ]


def _cpu_ratios(results: Results, kind: str) -> Measure:
    return lambda workload: results.cpu_ratios(workload, kind)


def _micro(results: Results) -> list[Bound]:
    found = []
    for unit, table in (("us", MICRO_LIMITS_US), ("x", MICRO_RATIOS)):
        for what, (name, limit) in table.items():
            value = results.micro.get(name)
            found.append(
                Bound(
                    what=what,
                    asked=f"≤ {limit:g} {unit}",
                    reached="" if value is None else f"{value:.4g} {unit}",
                    verdict=NOT_RUN if value is None else REACHED if value <= limit else BROKEN,
                )
            )
    return found


def _computing(workload: Workload) -> bool:
    return not workload.waiting


def _those_run(results: Results, chosen: Callable[[Workload], bool] = lambda _: True) -> list[str]:
    return [name for name in results.workloads() if chosen(by_name(name))]


def _mean(what: str, limit: Limit, measure: Measure, workloads: Iterable[str]) -> Bound:
    groups = [group for workload in workloads if (group := measure(workload))]
    if not groups:
        return Bound(what=what, asked=str(limit), reached="", verdict=NOT_RUN)
    reached = geometric_mean_figure(groups)
    return Bound(
        what=what, asked=str(limit), reached=shown(reached), verdict=limit.verdict(reached)
    )


def _worst(what: str, limit: Limit, measure: Measure, workloads: Iterable[str]) -> Bound:
    """Every workload must keep to the limit; shown is the worst, first of those that break it."""
    figures = {name: figure(values) for name in workloads if (values := measure(name))}
    if not figures:
        return Bound(what=what, asked=str(limit), reached="", verdict=NOT_RUN)
    verdicts = {name: limit.verdict(reached) for name, reached in figures.items()}
    broken = tuple(name for name, verdict in verdicts.items() if verdict == BROKEN)
    worst = max(broken or figures, key=lambda name: limit.excess(figures[name].median))
    return Bound(
        what=what,
        asked=str(limit),
        reached=f"{shown(figures[worst])} {worst}",
        verdict=BROKEN if broken else verdicts[worst],
        beyond=broken,
    )


def shown(reached: Figure) -> str:
    """A median and the 90 % interval around it."""
    return f"{reached.median:.3g} [{reached.low:.3g}, {reached.high:.3g}]"
