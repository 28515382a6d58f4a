"""What a tuning found: the winner, everything that was measured, and how sure that is."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amorsize.errors import InvalidOptionError
from amorsize.optimizer import OptimizationResult
from amorsize.policy.actions import Plan
from amorsize.policy.value import Value
from amorsize.report import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

MEASURED, STOPPED, TIMED_OUT, FAILED = "measured", "stopped early", "timed out", "failed"
NOT_MEASURED = "not measured"
FORMAT, VERSION = "amorsize tuning", 1
INF = float("inf")


class Configuration(Value):
    """One way of running the items, and what it was measured to take for all of them."""

    backend: str
    n_jobs: int
    chunksize: int
    time_s: float  # infinite where there is no result
    low_s: float | None = None  # of a 95 % confidence interval; None: there is none
    high_s: float | None = None
    n_runs: int = 0
    n_items: int = 0  # of the largest run; the time for all items was told from it
    status: str = MEASURED  # or "stopped early", "timed out", "failed", "not measured"
    reason: str = ""

    @property
    def plan(self) -> Plan:
        """The same as the options of a call."""
        return Plan(
            backend=self.backend, n_jobs=self.n_jobs, chunksize=self.chunksize, source="tuned"
        )


@dataclass
class TuningResult:
    """What `tune_parameters` and `quick_tune` return.

    Times are seconds for all items; where only a part of them was run, they were told from it
    (`configurations` has the numbers). Where the loop won, `best_n_jobs` is 1, `backend` is
    "serial", and `executor_type` names the workers it was compared with.
    """

    best_n_jobs: int
    best_chunksize: int
    best_time: float
    best_speedup: float
    serial_time: float
    configurations_tested: int  # the loop included
    all_results: dict[tuple[int, int], float]  # (n_jobs, chunksize): seconds
    optimization_hint: OptimizationResult | None = None
    search_strategy: str = "grid"
    executor_type: str = "process"
    configurations: tuple[Configuration, ...] = ()
    serial: Configuration | None = None
    best_backend: str | None = None  # None: `executor_type`
    is_decided: bool = True  # else the noise was too large to tell the best, or nothing was tuned
    verdict: str = ""
    n_items: int | None = None
    tuning_s: float | None = None  # wall seconds that the tuning took
    warnings: list[str] = field(default_factory=list)
    is_saved: bool = False  # the next call of the function starts from the winner
    function: str | None = None  # its name

    @property
    def backend(self) -> str:
        """Where the items are best run: "serial", "thread" or "process"."""
        return self.best_backend or self.executor_type

    @property
    def plan(self) -> Plan:
        """The winner as the options of a call."""
        return Plan(
            backend=self.backend,
            n_jobs=self.best_n_jobs,
            chunksize=self.best_chunksize,
            source="tuned",
        )

    @property
    def cost_ratio(self) -> float | None:
        """What the tuning took / what the loop takes."""
        if self.tuning_s is None or not self.serial_time:
            return None
        return self.tuning_s / self.serial_time

    def get_top_configurations(self, n: int = 5) -> list[tuple[int, int, float, float]]:
        """The quickest: (n_jobs, chunksize, seconds, speedup), the best first."""
        ranked = sorted(self.all_results.items(), key=lambda item: item[1])[: max(0, n)]
        return [
            (n_jobs, chunksize, time_s, self._speedup(time_s))
            for (n_jobs, chunksize), time_s in ranked
        ]

    def _speedup(self, time_s: float) -> float:
        return self.serial_time / time_s if 0 < time_s < INF else 0.0

    # -- keeping ----------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; an infinite time is None, as JSON knows no other."""
        hint = self.optimization_hint
        return {
            "format": FORMAT,
            "version": VERSION,
            "function": self.function,
            "best_n_jobs": self.best_n_jobs,
            "best_chunksize": self.best_chunksize,
            "best_time": _finite(self.best_time),
            "best_speedup": self.best_speedup,
            "backend": self.backend,
            "executor_type": self.executor_type,
            "serial_time": _finite(self.serial_time),
            "configurations_tested": self.configurations_tested,
            "search_strategy": self.search_strategy,
            "is_decided": self.is_decided,
            "verdict": self.verdict,
            "n_items": self.n_items,
            "tuning_s": self.tuning_s,
            "is_saved": self.is_saved,
            "warnings": list(self.warnings),
            "all_results": list(self._entries()),
            "configurations": [_as_dict(one) for one in self.configurations],
            "serial": None if self.serial is None else _as_dict(self.serial),
            "optimization_hint": None if hint is None else _hint_as_dict(hint),
        }

    def _entries(self) -> Iterator[dict[str, Any]]:
        """What was measured, the loop included; of a result made by hand, its times."""
        measured = [self.serial] if self.serial is not None and self.configurations else []
        for one in (*measured, *self.configurations):
            if one.status != NOT_MEASURED:
                yield _entry(one)
        if not self.configurations:
            for (n_jobs, chunksize), time_s in self.all_results.items():
                yield {"n_jobs": n_jobs, "chunksize": chunksize, "time": _finite(time_s)}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> TuningResult:
        """The result that `to_dict` told of.

        Raises:
            InvalidOptionError: Something about it cannot be right.
        """
        try:
            return _from_dict(cls, document)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidOptionError(
                f"This is no result of a tuning: {type(error).__name__}: {error}"
            ) from error

    def save_config(self, path: str | Path) -> None:
        """Write the result as one readable JSON file.

        Raises:
            OSError: It cannot be written.
        """
        text = json.dumps(self.to_dict(), indent=2, allow_nan=False)
        Path(path).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def load_config(cls, path: str | Path) -> TuningResult:
        """Read what `save_config` wrote.

        Raises:
            InvalidOptionError: The file is no result of a tuning.
            OSError: It cannot be read.
        """
        try:
            document = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise InvalidOptionError(f"{path} is no result of a tuning: {error}") from None
        try:
            return cls.from_dict(document)
        except InvalidOptionError as error:
            raise InvalidOptionError(f"{path}: {error}") from error

    # -- showing ----------------------------------------------------------------------------

    def __str__(self) -> str:
        lines = ["=== Auto-Tuning Results ===", "", "Best configuration:"]
        lines += [f"  {name + ':':<12}{value}" for name, value in self._best_rows()]
        lines += ["", f"  Best speedup:   {self.best_speedup:.2f}x"]
        lines += [f"  {name:<16}{value}" for name, value in self._time_rows()]
        if self.verdict:
            lines += ["", f"Verdict: {self.verdict}"]
        if (hint := self.optimization_hint) is not None:
            lines += ["", f"Optimizer suggested: {_hint_in_words(hint)}"]
        if rows := self._top_rows():
            lines += ["", "Top configurations:"]
            lines += [f"  {number}. {text}" for number, text in enumerate(rows, 1)]
        lines += [f"Not usable: {_told(one)}" for one in self._unusable()]
        return "\n".join(lines + [f"Warning: {text}" for text in self.warnings])

    def __repr__(self) -> str:
        return (
            f"TuningResult(best_n_jobs={self.best_n_jobs}, best_chunksize={self.best_chunksize}, "
            f"best_speedup={self.best_speedup:.2f}x, backend={self.backend!r}, "
            f"configurations_tested={self.configurations_tested})"
        )

    def _repr_html_(self) -> str:
        from html import escape

        told = [*self._best_rows(), ("speedup", f"{self.best_speedup:.2f}x"), *self._time_rows()]
        if self.verdict:
            told.append(("verdict", self.verdict))
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(str(value))}</td></tr>"
            for name, value in told
        )
        top = "".join(
            f"<tr><td>{n_jobs}</td><td>{chunksize}</td><td>{_shown(time_s)}</td>"
            f"<td>{speedup:.2f}x</td></tr>"
            for n_jobs, chunksize, time_s, speedup in self.get_top_configurations()
        )
        head = "<tr><th>n_jobs</th><th>chunksize</th><th>time</th><th>speedup</th></tr>"
        return f"<p><b>Auto-Tuning Results</b></p><table>{rows}</table><table>{head}{top}</table>"

    def _best_rows(self) -> Iterator[tuple[str, object]]:
        yield "n_jobs", self.best_n_jobs
        yield "chunksize", self.best_chunksize
        yield "backend", self.backend

    def _time_rows(self) -> Iterator[tuple[str, str]]:
        best = self._best()
        between = "" if best is None else _between(best)
        yield "Best time:", f"{_shown(self.best_time)}{between}"
        yield "Serial time:", _shown(self.serial_time)
        yield "Tested:", f"{self.configurations_tested} configurations ({self.search_strategy})"
        if self.tuning_s is not None:
            ratio = "" if self.cost_ratio is None else f", {self.cost_ratio:.2f} x the loop"
            yield "Tuning took:", f"{seconds(self.tuning_s)}{ratio}"

    def _top_rows(self) -> list[str]:
        """The quickest in words, with their backends and intervals where these are known."""
        if not self.configurations:
            return [_row(*top) for top in self.get_top_configurations()]
        finite = [one for one in self.configurations if math.isfinite(one.time_s)]
        return [
            f"{_row(one.n_jobs, one.chunksize, one.time_s, self._speedup(one.time_s))}"
            f"  {one.backend}{_between(one)}"
            for one in sorted(finite, key=lambda one: one.time_s)[:5]
        ]

    def _best(self) -> Configuration | None:
        if self.backend == "serial":
            return self.serial
        wanted = (self.backend, self.best_n_jobs, self.best_chunksize)
        found = (c for c in self.configurations if (c.backend, c.n_jobs, c.chunksize) == wanted)
        return next(found, None)

    def _unusable(self) -> Iterator[Configuration]:
        return (one for one in self.configurations if one.status in (TIMED_OUT, FAILED))


