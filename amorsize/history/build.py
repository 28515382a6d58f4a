"""Makes a saved result from a call, an explanation or a tuning."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from amorsize._engine.options import call_checks
from amorsize._function import callables, fingerprints
from amorsize._host import resources
from amorsize._profiles import memory_store
from amorsize.errors import InvalidOptionError, WrongTypeError
from amorsize.history.result import (
    MAX_CHARS,
    MAX_FIGURES,
    MOST_ITEMS,
    MOST_JOBS,
    MOST_RUNS,
    MOST_S,
    Figure,
    Saved,
    students_t,
)
from amorsize.policy.trace import Trace

if TYPE_CHECKING:
    from amorsize.policy.trace import ChunkTrace

#: Fewer chunks than this, counted as equally long ones, tell nothing of how they vary.
LEAST_CHUNKS = 3.0
#: Values that are nested deeper are stored as their text.
MAX_DEPTH = 24


def saved(name: str, result: Any, func: Callable[..., Any] | None, note: str) -> Saved:
    """The record of a result; WrongTypeError where there is no result in what was given."""
    trace, func = _trace_in(result, func)
    document = _of_call(trace) if trace is not None else _document_in(result)
    figures = list(_call_figures(trace) if trace is not None else _tuning_figures(document))
    plan = _plan_of(trace, document)
    fingerprint = None if func is None else fingerprints.fingerprint(callables.raw(func))
    function = fingerprint.name if fingerprint else _first(document, "function", "func", "name")
    return Saved(
        name=name,
        kind="tuning" if trace is None else "call",
        function=_text(function or "a function"),
        code=None if fingerprint is None else fingerprint.key,
        saved_at_s=time.time(),
        note=_text(note),
        n_items=_count(_first(document, "n_items"), least=0),
        backend=plan[0],
        n_jobs=plan[1],
        chunksize=plan[2],
        figures=tuple(figures[:MAX_FIGURES]),
        machine=machine(),
        result=document,
    )


def added(earlier: Saved, later: Saved) -> Saved:
    """Both results as one, which then tells what such results differ by.

    Raises:
        InvalidOptionError: They are not of one function, kind and plan of items.
    """
    for what in ("kind", "function", "code", "n_items"):
        one, other = getattr(earlier, what), getattr(later, what)
        if one != other:
            raise InvalidOptionError(
                f"the result {earlier.name!r} is of another {what.replace('n_', '')} ({one}, and "
                f"not {other}): only results of the same work can be added up."
            )
    if earlier.machine.get("cpu_model") != later.machine.get("cpu_model"):
        raise InvalidOptionError(f"the result {earlier.name!r} is of another processor.")
    figures = (*earlier.figures, *later.figures)
    if len(figures) > MAX_FIGURES:
        raise InvalidOptionError(
            f"the result {earlier.name!r} would have {len(figures)} figures, more than "
            f"{MAX_FIGURES}. Save it under another name."
        )
    return later.replace(figures=figures, note=later.note or earlier.note)


def machine() -> dict[str, Any]:
    """What this host is like now, as far as results depend on it."""
    facts: dict[str, Any] = {
        name: _text(value) if isinstance(value, str) else value
        for name, value in resources.host_facts().items()
    }
    facts["python"] = ".".join(map(str, sys.version_info[:3]))
    facts["cores_from"] = _text(resources.usable_cpus().source)
    facts["amorsize"] = _text(getattr(sys.modules["amorsize"], "__version__", "not known"))
    if hasattr(os, "getloadavg"):
        facts["load"] = round(os.getloadavg()[0], 2)
    return facts


def _trace_in(
    result: Any, func: Callable[..., Any] | None
) -> tuple[Trace | None, Callable[..., Any] | None]:
    """The trace of a call, and the function that was called; none for other results."""
    if isinstance(result, Trace):
        return result, func
    if isinstance(getattr(result, "trace", None), Trace):  # what explain() gives
        return result.trace, func
    if callable(result) and not hasattr(result, "to_dict"):
        trace = memory_store.last_trace(callables.raw(result))
        if trace is None:
            raise WrongTypeError(
                f"{call_checks.name_of(result)} has not been called in this process: there is "
                "nothing to save. Call it first, or pass the result of a tuning."
            )
        return trace, func or result
    return None, func


def _document_in(result: Any) -> dict[str, Any]:
    """A tuning's result as plain JSON."""
    if callable(getattr(result, "to_dict", None)):
        result = result.to_dict()
    if not isinstance(result, Mapping):
        raise WrongTypeError(
            f"there is no result in {call_checks.shown(result)}. Pass a tuned function (its last "
            "call is saved), or the result of a tuning, which has to_dict()."
        )
    document: dict[str, Any] = plain(result)
    if _first(document, "best_time", "best_time_s") is None and "all_results" not in document:
        raise WrongTypeError(
            f"there is no best_time in {call_checks.shown(result)}: it is no result of a tuning."
        )
    return document


def _plan_of(trace: Trace | None, document: dict[str, Any]) -> tuple[str, int, int | None]:
    if trace is not None:
        return trace.plan.backend, trace.plan.n_jobs, trace.plan.chunksize
    backend = _first(document, "best_backend", "backend", "executor_type") or "process"
    n_jobs = _count(_first(document, "best_n_jobs", "n_jobs"), MOST_JOBS) or 1
    return _text(backend), n_jobs, _count(_first(document, "best_chunksize", "chunksize"))


# -- calls ----------------------------------------------------------------------------------


