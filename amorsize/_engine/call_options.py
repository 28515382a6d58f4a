"""What a caller may ask for, checked the moment it is asked.

An option that can never be right is refused when decorating, not in the middle of a call, and the
message names the option, its value and what is allowed.
"""

from __future__ import annotations

import os
import sys
from _collections_abc import Mapping  # collections.abc is this module, behind a 2 ms import

from amorsize._function.callables import own
from amorsize.errors import InvalidOptionError, WrongTypeError
from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypedDict

    class Changes(TypedDict, total=False):
        """The options as keywords, for what takes any of them: `f(**changes: Unpack[Changes])`."""

        backend: str
        executor: Any
        n_jobs: int | None
        chunksize: int | None
        max_worker_memory: int | str | None
        setup: Callable[[], object] | None
        teardown: Callable[[], object] | None
        thread_safe: bool | None
        timeout: float | None
        retries: int
        return_exceptions: bool
        seed: int | None
        progress: bool
        cache: bool
        retune: bool
        on_retune: Callable[[Any], object] | None
        strict: bool


BACKENDS = ("auto", "serial", "thread", "process")
BACKEND_VARIABLE = "AMORSIZE_BACKEND"


class Options(Value):
    """How calls are to be run; the defaults leave everything to the tuner."""

    backend: str = "auto"
    executor: Any = None  # a concurrent.futures.Executor, or what quacks like one
    n_jobs: int | None = None  # None and -1: every usable core
    chunksize: int | None = None  # None: tuned
    max_worker_memory: int | str | None = None  # kept as bytes; a worker may grow by so many
    setup: Callable[[], object] | None = None
    teardown: Callable[[], object] | None = None
    thread_safe: bool | None = None  # None: judged from what the function reaches
    timeout: float | None = None  # seconds per item
    retries: int = 1  # how often an item may run again whose worker died
    return_exceptions: bool = False
    seed: int | None = None
    progress: bool = False
    cache: bool = True  # False: remember in memory only
    retune: bool = False
    on_retune: Callable[[Any], object] | None = None  # given each Drift that was acted on
    strict: bool = False  # True: zipped iterables must be equally long

    @property
    def allow_loop(self) -> bool:
        """A loop that does nothing else gives what was asked for."""
        is_open = self.backend in ("auto", "serial") and environment_backend() in (None, "serial")
        asked = (self.executor, self.setup, self.teardown, self.timeout, self.seed)
        return is_open and asked == (None,) * len(asked) and not self.return_exceptions

    @property
    def most_worker_bytes(self) -> int | None:
        """What a worker process may grow by."""
        limit = self.max_worker_memory
        assert not isinstance(limit, str), "it was made bytes when it was checked"
        return limit


DEFAULTS = Options()


def validated(**options: Any) -> Options:
    """Options with these values, each checked; those not named keep their default.

    Raises:
        InvalidOptionError: A value of the right kind that is not allowed, alone or beside another.
        WrongTypeError: A value of the wrong kind, or an option that does not exist.
    """
    return _checked(options) if options else DEFAULTS


def merged(base: Options, **changes: Any) -> Options:
    """`base` with some options changed; what is said last wins, so an executor ends a backend."""
    if not changes:
        return base
    if changes.get("executor") is not None:
        changes.setdefault("backend", "auto")
    elif changes.get("backend", "auto") != "auto":
        changes.setdefault("executor", None)
    return _checked({**base.as_dict(), **changes})


def environment_backend() -> str | None:
    """The backend that AMORSIZE_BACKEND asks for; None when it is unset, empty or "auto"."""
    asked = os.environ.get(BACKEND_VARIABLE)
    if not asked:
        return None
    backend = asked.strip().lower()
    if backend not in BACKENDS:
        raise InvalidOptionError(
            f"The environment variable {BACKEND_VARIABLE} is {asked!r}, which is no backend. "
            f"Set it to {_one_of(BACKENDS)}, or unset it."
        )
    return None if backend == "auto" else backend


def check_function(func: Any) -> None:
    """Refuse what a map cannot call once per item for one result.

    Raises:
        WrongTypeError: `func` is not callable, or is an `async def` or generator function.
    """
    if not callable(func):
        raise WrongTypeError(
            f"A function is needed here, and {shown(func)} ({_kind(func)}) cannot be called. "
            "Pass a function, a method, a class or an object with __call__."
        )
    flags = _code_flags(func)
    if not flags & _NOT_PLAIN:
        return
    name = own(func, "__qualname__") or shown(func)
    if flags & _ASYNC_GENERATOR:
        raise WrongTypeError(
            f"{name} is an async generator function, which is not supported: amorsize calls a "
            "function once per item and keeps its result. Write a plain function that returns "
            "its values as a list."
        )
    if flags & _COROUTINE:
        raise WrongTypeError(
            f"{name} is an async function, which is not supported: calling it gives a coroutine "
            "that nobody awaits. Write it as a plain function (waiting items run in many threads "
            "at once), or run its items with asyncio.gather."
        )
    raise WrongTypeError(
        f"{name} is a generator function, which is not supported: its result is a generator that "
        "has done no work yet and cannot leave a worker. Return a list instead of yielding."
    )