def _row(n_jobs: int, chunksize: int, time_s: float, speedup: float) -> str:
    return f"n_jobs={n_jobs:<3} chunksize={chunksize:<6} {_shown(time_s):>9}  {speedup:.2f}x"


def _told(one: Configuration) -> str:
    reason = f": {one.reason}" if one.reason else ""
    return f"{one.backend} n_jobs={one.n_jobs} chunksize={one.chunksize}, {one.status}{reason}"


def _between(one: Configuration) -> str:
    if one.low_s is None or one.high_s is None:
        return ""
    return f" ({seconds(one.low_s)} to {seconds(one.high_s)})"


def _hint_in_words(hint: OptimizationResult) -> str:
    return (
        f"n_jobs={hint.n_jobs}, chunksize={hint.chunksize}, backend={hint.backend} "
        f"({hint.estimated_speedup:.2f}x predicted)"
    )


def _shown(time_s: float) -> str:
    return seconds(time_s) if math.isfinite(time_s) else "never"


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


HINT_FIELDS = (
    *("n_jobs", "chunksize", "reason", "estimated_speedup", "warnings", "n_items", "n_sampled"),
    *("n_runs", "sampled_s", "item_s", "estimated_serial_s", "executor_type"),
)


def _hint_as_dict(hint: OptimizationResult) -> dict[str, Any]:
    return {name: getattr(hint, name) for name in HINT_FIELDS}


