"""Checks the values of options, one function for each kind of value.

Each check takes the option's name and value, and returns the value as `Options` keeps it.
"""

from __future__ import annotations

from amorsize._engine.options.call_checks import kind_of, shown
from amorsize.errors import InvalidOptionError, WrongTypeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal

    Backend = Literal["auto", "serial", "thread", "process", "dask", "ray"]

#: The values of `backend`, which `Backend` lists for type checkers.
BACKENDS = ("auto", "serial", "thread", "process", "dask", "ray")
#: The backends that name an executor; the one that runs is found when a call begins.
NAMED_EXECUTORS = ("dask", "ray")

_ONLY_PROCESSES = "only a worker process can be replaced: backend='process' keeps it"
_UNKEPT_BY_OTHERS = {
    "timeout": "its workers are not ours, and cannot be ended one by one",
    "teardown": "its workers go on living after the call, and none can be told that it ran its "
    "last item",
    "max_worker_memory": "its workers are not ours to replace",
}
#: For each backend, the options that it cannot keep, with the reasons.
UNKEPT = {
    "serial": {
        "timeout": "a loop cannot leave an item that takes too long: backend='process' keeps it",
        "max_worker_memory": _ONLY_PROCESSES,
    },
    "thread": {"max_worker_memory": _ONLY_PROCESSES},
    "ours": {
        "engine": "there is no engine that could be given it. executor= takes one",
        "start_timeout": "they are started when they are needed. executor= takes an engine",
    },
    **dict.fromkeys(("executor", *NAMED_EXECUTORS), _UNKEPT_BY_OTHERS),
}


def _backend(name: str, value: Any) -> Backend:
    if not isinstance(value, str):
        raise _wrong_type(name, value, f"one of {_listed(BACKENDS)}")
    if value not in BACKENDS:
        from difflib import get_close_matches

        near = get_close_matches(value.lower(), BACKENDS, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise _not_allowed(name, value, f"one of {_listed(BACKENDS)}", hint)
    return value  # type: ignore[return-value]


def _executor(name: str, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, type) and callable(getattr(value, "submit", None)):
        return value
    from amorsize._clusters import finding

    if finding.is_known(value):
        return value
    hint = " It is a class: pass an instance of it." if isinstance(value, type) else ""
    allowed = f"a concurrent.futures.Executor, {finding.ALLOWED} or None"
    raise _wrong_type(name, value, allowed, hint)


def _engine(name: str, value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise _wrong_type(name, value, "a dict such as {'num_gpus': 1}, or None")
    return dict(value) or None


def _start_timeout(name: str, value: Any) -> float | None:
    return None if value is None else _seconds(name, value, "a number of seconds above 0, or None")


def _n_jobs(name: str, value: Any) -> int | None:
    number = None if value is None else _integer(name, value, "an integer or None")
    if number is not None and number < 1 and number != -1:
        raise _not_allowed(name, value, "-1 (every usable core) or at least 1")
    return number


def _chunksize(name: str, value: Any) -> int | None:
    number = None if value is None else _integer(name, value, "an integer or None")
    if number is not None and number < 1:
        raise _not_allowed(name, value, "at least 1, or None to have it tuned")
    return number


def _memory(name: str, value: Any) -> int | None:
    """Bytes, given as a number or as a text such as "500 MB"."""
    if value is None:
        return None
    allowed = "a number of bytes above 0, a text such as '500 MB' or '2 GiB', or None for no limit"
    if isinstance(value, str):
        number = value.strip().rstrip("BbGgIiKkMmTt").strip()
        unit = value.strip()[len(number) :].strip().lower().removesuffix("b")
        try:
            n_bytes = int(float(number) * _UNITS[unit])
        except (KeyError, ValueError, OverflowError):
            raise _not_allowed(name, value, allowed) from None
    else:
        n_bytes = _integer(name, value, allowed)
    if n_bytes < 1:
        raise _not_allowed(name, value, allowed)
    return n_bytes


_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12} | {
    f"{unit}i": 1024**power for power, unit in enumerate("kmgt", 1)
}


def _retries(name: str, value: Any) -> int:
    number = _integer(name, value, "an integer")
    if number < 0:
        raise _not_allowed(name, value, "0 (never run an item again) or more")
    return number


def _seed(name: str, value: Any) -> int | None:
    number = None if value is None else _integer(name, value, "an integer or None")
    if number is not None and number < 0:
        raise _not_allowed(name, value, "0 or more, or None for no seeding")
    return number


def _timeout(name: str, value: Any) -> float | None:
    if value is None:
        return None
    return _seconds(name, value, "a number of seconds above 0, or None for no limit")


def _seconds(name: str, value: Any, allowed: str) -> float:
    if isinstance(value, bool) or not hasattr(type(value), "__float__"):
        raise _wrong_type(name, value, allowed)
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        raise _wrong_type(name, value, allowed) from None
    if not 0 < seconds < float("inf"):  # NaN fails this as well
        raise _not_allowed(name, value, allowed)
    return seconds


def _action(name: str, value: Any) -> Callable[[], object] | None:
    if value is None:
        return None
    if not callable(value):
        raise _wrong_type(name, value, "a function without parameters, or None")
    return value  # type: ignore[no-any-return]


def _hook(name: str, value: Any) -> Callable[[Any], object] | None:
    if value is None:
        return None
    if not callable(value):
        raise _wrong_type(name, value, "a function of one parameter, the Drift, or None")
    return value  # type: ignore[no-any-return]


def _progress(name: str, value: Any) -> bool | Callable[[Any], object]:
    if not isinstance(value, bool) and not callable(value):
        raise _wrong_type(name, value, "True, False, or a function of one parameter, the Progress")
    return value  # type: ignore[no-any-return]


def flag(name: str, value: Any) -> bool:
    """The value of an option that is on or off."""
    if value is not True and value is not False:
        raise _wrong_type(name, value, "True or False")
    return bool(value)


def _maybe_flag(name: str, value: Any) -> bool | None:
    if value is None:
        return None
    if value is not True and value is not False:
        raise _wrong_type(name, value, "True, False, or None to have it judged")
    return bool(value)


#: Each option's check, in the order of `Options`.
CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "backend": _backend,
    "executor": _executor,
    "engine": _engine,
    "start_timeout": _start_timeout,
    "n_jobs": _n_jobs,
    "chunksize": _chunksize,
    "max_worker_memory": _memory,
    "setup": _action,
    "teardown": _action,
    "thread_safe": _maybe_flag,
    "timeout": _timeout,
    "retries": _retries,
    "return_exceptions": flag,
    "seed": _seed,
    "progress": _progress,
    "cache": flag,
    "retune": flag,
    "on_retune": _hook,
    "strict": flag,
}


def _integer(name: str, value: Any, allowed: str) -> int:
    """`value` as an int. Integers of numpy are allowed, bools are not."""
    if type(value) is int:
        return value
    if isinstance(value, bool) or not hasattr(type(value), "__index__"):
        raise _wrong_type(name, value, allowed)
    try:
        return int(value.__index__())
    except TypeError:  # a numpy array has __index__ whatever its shape
        raise _wrong_type(name, value, allowed) from None


def _wrong_type(name: str, value: object, allowed: str, hint: str = "") -> WrongTypeError:
    return WrongTypeError(
        f"{name}={shown(value)} is of the wrong type ({kind_of(value)}): {name} is {allowed}.{hint}"
    )


def _not_allowed(name: str, value: object, allowed: str, hint: str = "") -> InvalidOptionError:
    return InvalidOptionError(f"{name}={shown(value)} is not allowed: {name} is {allowed}.{hint}")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(repr(name) for name in names)
