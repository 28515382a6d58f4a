"""What a tuning was asked for, checked before anything is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amorsize._engine.options import call_checks, call_options
from amorsize._host import resources
from amorsize.errors import InvalidOptionError, WrongTypeError
from amorsize.policy.actions import WORKER_BACKENDS, Plan
from amorsize.policy.frozen_record import Value, inf

if TYPE_CHECKING:
    from collections.abc import Iterable

STRATEGIES = ("grid", "halving", "bayes")


class TuneOptions(Value):
    """What a tuning was asked for, checked."""

    use_hint: bool = True
    verbose: bool = False
    timeout_s: float | None = None
    prefers_threads: bool = False
    strategy: str = "grid"
    repeats: int | None = None
    budget_s: float | None = None
    seed: int = 0
    save: bool = True
    n_jobs: tuple[int, ...] | None = None
    chunksizes: tuple[int, ...] | None = None
    backends: tuple[str, ...] | None = None
    thread_safe: bool | None = None
    is_quick: bool = False
    plans: tuple[Plan, ...] | None = None  # exactly these

    @property
    def is_isolated(self) -> bool:
        """A limit has to hold inside items: they run where they can be ended."""
        return self.timeout_s is not None or self.budget_s is not None


def asked(**given: Any) -> TuneOptions:
    """Options with these values, each checked; those not named keep their default.

    Raises:
        InvalidOptionError, WrongTypeError: One of them cannot be.
        MissingExtraError: Optuna is asked for and not installed.
    """
    given = TuneOptions(**given).as_dict()
    for name, meaning in FLAGS.items():
        if type(given[name]) is not bool:
            raise WrongTypeError(_wrong(meaning, given[name], "True or False"))
    for name, meaning in (("timeout_s", "timeout_per_config"), ("budget_s", "budget_s")):
        given[name] = _seconds(meaning, given[name])
    if given["strategy"] not in STRATEGIES:
        raise InvalidOptionError(
            f"strategy={call_checks.shown(given['strategy'])} is not allowed: it is one of "
            f"{', '.join(map(repr, STRATEGIES))}."
        )
    if given["strategy"] == "bayes":
        from amorsize.tuning import bayes

        bayes.load()
    if (repeats := given["repeats"]) is not None:
        _whole("repeats", repeats)
        if given["strategy"] != "grid":
            raise InvalidOptionError(
                f"repeats={repeats!r} is for strategy='grid': {given['strategy']!r} runs a plan "
                "again as the noise demands. Leave out repeats, or the strategy."
            )
    if type(given["seed"]) is not int:
        raise WrongTypeError(_wrong("seed", given["seed"], "a whole number"))
    given["n_jobs"] = _numbers("n_jobs_range", given["n_jobs"])
    given["chunksizes"] = _numbers("chunksize_range", given["chunksizes"])
    given["backends"] = _backends(given["backends"], prefers_threads=given["prefers_threads"])
    call_options.validated(thread_safe=given["thread_safe"])
    return TuneOptions(**given)


FLAGS = {
    "use_hint": "use_optimizer_hint",
    "verbose": "verbose",
    "prefers_threads": "prefer_threads_for_io",
    "save": "save",
}


def _numbers(name: str, values: Any) -> tuple[int, ...] | None:
    """Each number once, in the order given; -1 among numbers of jobs is every usable core."""
    if values is None:
        return None
    if isinstance(values, str | bytes) or not hasattr(type(values), "__iter__"):
        raise WrongTypeError(_wrong(name, values, "a list of whole numbers, or None"))
    numbers = []
    for value in values:
        if value == -1 and name == "n_jobs_range":
            value = resources.usable_cpus().n_cores
        numbers.append(_whole(name, value))
    if not numbers:
        raise InvalidOptionError(f"{name} is empty: name at least one number, or pass None.")
    return tuple(dict.fromkeys(numbers))


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise WrongTypeError(_wrong(name, value, "made of whole numbers"))
    number = int(value.__index__())
    if number < 1:
        raise InvalidOptionError(f"{name}: {value!r} is not allowed, only numbers from 1 on.")
    return number


def _seconds(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongTypeError(_wrong(name, value, "a number of seconds, or None"))
    if not 0 < value < inf:
        raise InvalidOptionError(f"{name}={value!r} is not allowed: it is above 0, or None.")
    return float(value)


def _backends(values: Any, *, prefers_threads: bool) -> tuple[str, ...] | None:
    if values is None:
        return None
    values = (values,) if isinstance(values, str) else tuple(values)
    if prefers_threads:
        raise InvalidOptionError(
            "prefer_threads_for_io=True and backends= exclude each other: name the backends."
        )
    if not values or any(value not in WORKER_BACKENDS for value in values):
        raise InvalidOptionError(
            f"backends={call_checks.shown(values)} is not allowed: it is made of 'thread' and "
            "'process'. The loop is always measured."
        )
    return tuple(dict.fromkeys(values))


def _wrong(name: str, value: Any, allowed: str) -> str:
    return (
        f"{name}={call_checks.shown(value)} is of the wrong type ({type(value).__name__}): "
        f"it is {allowed}."
    )


def named_plans(plans: Iterable[Any]) -> tuple[Plan, ...]:
    """Plans as they are named: (n_jobs, chunksize), (n_jobs, chunksize, backend) or a Plan."""
    named = tuple(dict.fromkeys(map(_plan, plans)))
    if not named:
        raise InvalidOptionError("There is no plan to compare: pass at least one.")
    return named


def _plan(named: Any) -> Plan:
    if isinstance(named, Plan):
        named = (named.n_jobs, named.chunksize, named.backend)
    if not isinstance(named, tuple) or len(named) not in (2, 3):
        raise WrongTypeError(_wrong("plans", named, "made of (n_jobs, chunksize[, backend])"))
    backend = named[2] if len(named) == 3 else "process"
    if backend not in WORKER_BACKENDS:
        raise InvalidOptionError(
            f"plans: {call_checks.shown(backend)} is not allowed, only 'thread' and 'process': "
            "the loop is always measured."
        )
    n_jobs, chunksize = _whole("plans", named[0]), _whole("plans", named[1])
    return Plan(backend=backend, n_jobs=n_jobs, chunksize=chunksize, source="tuned")
