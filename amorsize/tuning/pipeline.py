"""Several functions in a row, each tuned on what the one before it really gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from amorsize._engine.data.source import Sliced, source_of
from amorsize._engine.engine import Engine
from amorsize._engine.options import call_checks
from amorsize._engine.state.call import Invocation
from amorsize._function import callables
from amorsize.errors import InvalidOptionError, WrongTypeError
from amorsize.report import html_table, seconds
from amorsize.tuning.session import name_of
from amorsize.tuning.tune import quick_tune

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from amorsize.tuning.result import TuningResult


@dataclass
class PipelineResult:
    """What `tune_pipeline` returns: one result a stage, and where the time goes.

    Example:
        >>> len(tune_pipeline([str, len], [1, 22, 333]).stages)
        2
    """

    names: tuple[str, ...]
    stages: tuple[TuningResult, ...]
    results: list[Any]  # of the last stage

    @property
    def serial_time(self) -> float:
        """Seconds of all stages as loops."""
        return sum(stage.serial_time for stage in self.stages)

    @property
    def best_time(self) -> float:
        """Seconds of all stages, each at its best."""
        return sum(stage.best_time for stage in self.stages)

    @property
    def best_speedup(self) -> float:
        """Loops / best plans, for the whole."""
        return self.serial_time / self.best_time if self.best_time > 0 else 1.0

    @property
    def bottleneck_index(self) -> int:
        """The stage that takes longest at its best."""
        return max(range(len(self.stages)), key=lambda i: self.stages[i].best_time)

    @property
    def bottleneck(self) -> str:
        """The name of that stage."""
        return self.names[self.bottleneck_index]

    @property
    def bottleneck_share(self) -> float:
        """What it takes of the whole."""
        whole_s = self.best_time
        return self.stages[self.bottleneck_index].best_time / whole_s if whole_s > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Everything but the results, as plain values."""
        return {
            "names": list(self.names),
            "stages": [stage.to_dict() for stage in self.stages],
            "serial_time": self.serial_time,
            "best_time": self.best_time,
            "best_speedup": self.best_speedup,
            "bottleneck": self.bottleneck,
            "bottleneck_share": self.bottleneck_share,
        }

    def _rows(self) -> list[tuple[str, str]]:
        """Each stage with what was found of it."""
        return [
            (
                name,
                f"{seconds(stage.serial_time):>9} -> {seconds(stage.best_time):>9}"
                f"  {stage.best_speedup:.2f}x  {stage.backend} n_jobs={stage.best_n_jobs} "
                f"chunksize={stage.best_chunksize}{'' if stage.is_decided else ' (not decided)'}",
            )
            for name, stage in zip(self.names, self.stages, strict=True)
        ]

    def _repr_html_(self) -> str:
        whole = f"{seconds(self.serial_time)} -> {seconds(self.best_time)}"
        whole += f", {self.best_speedup:.2f}x; most of it in {self.bottleneck}"
        return html_table([*self._rows(), ("whole", whole)])

    def __str__(self) -> str:
        width = max(map(len, self.names))
        lines = ["=== Pipeline ===", ""]
        lines += [f"  {name:<{width}}  {text}" for name, text in self._rows()]
        lines += [
            "",
            f"Whole: {seconds(self.serial_time)} -> {seconds(self.best_time)}, "
            f"{self.best_speedup:.2f}x",
            f"Bottleneck: {self.bottleneck} ({self.bottleneck_share:.0%} of the whole)",
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"PipelineResult(names={self.names!r}, best_speedup={self.best_speedup:.2f}x, "
            f"bottleneck={self.bottleneck!r})"
        )


def tune_pipeline(
    functions: Iterable[Callable[..., Any]],
    data: Iterable[Any],
    verbose: bool = False,
    **options: Any,
) -> PipelineResult:
    """Tune several functions in a row, each on its predecessor's real output.

    Every stage is run once over all of its items for the next one, beside what `quick_tune` runs.

    Args:
        functions: The stages, the first of which takes the items of the data.
        data: Items of the first stage.
        verbose: Print what is tried and found, stage by stage.
        options: Those of `quick_tune`, for every stage.

    Raises:
        InvalidOptionError: There is no function, or there is no item.
        WrongTypeError: One of them is none.
        Exception: What a function raised.

    Example:
        >>> found = tune_pipeline([str, len], [1, 22, 333])
        >>> found.results, found.names
        ([1, 2, 3], ('str', 'len'))
    """
    if callable(functions):
        raise WrongTypeError(
            "tune_pipeline takes a list of functions, and was given one. For a single function "
            "use quick_tune."
        )
    functions = [callables.raw(func) for func in functions]
    if not functions:
        raise InvalidOptionError("There is no function to tune: pass at least one.")
    for func in functions:
        call_checks.check_function(func)
    call_checks.check_data((data,), call_checks.name_of(functions[0]), decorated=False)
    source = source_of((data,), strict=False)
    items: Any = source.sequences[0] if isinstance(source, Sliced) else [*data]
    stages: list[TuningResult] = []
    for func in functions:
        if verbose:
            print(f"Stage {len(stages) + 1}: {name_of(func)}")
        stages.append(quick_tune(func, items, verbose, **options))
        item_kwargs = options.get("item_kwargs") or {}
        made = Invocation(func=func, iterables=(items,), item_kwargs=item_kwargs)
        items = Engine(made).run()
    names = tuple(map(name_of, functions))
    return PipelineResult(names=names, stages=tuple(stages), results=items)
