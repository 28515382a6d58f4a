"""The page of a tuning: the winner, what was measured of each plan, what to do with it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from amorsize._page import machine
from amorsize._page.page import Page, Section, Table
from amorsize._plots.picture import picture
from amorsize.policy.counted import counted
from amorsize.report import plan_in_short, plan_in_words, seconds
from amorsize.tuning import plots, result_text
from amorsize.tuning.configuration import MEASURED, Configuration, speedup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.tuning.figures import Figures

#: Plans that the table has.
MOST_PLANS = 300
HEADER = ("backend", "n_jobs", "chunksize", "time", "from", "to", "speed-up", "runs", "status")


def page_of(result: Figures) -> Page:
    """All that a tuning came to."""
    name = result.function or "a function"
    best = plan_in_words(result.backend, result.best_n_jobs, result.best_chunksize)
    doubt = "" if result.is_decided else " The noise was too large to be sure."
    items = "" if result.n_items is None else f", for {counted(result.n_items, 'item')}"
    return Page(
        title=f"{name}: {plan_in_short(result.backend, result.best_n_jobs, result.best_chunksize)}"
        f" is best, {result.best_speedup:.2f} x the loop",
        lead=f"Best is {best}{items}.{doubt}",
        sections=tuple(_sections(result)),
        foot=machine.foot(),
    )


def _sections(result: Figures) -> Iterator[Section]:
    facts = [(one.rstrip(":").lower(), str(value)) for one, value in result_text.rows(result)]
    hint = result.optimization_hint
    yield Section(
        key="decisions",
        heading="What was found, and why",
        points=(result.verdict,) if result.verdict else (),
        facts=tuple(facts),
        paragraphs=()
        if hint is None
        else (f"Before, {result_text.hint_in_words(hint)}: {hint.reason}.",),
    )
    if result.warnings:
        yield Section(key="warnings", heading="Warnings", points=tuple(result.warnings[:100]))
    if plots.is_drawable(result):
        drawn = picture(lambda at: plots.plot(result, at), plots.in_words(result))
        yield Section(key="plans", heading="How quick each plan was", picture=drawn)
    yield Section(key="table", heading="All plans", tables=(_table(result),))
    yield Section(key="next", heading="What to try next", points=tuple(_advice(result)))
    yield Section(
        key="machine",
        heading="The machine that this page was made on",
        facts=tuple(machine.facts()),
    )


def _table(result: Figures) -> Table:
    """The loop and each plan, the quickest first."""
    plans = [*([result.serial] if result.serial is not None else []), *plots.plans_of(result)]
    ranked = sorted(plans, key=lambda one: one.time_s)
    return Table(
        caption="Time for all items, with the interval that has the mean at 95 %",
        header=HEADER,
        rows=tuple(_row(result, one) for one in ranked[:MOST_PLANS]),
        n_left_out=max(0, len(ranked) - MOST_PLANS),
    )


def _row(result: Figures, one: Configuration) -> tuple[str, ...]:
    is_timed = math.isfinite(one.time_s)
    why = f": {one.reason}" if one.reason else ""
    return (
        one.backend,
        str(one.n_jobs),
        str(one.chunksize),
        seconds(one.time_s) if is_timed else "",
        "" if one.low_s is None else seconds(one.low_s),
        "" if one.high_s is None else seconds(one.high_s),
        f"{speedup(result.serial_time, one.time_s):.2f}" if is_timed else "",
        str(one.n_runs or ""),
        "" if one.status == MEASURED else f"{one.status}{why}",
    )


def _advice(result: Figures) -> Iterator[str]:
    plan = result.plan
    if not result.is_decided:
        yield "Tune again on a quiet machine, or with more repeats: plans could not be told apart."
    if result.is_saved:
        yield "The next call of the function starts from the winner, in later processes as well."
    elif plan.backend == "serial":
        yield "Leave the function as it is: no plan beats the loop."
    else:
        options = f"backend={plan.backend!r}, n_jobs={plan.n_jobs}, chunksize={plan.chunksize}"
        yield f"To run exactly this plan: f.using({options})(items)."
    largest = max((one.n_jobs for one in plots.plans_of(result)), default=1)
    if plan.backend != "serial" and plan.n_jobs == largest > 1:
        yield (
            f"The best plan has the most jobs that were tried, {largest}. More of them may be "
            "better still, where there are cores for them or items wait."
        )
    yield "history.save('name', result) keeps the result, to be compared with a later one."
