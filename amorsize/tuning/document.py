"""Results of tunings as plain values that JSON can hold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from amorsize.optimizer import OptimizationResult
from amorsize.policy.actions import PLAN_BACKENDS
from amorsize.policy.frozen_record import inf
from amorsize.policy.stored_field_checks import (
    at_least,
    count,
    is_text,
    number,
    one_of,
    optional,
    record,
    sequence,
    unfit,
)
from amorsize.tuning.configuration import MEASURED, NOT_MEASURED, Configuration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.tuning.figures import Figures

FORMAT, VERSION = "amorsize tuning", 1

#: Beyond, a stored figure is a mistake.
MOST = 10**15


def of_result(result: Figures) -> dict[str, Any]:
    """Everything as plain values; an infinite time is None, as JSON knows no other."""
    hint = result.optimization_hint
    return {
        "format": FORMAT,
        "version": VERSION,
        "function": result.function,
        "best_n_jobs": result.best_n_jobs,
        "best_chunksize": result.best_chunksize,
        "best_time": _finite(result.best_time),
        "best_speedup": result.best_speedup,
        "backend": result.backend,
        "executor_type": result.executor_type,
        "serial_time": _finite(result.serial_time),
        "configurations_tested": result.configurations_tested,
        "search_strategy": result.search_strategy,
        "is_decided": result.is_decided,
        "verdict": result.verdict,
        "n_items": result.n_items,
        "tuning_s": result.tuning_s,
        "is_saved": result.is_saved,
        "warnings": list(result.warnings),
        "all_results": list(_entries(result)),
        "configurations": [_as_dict(one) for one in result.configurations],
        "serial": None if result.serial is None else _as_dict(result.serial),
        "optimization_hint": None if hint is None else _hint_as_dict(hint),
    }


def _entries(result: Figures) -> Iterator[dict[str, Any]]:
    """What was measured, the loop included; of a result made by hand, its times."""
    measured = [result.serial] if result.serial is not None and result.configurations else []
    for one in (*measured, *result.configurations):
        if one.status != NOT_MEASURED:
            yield _entry(one)
    if not result.configurations:
        for (n_jobs, chunksize), time_s in result.all_results.items():
            yield {"n_jobs": n_jobs, "chunksize": chunksize, "time": _finite(time_s)}


def fields_of(document: dict[str, Any]) -> dict[str, Any]:
    """The fields of the result that a document tells of.

    Raises:
        ValueError: Something about it cannot be right.
    """
    if document.get("format") != FORMAT or document.get("version") != VERSION:
        raise ValueError(f"its format is not {FORMAT!r}, version {VERSION}")
    if (name := unfit(document, DOCUMENT)) is not None:
        raise ValueError(f"its {name} cannot be right: {document.get(name)!r}")
    hint, serial = document["optimization_hint"], document["serial"]
    backend, executor = document["backend"], document["executor_type"]
    return {
        **{name: document[name] for name in SAME},
        "best_time": _time(document["best_time"]),
        "serial_time": _time(document["serial_time"]),
        "all_results": _cells(document["all_results"]),
        "optimization_hint": None if hint is None else OptimizationResult(**hint),
        "configurations": tuple(map(_configuration, document["configurations"])),
        "serial": None if serial is None else _configuration(serial),
        "best_backend": None if backend == executor else backend,
    }


def _finite(time_s: float) -> float | None:
    return time_s if math.isfinite(time_s) else None


def _entry(one: Configuration) -> dict[str, Any]:
    return {
        "backend": one.backend,
        "n_jobs": one.n_jobs,
        "chunksize": one.chunksize,
        "time": _finite(one.time_s),
        "low": one.low_s,
        "high": one.high_s,
        "n_runs": one.n_runs,
        "why": "" if one.status == MEASURED else f"{one.status}: {one.reason}".rstrip(": "),
    }


def _cells(entries: list[dict[str, Any]]) -> dict[tuple[int, int], float]:
    """Seconds by (n_jobs, chunksize): the quickest backend's, the loop left out."""
    found: dict[tuple[int, int], float] = {}
    for one in entries:
        if one.get("backend") != "serial":
            cell = (one["n_jobs"], one["chunksize"])
            found[cell] = min(_time(one["time"]), found.get(cell, inf))
    return found


def _as_dict(one: Configuration) -> dict[str, Any]:
    return {**one.as_dict(), "time_s": _finite(one.time_s)}


def _hint_as_dict(hint: OptimizationResult) -> dict[str, Any]:
    return {name: getattr(hint, name) for name in HINT}


def _configuration(fields: dict[str, Any]) -> Configuration:
    return Configuration(**{**fields, "time_s": _time(fields["time_s"])})


def _time(value: float | None) -> float:
    return inf if value is None else float(value)


JOBS, ITEMS, AMOUNT = count(MOST), count(MOST), count(MOST, least=0)
FIGURE, FLAG, BACKEND = number(MOST), one_of(True, False), one_of(*PLAN_BACKENDS)
#: What the fields of a configuration may hold.
CONFIGURATION = {
    "backend": BACKEND,
    "n_jobs": JOBS,
    "chunksize": ITEMS,
    "time_s": optional(FIGURE),
    "low_s": optional(FIGURE),
    "high_s": optional(FIGURE),
    "n_runs": AMOUNT,
    "n_items": AMOUNT,
    "status": is_text,
    "reason": is_text,
}
#: What the fields of the prediction may hold that came before.
HINT = {
    "n_jobs": JOBS,
    "chunksize": ITEMS,
    "reason": is_text,
    "estimated_speedup": FIGURE,
    "warnings": sequence(is_text, MOST),
    "n_items": optional(AMOUNT),
    "n_sampled": AMOUNT,
    "n_runs": AMOUNT,
    "sampled_s": FIGURE,
    "item_s": optional(FIGURE),
    "estimated_serial_s": optional(FIGURE),
    "executor_type": BACKEND,
}
#: What the times may hold that are read; more may be told of each.
CELL = {"n_jobs": JOBS, "chunksize": ITEMS, "time": optional(FIGURE)}
#: What the fields of a document may hold; more may be there.
DOCUMENT = {
    "function": optional(is_text),
    "best_n_jobs": JOBS,
    "best_chunksize": ITEMS,
    "best_time": optional(FIGURE),
    "best_speedup": FIGURE,
    "backend": BACKEND,
    "executor_type": BACKEND,
    "serial_time": optional(FIGURE),
    "configurations_tested": AMOUNT,
    "search_strategy": is_text,
    "is_decided": FLAG,
    "verdict": is_text,
    "n_items": optional(AMOUNT),
    "tuning_s": optional(FIGURE),
    "is_saved": FLAG,
    "warnings": sequence(is_text, MOST),
    "all_results": sequence(at_least(CELL), MOST),
    "configurations": sequence(record(CONFIGURATION), MOST),
    "serial": optional(record(CONFIGURATION)),
    "optimization_hint": optional(record(HINT)),
}
#: Fields of a document that are those of the result as they stand.
SAME = (
    *("best_n_jobs", "best_chunksize", "best_speedup", "configurations_tested", "search_strategy"),
    *("executor_type", "is_decided", "verdict", "n_items", "tuning_s", "warnings", "is_saved"),
    "function",
)