def check_data(iterables: tuple[Any, ...], name: str, *, decorated: bool = True) -> None:
    """Refuse data that is surely one item by mistake, or nothing to iterate over at all.

    Args:
        iterables: What the caller passed, one iterable per parameter of the function.
        name: The function's name, for the message.
        decorated: Whether the call was `name(data)`; else it was `tuned_map(name, data)`.

    Raises:
        WrongTypeError: A str, bytes, mapping or path, or something that is not iterable.
    """
    if not iterables:
        call = f"{name}(data)" if decorated else f"tuned_map({name}, data)"
        raise WrongTypeError(
            f"{name} was given no data: it maps over one or more iterables, as map() does. "
            f"Call {call}."
        )
    for place, data in enumerate(iterables):
        if type(data) not in _PLAIN_DATA:
            _check_one(data, name, decorated, is_first=place == 0)


def name_of(func: Any) -> str:
    """A function's name in messages; of other callables their class's."""
    return str(own(func, "__name__") or type(func).__name__)


def shown(value: object) -> str:
    """`repr(value)` for a message: short, and never an error of its own."""
    try:
        text = repr(value)
    except Exception:
        return f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 3]}..."


_SHOWN_CHARS = 60
_PLAIN_DATA = frozenset((list, tuple, range))
_SINGLE = (str, bytes, bytearray, os.PathLike)


def _check_one(data: Any, name: str, decorated: bool, *, is_first: bool) -> None:
    is_iterable = hasattr(type(data), "__iter__") or hasattr(type(data), "__getitem__")
    beside = "" if is_first else _beside(name, decorated)
    if (frame := _frame_of(data)) is not None:
        raise WrongTypeError(_of_frame(frame, name, decorated))
    one = f"{name}.one" if decorated else name
    many = f"{name}(" if decorated else f"tuned_map({name}, "
    if isinstance(data, _SINGLE):
        parts = "x.iterdir()" if isinstance(data, os.PathLike) else "list(x)"
        raise WrongTypeError(
            f"The data for {name} is a single {_kind(data)}, {shown(data)}, not a collection of "
            f"items. For this one item call {one}(x), for a list of one {many}[x]); to go "
            f"through its parts, {many}{parts}).{beside}"
        )
    if isinstance(data, Mapping):
        raise WrongTypeError(
            f"The data for {name} is a mapping ({_kind(data)}), and going through it would give "
            f"its keys alone. Say which you mean: {many}d.items()) (each item a (key, value) "
            f"tuple), {many}d.values()) or {many}list(d)); as one item, {one}(d).{beside}"
        )
    if is_iterable:
        return
    if hasattr(type(data), "__aiter__"):
        raise WrongTypeError(
            f"The data for {name} is an async iterable ({_kind(data)}), which only a coroutine can "
            f"go through. Collect it first: {many}[x async for x in data])."
        )
    raise WrongTypeError(
        f"The data for {name} cannot be iterated over: it is {shown(data)} ({_kind(data)}). "
        f"For this one item call {one}(x), for a list of one {many}[x]).{beside}"
    )


def _beside(name: str, decorated: bool) -> str:
    """What to add for a value that stands where a further iterable belongs."""
    call = f"{name}(data, option=x)"
    call = call if decorated else f'tuned_map({name}, data, item_kwargs={{"option": x}})'
    return (
        " Iterables are taken side by side, as map() does: a value that is the same for every item "
        f"goes by the name of its parameter, {call}."
    )


def _frame_of(data: Any) -> str | None:
    """The library of a table whose iteration gives its columns; None for all other data."""
    for kind in type(data).__mro__:
        if kind.__name__ == "DataFrame":
            library = kind.__module__.partition(".")[0]
            return library if library in _TABLES else None
    return None


_TABLES = {
    "pandas": (
        "df.itertuples()) (each item a row with its fields as attributes), ",
        "df.groupby(...)) (each item a pair of key and rows), ",
        "df[col]) (each item a value of one column)",
    ),
    "polars": (
        "df.iter_rows(named=True)) (each item a row as a dict), ",
        "df.group_by(...)) (each item a pair of key and rows), ",
        "df[col]) (each item a value of one column)",
    ),
}


def _of_frame(library: str, name: str, decorated: bool) -> str:
    many = f"{name}(" if decorated else f"tuned_map({name}, "
    ways = "".join(f"{many}{way}" for way in _TABLES[library])
    return (
        f"The data for {name} is a DataFrame of {library}, and going through it would give its "
        f"columns, not its rows. Say which you mean: {ways}. Items that are pairs go to a function "
        f"of two parameters by {many}*zip(*pairs)). As one item: {many}[df])."
    )


_GENERATOR, _COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80 | 0x100, 0x200  # as inspect.CO_*
_NOT_PLAIN = _GENERATOR | _COROUTINE | _ASYNC_GENERATOR