def _from_dict(cls: type[TuningResult], document: dict[str, Any]) -> TuningResult:
    if document.get("format") != FORMAT or document.get("version") != VERSION:
        raise ValueError(f"its format is not {FORMAT!r}, version {VERSION}")
    hint, serial = document["optimization_hint"], document["serial"]
    result = cls(
        best_n_jobs=_count(document["best_n_jobs"]),
        best_chunksize=_count(document["best_chunksize"]),
        best_time=_time(document["best_time"]),
        best_speedup=float(document["best_speedup"]),
        serial_time=_time(document["serial_time"]),
        configurations_tested=int(document["configurations_tested"]),
        all_results=_cells(document["all_results"]),
        optimization_hint=None if hint is None else OptimizationResult(**hint),
        search_strategy=str(document["search_strategy"]),
        executor_type=_worker(document["executor_type"]),
        configurations=tuple(map(_configuration, document["configurations"])),
        serial=None if serial is None else _configuration(serial),
        is_decided=bool(document["is_decided"]),
        verdict=str(document["verdict"]),
        n_items=document["n_items"],
        tuning_s=document["tuning_s"],
        warnings=[str(text) for text in document["warnings"]],
        is_saved=bool(document["is_saved"]),
        function=document["function"],
    )
    backend = _worker(document["backend"])
    result.best_backend = None if backend == result.executor_type else backend
    return result


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
    if value not in ("serial", "thread", "process"):
        raise ValueError(f"{value!r} is no backend")
    return str(value)