def _of_call(trace: Trace) -> dict[str, Any]:
    """What a call did, without its single chunks and workers."""
    fields = trace.as_dict()
    for name in ("chunks", "worker_events", "ended_at_s", "costs"):
        del fields[name]
    places = ("caller", "thread", "process")
    ran = {place: trace.n_items_by(place) for place in places}
    document: dict[str, Any] = plain(
        {
            **fields,
            "work_s": trace.work_s,
            "loop_s": trace.loop_s,
            "busy_share": trace.busy_share,
            "n_items_by": ran,
        }
    )
    return document


def _call_figures(trace: Trace) -> Iterator[Figure]:
    """What a call took, with the noise that its own chunks show."""
    width = _log_half_width(trace.chunks)
    times = {"total": trace.makespan_s, "loop": trace.loop_s}
    if trace.n_items:
        times["item"] = trace.loop_s / trace.n_items
    for what, time_s in times.items():
        if width is None:
            yield Figure(what=what, time_s=time_s)
        else:
            low_s, high_s = time_s * math.exp(-width), time_s * math.exp(width)
            yield Figure(what=what, time_s=time_s, low_s=low_s, high_s=high_s)


def _log_half_width(chunks: tuple[ChunkTrace, ...]) -> float | None:
    """How far, as a logarithm, the mean cost may be off by the scatter of the chunks: 95 %.

    None where there are too few chunks to tell.
    """
    ran = [one for one in chunks if one.n_items and one.wall_s > 0]
    total_s = sum(one.wall_s for one in ran)
    n_like = total_s**2 / sum(one.wall_s**2 for one in ran) if ran else 0.0
    if n_like < LEAST_CHUNKS:
        return None
    logs = [(math.log(one.wall_s / one.n_items), one.wall_s / total_s) for one in ran]
    mean = sum(value * weight for value, weight in logs)
    variance = sum(weight * (value - mean) ** 2 for value, weight in logs)
    error = math.sqrt(variance / (n_like - 1))
    return students_t(n_like - 1) * error


# -- tunings --------------------------------------------------------------------------------


def _tuning_figures(document: dict[str, Any]) -> Iterator[Figure]:
    """The winner, the loop, and each plan that was measured."""
    plans = list(_measured_plans(document))
    backend, n_jobs, chunksize = _plan_of(None, document)
    won = next(
        (
            one
            for one in plans
            if (one.backend or backend, one.n_jobs, one.chunksize) == (backend, n_jobs, chunksize)
        ),
        None,
    )
    best_s = _seconds(_first(document, "best_time", "best_time_s"))
    loop = next((one for one in plans if one.backend == "serial"), None)
    if best_s is not None:
        yield _like(won or (loop if backend == "serial" else None), "total", best_s)
    loop_s = _seconds(_first(document, "serial_time", "serial_time_s"))
    if loop_s is not None:
        yield _like(loop, "loop", loop_s)
    yield from plans


def _like(measured: Figure | None, what: str, time_s: float) -> Figure:
    """A figure with the interval of a measured plan, where that is the same figure."""
    if measured is None or measured.time_s is None or abs(measured.time_s - time_s) > 1e-9:
        return Figure(what=what, time_s=time_s)
    return Figure(
        what=what,
        time_s=time_s,
        low_s=measured.low_s,
        high_s=measured.high_s,
        n_runs=measured.n_runs,
    )


def _measured_plans(document: dict[str, Any]) -> Iterator[Figure]:
    entries = document.get("all_results")
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        interval = _first(entry, "interval_s", "interval", "ci_s")
        low, high = interval if isinstance(interval, list) and len(interval) == 2 else (None, None)
        yield Figure(
            what="plan",
            time_s=_seconds(_first(entry, "time", "time_s")),
            low_s=_seconds(_first(entry, "low", "low_s") if low is None else low),
            high_s=_seconds(_first(entry, "high", "high_s") if high is None else high),
            n_runs=_count(_first(entry, "n_runs", "repeats", "n_repeats"), MOST_RUNS) or 1,
            backend=_text(_first(entry, "backend", "executor_type") or "process"),
            n_jobs=_count(entry.get("n_jobs"), MOST_JOBS),
            chunksize=_count(entry.get("chunksize")),
            why=_text(_first(entry, "why", "reason", "error") or ""),
        )


def _first(document: dict[str, Any], *names: str) -> Any:
    return next((document[name] for name in names if document.get(name) is not None), None)


def _seconds(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value <= MOST_S else None


def _count(value: Any, most: int = MOST_ITEMS, least: int = 1) -> int | None:
    return value if type(value) is int and least <= value <= most else None


def _text(value: object) -> str:
    """A text that can be stored and shown: of one line, without what steers a terminal."""
    shown = "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode()
        for sign in str(value)[:MAX_CHARS]
    )
    return shown[:MAX_CHARS]


def plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON has it: a number that is not finite is None, anything unknown its text."""
    if value is None or isinstance(value, bool | str):
        return value
    if depth > MAX_DEPTH:
        return _text(value)
    if hasattr(value, "as_dict"):
        value = value.as_dict()
    if isinstance(value, Mapping):
        return {_key(key): plain(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one, depth + 1) for one in value]
    try:
        if hasattr(value, "__index__"):
            return int(value) if abs(int(value)) < 2**63 else str(int(value))[:MAX_CHARS]
        return float(value) if math.isfinite(value) else None
    except (TypeError, ValueError, OverflowError):
        return _text(value)


def _key(key: Any) -> str:
    return ",".join(map(str, key)) if isinstance(key, tuple) else str(key)
