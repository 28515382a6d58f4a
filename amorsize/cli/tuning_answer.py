"""Results of tunings as answers of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amorsize import report
from amorsize.cli.command import Answer, Table
from amorsize.cli.text import clean
from amorsize.policy.counted import counted
from amorsize.report import seconds

if TYPE_CHECKING:
    from amorsize.tuning import Configuration, TuningResult

#: Plans that are shown.
N_SHOWN = 10


def answer(result: TuningResult) -> Answer:
    """What a tuning found: facts for people, the whole result for programs."""
    is_timed = result.best_time < float("inf")
    facts = {"best": _best(result)} if is_timed else {}
    if result.serial_time < float("inf"):
        facts["the loop"] = seconds(result.serial_time)
    facts["verdict"] = result.verdict
    facts["measured"] = counted(result.configurations_tested, "configuration")
    if result.tuning_s is not None:
        share = f", {result.cost_ratio:.2f} x the loop" if result.cost_ratio else ""
        facts["measured"] += f" in {seconds(result.tuning_s)}{share}"
    if (hint := result.optimization_hint) is not None:
        predicted = report.plan_in_words(hint.backend, hint.n_jobs, hint.chunksize)
        facts["predicted"] = f"{predicted}: {hint.estimated_speedup:.2f} x the loop"
    facts["kept"] = "yes: the next call of the function starts from it" if result.is_saved else "no"
    rows = [(name, text) for name, text in facts.items() if text]
    lines = report.aligned([*rows, *(("warning", clean(text)) for text in result.warnings)])
    blocks: list[str | Table] = ["\n".join(lines)]
    if plans := _rows(result):
        header = ("backend", "n_jobs", "chunksize", "takes", "95 %", "speedup", "")
        blocks.insert(0, Table(header=header, rows=plans))
    return Answer(document=result.to_dict(), blocks=blocks, status=0 if is_timed else 1)


def _best(result: TuningResult) -> str:
    plan = report.plan_in_words(result.backend, result.best_n_jobs, result.best_chunksize)
    return f"{plan}: {seconds(result.best_time)}, {result.best_speedup:.2f} x the loop"


def _rows(result: TuningResult) -> list[tuple[str, ...]]:
    """The plans side by side, the quickest first, the loop among them."""
    tried = [*([result.serial] if result.serial else []), *result.configurations]
    ranked = sorted(tried, key=lambda one: one.time_s)[:N_SHOWN]
    return [_row(one, result.serial_time) for one in ranked]


def _row(one: Configuration, serial_s: float) -> tuple[str, ...]:
    is_timed = one.time_s < float("inf")
    interval = (
        ""
        if one.low_s is None or one.high_s is None
        else (f"{seconds(one.low_s)} to {seconds(one.high_s)}")
    )
    return (
        "the loop" if one.backend == "serial" else one.backend,
        str(one.n_jobs),
        str(one.chunksize),
        seconds(one.time_s) if is_timed else "-",
        interval,
        f"{serial_s / one.time_s:.2f} x" if is_timed and one.time_s > 0 else "-",
        "" if one.status == "measured" else clean(f"{one.status}: {one.reason}"),
    )