def _code_flags(func: Any) -> int:
    """`co_flags` of the Python code that a call of `func` starts; 0 when there is none to see."""
    functools = sys.modules.get("functools")  # no partial was ever made where it is not loaded
    for _ in range(32):  # a partial of a method of ...: deep enough, and it surely ends
        if functools is not None and isinstance(func, functools.partial):
            func = func.func
        elif isinstance(func, _METHOD):
            func = func.__func__
        elif isinstance(func, _FUNCTION):
            flags: int = func.__code__.co_flags
            return flags
        else:
            func = getattr(type(func), "__call__", None)  # noqa: B004 - the method itself is wanted
            if not isinstance(func, _FUNCTION):
                return 0
    return 0


class _Sample:
    def method(self) -> None: ...


# types.FunctionType and types.MethodType, without importing types
_FUNCTION: Any = type(shown)
_METHOD: Any = type(_Sample().method)


def _checked(options: dict[str, Any]) -> Options:
    for name, value in options.items():
        check = _CHECKS.get(name)
        if check is None:
            raise _unknown_option(name)
        options[name] = check(name, value)
    chosen = Options(**options)
    if chosen.executor is not None and chosen.backend != "auto":
        raise InvalidOptionError(
            f"executor={shown(chosen.executor)} and backend={chosen.backend!r} exclude each "
            "other: the executor is the backend. Pass only one of them."
        )
    if chosen.timeout is not None and chosen.backend == "serial":
        raise InvalidOptionError(
            f"timeout={chosen.timeout!r} cannot be kept with backend='serial': a loop cannot "
            "leave an item that takes too long. Pass timeout=None, or backend='process'."
        )
    if chosen.max_worker_memory is not None and chosen.backend in ("serial", "thread"):
        raise InvalidOptionError(
            f"max_worker_memory= cannot be kept with backend={chosen.backend!r}: only a worker "
            "process can be replaced when it has grown too large. Pass backend='process', or None."
        )
    if chosen.max_worker_memory is not None and chosen.executor is not None:
        raise InvalidOptionError(
            "max_worker_memory= cannot be kept with executor=: its workers are not ours to "
            "replace. Pass only one of them."
        )
    return chosen


def _unknown_option(name: str) -> WrongTypeError:
    from difflib import get_close_matches

    near = get_close_matches(name, _CHECKS, n=2, cutoff=0.5)
    hint = f"Did you mean {_one_of(near, quoted=False)}? " if near else ""
    return WrongTypeError(
        f"There is no option {name!r}. {hint}The options are {', '.join(sorted(_CHECKS))}. "
        f"A keyword for the function itself goes into item_kwargs: tuned_map(func, data, "
        f'item_kwargs={{"{name}": ...}}).'
    )


def _backend(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong_type(name, value, f"one of {_listed(BACKENDS)}")
    if value not in BACKENDS:
        from difflib import get_close_matches

        near = get_close_matches(value.lower(), BACKENDS, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise _not_allowed(name, value, f"one of {_listed(BACKENDS)}", hint)
    return value


def _executor(name: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, type) or not callable(getattr(value, "submit", None)):
        hint = " It is a class: pass an instance of it." if isinstance(value, type) else ""
        raise _wrong_type(name, value, "a concurrent.futures.Executor or None", hint)
    return value


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
    """Bytes, from a number of them or from a text such as "500 MB"."""
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
    allowed = "a number of seconds above 0, or None for no limit"
    if isinstance(value, bool) or not hasattr(type(value), "__float__"):
        raise _wrong_type(name, value, allowed)
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        raise _wrong_type(name, value, allowed) from None
    if not 0 < seconds < float("inf"):  # not a number fails this, too
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


def _flag(name: str, value: Any) -> bool:
    if value is not True and value is not False:
        raise _wrong_type(name, value, "True or False")
    return bool(value)


def _maybe_flag(name: str, value: Any) -> bool | None:
    if value is None:
        return None
    if value is not True and value is not False:
        raise _wrong_type(name, value, "True, False, or None to have it judged")
    return bool(value)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "backend": _backend,
    "executor": _executor,
    "n_jobs": _n_jobs,
    "chunksize": _chunksize,
    "max_worker_memory": _memory,
    "setup": _action,
    "teardown": _action,
    "thread_safe": _maybe_flag,
    "timeout": _timeout,
    "retries": _retries,
    "return_exceptions": _flag,
    "seed": _seed,
    "progress": _flag,
    "cache": _flag,
    "retune": _flag,
    "on_retune": _hook,
    "strict": _flag,
}


def _integer(name: str, value: Any, allowed: str) -> int:
    """`value` as an int; a bool is none, an integer of numpy is one."""
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
        f"{name}={shown(value)} is of the wrong type ({_kind(value)}): {name} is {allowed}.{hint}"
    )


def _not_allowed(name: str, value: object, allowed: str, hint: str = "") -> InvalidOptionError:
    return InvalidOptionError(f"{name}={shown(value)} is not allowed: {name} is {allowed}.{hint}")


def _kind(value: object) -> str:
    return type(value).__name__


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(repr(name) for name in names)


def _one_of(names: list[str] | tuple[str, ...], *, quoted: bool = True) -> str:
    words = [repr(name) if quoted else name for name in names]
    return " or ".join(words) if len(words) < 3 else f"{', '.join(words[:-1])} or {words[-1]}"
