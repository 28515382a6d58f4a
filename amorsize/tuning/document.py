"""Results of tunings as plain values that JSON can hold."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from amorsize.optimizer import OptimizationResult
from amorsize.policy.profile import BACKENDS
from amorsize.tuning.configuration import MEASURED, NOT_MEASURED, Configuration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.tuning.figures import Figures

FORMAT, VERSION = "amorsize tuning", 1
INF = float("inf")

HINT_FIELDS = (
    *("n_jobs", "chunksize", "reason", "estimated_speedup", "warnings", "n_items", "n_sampled"),
    *("n_runs", "sampled_s", "item_s", "estimated_serial_s", "executor_type"),
)


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
        KeyError, TypeError, ValueError: Something about it cannot be right.
    """
    if document.get("format") != FORMAT or document.get("version") != VERSION:
        raise ValueError(f"its format is not {FORMAT!r}, version {VERSION}")
    hint, serial = document["optimization_hint"], document["serial"]
    backend, executor = _worker(document["backend"]), _worker(document["executor_type"])
    return {
        "best_n_jobs": _count(document["best_n_jobs"]),
        "best_chunksize": _count(document["best_chunksize"]),
        "best_time": _time(document["best_time"]),
        "best_speedup": float(document["best_speedup"]),
        "serial_time": _time(document["serial_time"]),
        "configurations_tested": int(document["configurations_tested"]),
        "all_results": _cells(document["all_results"]),
        "optimization_hint": None if hint is None else OptimizationResult(**hint),
        "search_strategy": str(document["search_strategy"]),
        "executor_type": executor,
        "configurations": tuple(map(_configuration, document["configurations"])),
        "serial": None if serial is None else _configuration(serial),
        "is_decided": bool(document["is_decided"]),
        "verdict": str(document["verdict"]),
        "n_items": document["n_items"],
        "tuning_s": document["tuning_s"],
        "warnings": [str(text) for text in document["warnings"]],
        "is_saved": bool(document["is_saved"]),
        "function": document["function"],
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
            cell = (_count(one["n_jobs"]), _count(one["chunksize"]))
            found[cell] = min(_time(one["time"]), found.get(cell, INF))
    return found


def _as_dict(one: Configuration) -> dict[str, Any]:
    return {**one.as_dict(), "time_s": _finite(one.time_s)}


def _hint_as_dict(hint: OptimizationResult) -> dict[str, Any]:
    return {name: getattr(hint, name) for name in HINT_FIELDS}


def _configuration(fields: dict[str, Any]) -> Configuration:
    return Configuration(**{**fields, "time_s": _time(fields["time_s"])})


def _time(value: Any) -> float:
    if value is None:
        return INF
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ValueError(f"{value!r} is no time")
    return float(value)


def _count(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is no number of jobs or items")
    return value


def _worker(value: Any) -> str:
    if value not in BACKENDS:
        raise ValueError(f"{value!r} is no backend")
    return str(value)
