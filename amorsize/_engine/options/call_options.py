"""The one list of the options of a call.

An option that can never be right is refused when decorating, not in the middle of a call. The
message names the option, its value and what is allowed.
"""

from __future__ import annotations

import os

from amorsize._engine.options.call_checks import shown

# Loaded here: later, no file may be left to load it.
from amorsize._engine.options.option_checks import BACKENDS, CHECKS, NAMED_EXECUTORS, UNKEPT
from amorsize.errors import InvalidOptionError, WrongTypeError
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypedDict

    from amorsize._engine.options.option_checks import Backend as Backend

    class Changes(TypedDict, total=False):
        """The options as keywords, for functions that take any of them: `Unpack[Changes]`."""

        backend: Backend
        executor: Any
        engine: dict[str, Any] | None
        start_timeout: float | None
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
        progress: bool | Callable[[Any], object]
        cache: bool
        retune: bool
        on_retune: Callable[[Any], object] | None
        strict: bool


BACKEND_VARIABLE = "AMORSIZE_BACKEND"


class Options(Value):
    """How calls are to be run; the defaults leave everything to the tuner.

    `autotune` and `tuned_map` spell them out in their signatures. `Changes` tells them to type
    checkers, `option_checks` checks each, and docs/reference/options.md explains them. Tests
    compare all of these with this list. docs/dev/design.md says how to add one.
    """

    backend: Backend = "auto"
    #: A `concurrent.futures.Executor`, any object with its `submit`, or a client of an engine.
    executor: Any = None
    #: Passed to the engine with each chunk, such as `{"num_gpus": 1}`.
    engine: dict[str, Any] | None = None
    #: Seconds that a call waits while an engine has no worker; None stands for 60.
    start_timeout: float | None = None
    #: None and -1 stand for every usable core.
    n_jobs: int | None = None
    #: None: it is tuned.
    chunksize: int | None = None
    #: By how much a worker process may grow. A text such as "2 GB" is converted to bytes.
    max_worker_memory: int | str | None = None
    setup: Callable[[], object] | None = None
    teardown: Callable[[], object] | None = None
    #: None: it is judged by what the function reaches.
    thread_safe: bool | None = None
    #: Seconds that one item may take.
    timeout: float | None = None
    #: How often an item may run again after its worker has died.
    retries: int = 1
    return_exceptions: bool = False
    seed: int | None = None
    #: True shows it; a function is called with each `Progress`.
    progress: bool | Callable[[Any], object] = False
    #: False remembers in memory only.
    cache: bool = True
    retune: bool = False
    #: Called with each `Drift` that has changed a decision.
    on_retune: Callable[[Any], object] | None = None
    #: True refuses zipped iterables of different lengths.
    strict: bool = False

    @property
    def allow_loop(self) -> bool:
        """Whether a plain loop gives all that was asked for."""
        is_open = self.backend in ("auto", "serial") and environment_backend() in (None, "serial")
        asked = (self.executor, self.setup, self.teardown, self.timeout, self.seed)
        return is_open and asked == (None,) * len(asked) and not self.return_exceptions

    @property
    def given_workers(self) -> Any:
        """The owner of the workers: an executor, or an engine by its name; None: this call."""
        if self.executor is not None:
            return self.executor
        backend = environment_backend() or self.backend
        return backend if backend in NAMED_EXECUTORS else None

    def as_sent(self) -> Options:
        """The options as another process gets them: without an executor, which cannot be sent."""
        return self.replace(executor=None, engine=None, start_timeout=None)

    @property
    def most_worker_bytes(self) -> int | None:
        """By how much a worker process may grow."""
        limit = self.max_worker_memory
        assert not isinstance(limit, str), "it was made bytes when it was checked"
        return limit


DEFAULTS = Options()

#: The names of options in other libraries, by the name here.
HABITS = {
    "max_workers": "n_jobs",
    "processes": "n_jobs",
    "workers": "n_jobs",
    "n_workers": "n_jobs",
    "num_workers": "n_jobs",
    "nproc": "n_jobs",
    "nprocs": "n_jobs",
    "n_processes": "n_jobs",
    "threads": "n_jobs",
    "n_threads": "n_jobs",
    "jobs": "n_jobs",
    "chunk_size": "chunksize",
    "batch_size": "chunksize",
    "initializer": "setup",
    "initargs": "setup",
    "worker_init": "setup",
    "worker_exit": "teardown",
    "maxtasksperchild": "max_worker_memory",
    "max_tasks_per_child": "max_worker_memory",
    "task_timeout": "timeout",
    "progress_bar": "progress",
    "verbose": "progress",
    "pool": "executor",
    "resources": "engine",
    "num_cpus": "engine",
    "num_gpus": "engine",
    "priority": "engine",
    "prefer": "backend",
    "random_state": "seed",
    "on_error": "return_exceptions",
}
#: What only a stream has.
OF_STREAMS = ("ordered", "buffer", "indexed", "read_ahead")

