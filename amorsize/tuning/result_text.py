"""Results of tunings as people read them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from amorsize.policy.counted import counted
from amorsize.report import html_table, seconds
from amorsize.tuning.configuration import FAILED, TIMED_OUT, Configuration, speedup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.optimizer import OptimizationResult
    from amorsize.tuning.figures import Figures


def as_text(result: Figures) -> str:
    """The result in lines, as `print` shows it."""
    lines = ["=== Auto-Tuning Results ===", "", "Best configuration:"]
    lines += [f"  {name + ':':<12}{value}" for name, value in _best_rows(result)]
    lines += ["", f"  Best speedup:   {result.best_speedup:.2f}x"]
    lines += [f"  {name:<16}{value}" for name, value in _time_rows(result)]
    if result.verdict:
        lines += ["", f"Verdict: {result.verdict}"]
    if (hint := result.optimization_hint) is not None:
        lines += ["", f"Optimizer suggested: {hint_in_words(hint)}"]
    if top := _top_rows(result):
        lines += ["", "Top configurations:"]
        lines += [f"  {number}. {text}" for number, text in enumerate(top, 1)]
    lines += [f"Not usable: {_in_words(one)}" for one in _unusable(result)]
    return "\n".join(lines + [f"Warning: {text}" for text in result.warnings])


def as_html(result: Figures) -> str:
    """The result as tables of a notebook."""
    told = rows(result)
    if result.verdict:
        told.append(("verdict", result.verdict))
    table = html_table([(name, str(value)) for name, value in told])
    top = "".join(
        f"<tr><td>{n_jobs}</td><td>{chunksize}</td><td>{_shown(time_s)}</td>"
        f"<td>{times:.2f}x</td></tr>"
        for n_jobs, chunksize, time_s, times in result.get_top_configurations()
    )
    head = "<tr><th>n_jobs</th><th>chunksize</th><th>time</th><th>speedup</th></tr>"
    text = f"<p><b>Auto-Tuning Results</b></p>{table}<table>{head}{top}</table>"
    from amorsize.tuning import plots

    if not plots.is_drawable(result):
        return text
    from amorsize._plots import inset

    return f"{text}{inset.image(lambda at: plots.plot(result, at), plots.in_words(result))}"


def rows(result: Figures) -> list[tuple[str, object]]:
    """Headings and what there is to say under each."""
    return [*_best_rows(result), ("speedup", f"{result.best_speedup:.2f}x"), *_time_rows(result)]


def _best_rows(result: Figures) -> Iterator[tuple[str, object]]:
    yield "n_jobs", result.best_n_jobs
    yield "chunksize", result.best_chunksize
    yield "backend", result.backend


def _time_rows(result: Figures) -> Iterator[tuple[str, str]]:
    best = _best(result)
    between = "" if best is None else _between(best)
    yield "Best time:", f"{_shown(result.best_time)}{between}"
    yield "Serial time:", _shown(result.serial_time)
    yield (
        "Tested:",
        f"{counted(result.configurations_tested, 'configuration')} ({result.search_strategy})",
    )
    if result.tuning_s is not None:
        ratio = "" if result.cost_ratio is None else f", {result.cost_ratio:.2f} x the loop"
        yield "Tuning took:", f"{seconds(result.tuning_s)}{ratio}"


def _top_rows(result: Figures) -> list[str]:
    """The quickest in words, with their backends and intervals where these are known."""
    if not result.configurations:
        return [_row(*top) for top in result.get_top_configurations()]
    finite = [one for one in result.configurations if math.isfinite(one.time_s)]
    return [
        f"{_row(one.n_jobs, one.chunksize, one.time_s, speedup(result.serial_time, one.time_s))}"
        f"  {one.backend}{_between(one)}"
        for one in sorted(finite, key=lambda one: one.time_s)[:5]
    ]


def _best(result: Figures) -> Configuration | None:
    if result.backend == "serial":
        return result.serial
    wanted = (result.backend, result.best_n_jobs, result.best_chunksize)
    found = (c for c in result.configurations if (c.backend, c.n_jobs, c.chunksize) == wanted)
    return next(found, None)


def _unusable(result: Figures) -> Iterator[Configuration]:
    return (one for one in result.configurations if one.status in (TIMED_OUT, FAILED))


def _row(n_jobs: int, chunksize: int, time_s: float, times: float) -> str:
    return f"n_jobs={n_jobs:<3} chunksize={chunksize:<6} {_shown(time_s):>9}  {times:.2f}x"


def _in_words(one: Configuration) -> str:
    reason = f": {one.reason}" if one.reason else ""
    return f"{one.backend} n_jobs={one.n_jobs} chunksize={one.chunksize}, {one.status}{reason}"


def _between(one: Configuration) -> str:
    if one.low_s is None or one.high_s is None:
        return ""
    return f" ({seconds(one.low_s)} to {seconds(one.high_s)})"


def hint_in_words(hint: OptimizationResult) -> str:
    """What was predicted before anything was measured."""
    return (
        f"n_jobs={hint.n_jobs}, chunksize={hint.chunksize}, backend={hint.backend} "
        f"({hint.estimated_speedup:.2f}x predicted)"
    )


def _shown(time_s: float) -> str:
    return seconds(time_s) if math.isfinite(time_s) else "never"