#: Advice about an option, for users who type its name in another library.
HINTS = {
    "n_jobs": "the number of items that run at once, threads or processes alike",
    "chunksize": "the number of items that a worker gets at once; left out, it is tuned",
    "setup": "a function without parameters that runs once in each worker; functools.partial "
    "gives it arguments",
    "teardown": "a function without parameters that runs once in each worker after its last item",
    "max_worker_memory": "a worker that has grown by so many bytes is replaced between two items",
    "timeout": "the seconds that one item may take",
    "progress": "True shows how far the call is, a function is told; what a call measured and "
    "chose is told by explain()",
    "executor": "a concurrent.futures.Executor, or a Dask client or address, to run the items in",
    "backend": "'thread' or 'process' has every item run there",
    "engine": "a dict of what a cluster is given with each chunk, such as {'num_gpus': 1}",
    "seed": "a whole number that gives each item its own random streams",
    "return_exceptions": "True puts an item's exception in the place of its result",
}


def validated(**options: Any) -> Options:
    """Options with these values, each checked; those not named keep their default.

    Raises:
        InvalidOptionError: A value of the right kind that is not allowed, alone or beside another.
        WrongTypeError: A value of the wrong kind, or an option that does not exist.
    """
    return _checked(options) if options else DEFAULTS


def spelled(arguments: Mapping[str, Any]) -> Options:
    """The options among the arguments of a function that spells them in its signature.

    Args:
        arguments: `locals()` at the function's beginning; "unknown" holds further keywords.

    Raises:
        InvalidOptionError, WrongTypeError: As for `validated`.
    """
    changed = dict(arguments["unknown"])
    for name, default in zip(Options._fields, DEFAULTS, strict=True):  # type: ignore[call-overload]
        if arguments[name] is not default:
            changed[name] = arguments[name]
    return validated(**changed)


def merged(base: Options, **changes: Any) -> Options:
    """`base` with some options changed. The latest wins: an executor replaces a backend."""
    if not changes:
        return base
    if changes.get("executor") is not None:
        changes.setdefault("backend", "auto")
    elif changes.get("backend", "auto") != "auto":
        changes.setdefault("executor", None)
    return _checked({**base.as_dict(), **changes})


def refuse_unkept(options: Options, backend: str, described: str) -> None:
    """Refuse options that a backend cannot keep.

    Args:
        options: What was asked for.
        backend: Its name, or "executor" for the workers of any executor.
        described: What the message calls it, such as "backend='serial'".

    Raises:
        InvalidOptionError: One of them is set.
    """
    for name, why in UNKEPT.get(backend, {}).items():
        if getattr(options, name) is not None:
            raise InvalidOptionError(
                f"{name}= cannot be kept with {described}: {why}. Leave {name} out."
            )


def environment_backend() -> str | None:
    """The backend that AMORSIZE_BACKEND asks for; None when it is unset, empty or "auto"."""
    asked = os.environ.get(BACKEND_VARIABLE)
    if not asked:
        return None
    backend = asked.strip().lower()
    if backend not in BACKENDS:
        names = ", ".join(repr(name) for name in BACKENDS[:-1])
        raise InvalidOptionError(
            f"The environment variable {BACKEND_VARIABLE} is {asked!r}, which is no backend. "
            f"Set it to {names} or {BACKENDS[-1]!r}, or unset it."
        )
    return None if backend == "auto" else backend


def _checked(options: dict[str, Any]) -> Options:
    for name, value in options.items():
        check = CHECKS.get(name)
        if check is None:
            raise _unknown_option(name)
        options[name] = check(name, value)
    chosen = Options(**options)
    _check_together(chosen)
    return chosen


def _check_together(chosen: Options) -> None:
    """Refuse options that cannot both be kept."""
    if chosen.executor is not None:
        if chosen.backend != "auto":
            raise InvalidOptionError(
                f"executor={shown(chosen.executor)} and backend={chosen.backend!r} exclude each "
                "other: the executor is the backend. Pass only one of them."
            )
        refuse_unkept(chosen, "executor", "executor=")
    if chosen.given_workers is None:
        refuse_unkept(chosen, "ours", "amorsize's own workers")
    refuse_unkept(chosen, chosen.backend, f"backend={chosen.backend!r}")


def _unknown_option(name: str) -> WrongTypeError:
    ours = HABITS.get(name.lower().replace("-", "_"))
    if ours is not None:
        hint = f"Here it is {ours}: {HINTS[ours]}. "
    elif name in OF_STREAMS:
        hint = f"Streams have it: autotune(func).stream(data, {name}=...). "
    else:
        from difflib import get_close_matches

        near = get_close_matches(name, Options._fields, n=2, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
    return WrongTypeError(
        f"There is no option {name!r}. {hint}The options are {', '.join(sorted(Options._fields))}. "
        f"A keyword for the function itself goes into item_kwargs: tuned_map(func, data, "
        f'item_kwargs={{"{name}": ...}}).'
    )
