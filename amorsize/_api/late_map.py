"""Loads the module that makes maps at the first call, as decorating does not need it."""

from __future__ import annotations

import os
import sys
from _frozen_importlib import _module_locks  # type: ignore[attr-defined]
from _thread import _count as n_threads_started
from _thread import get_ident
from time import sleep

from amorsize._engine.options.call_checks import check_data, name_of
from amorsize._engine.options.call_options import DEFAULTS
from amorsize._function.callables import FUNCTION
from amorsize._host import shortage
from amorsize._host.shortage import (
    CANNOT_LOAD,
    has_stack_room,
    is_lack,
    loop,
    no_workers,
    why_too_few,
)
from amorsize._host.signals import (
    no_interrupts,  # here: a handler may call before all else is there
)
from amorsize.errors import WorkersUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from amorsize._engine.data.source import Reading
    from amorsize._engine.options.call_options import Options

#: `amorsize._api.map` from the first call that takes it; None before that.
loaded: Any = None
#: No module can be imported when Python ends, and objects may still make calls as they are freed.
AT_THE_END = (
    "no worker can be started while the program ends. Make the call before that, or use "
    "backend='serial'."
)
#: `amorsize._api.trivial_calls`, from the first call that may be one.
loaded_trivial: Any = None
#: How often a fork looks whether modules are being loaded, and the seconds between two looks. A
#: first call loads for 30 ms. The wait is bounded: the load may need what the forking thread holds.
MOST_LOOKS, BETWEEN_LOOKS_S = 2000, 1e-3


def maker() -> Any:
    """What makes a map now: this module, the one that it loads, or a loop as the program ends."""
    if sys.is_finalizing():
        return _at_the_end()
    return loaded or sys.modules[__name__]


def run(
    func: Callable[..., Any],
    iterables: tuple[Any, ...],
    item_kwargs: dict[str, Any],
    options: Options,
    name: str | None,
) -> list[Any]:
    """Map over data: trivial items at once, others by the module that makes maps."""
    if options is DEFAULTS and not has_stack_room():
        check_data(iterables, name or name_of(func), decorated=name is not None)
        return [*loop(func, iterables, item_kwargs, strict=options.strict)]
    is_plain = options is DEFAULTS and len(iterables) > 0
    has_memory = "amorsize._profiles.memory_store" in sys.modules  # which may know it better
    if is_plain and type(func) is FUNCTION and not has_memory:
        trivial_calls = loaded_trivial or _load_trivial()
        begun = trivial_calls and trivial_calls.begin(func, iterables, item_kwargs, name)
        if begun is None and trivial_calls and not item_kwargs and _needs_interpreters():
            short_jobs = shortage.loaded("_api.short_jobs")
            begun = short_jobs and short_jobs.begin(func, iterables, name)
        if begun is not None:
            if begun.is_done:
                return begun.results  # type: ignore[no-any-return]
            results, error, began, source = begun.results, begun.error, begun.began, begun.source
            del begun
            try:
                return load().go_on(  # type: ignore[no-any-return]
                    func, iterables, item_kwargs, name, results, error, began, source
                )
            finally:
                del error  # whose traceback has this frame
    return load().run(func, iterables, item_kwargs, options, name)  # type: ignore[no-any-return]


def _needs_interpreters() -> bool:
    """Whether no worker can be forked, since other threads run or the platform has no fork."""
    return n_threads_started() > 0 or sys.platform != "linux"


def _load_trivial() -> Any:
    """The module that runs trivial calls; None: there is no room for it, nor for all others."""
    global loaded_trivial
    if not shortage.has_space():
        return None
    with no_interrupts():  # a handler that calls a tuned function would find half of it
        loaded_trivial = shortage.loaded("_api.trivial_calls")
    return loaded_trivial


def load() -> Any:
    """The module that makes maps; where it cannot be loaded, a replacement that runs loops."""
    global loaded
    if sys.is_finalizing():
        return _at_the_end()
    if not shortage.has_space():
        return LoopInstead(MemoryError("there is no memory for the modules of a call"))
    try:
        with no_interrupts():  # a handler that calls a tuned function would find half of them
            from amorsize._host.own_modules import find_quickly

            find_quickly()
            import amorsize._api.map as module
    except CANNOT_LOAD as error:
        if is_lack(error):
            return LoopInstead(error)
        raise
    loaded = module
    return module


def hold_back_fork() -> None:
    """Wait until no other thread is loading a module that amorsize uses. Takes 0.1 us if none is.

    A child of a fork does not have that thread. If it used one of these modules, it would wait for
    the end of the load for ever.
    """
    for _ in range(MOST_LOOKS):
        if not _module_locks or not is_loaded_by_others():
            return
        sleep(BETWEEN_LOOKS_S)


def is_loaded_by_others() -> bool:
    """Whether another thread has the lock of a module of amorsize, or of Python's own."""
    for name, lock_of in tuple(_module_locks.items()):
        package = name.partition(".")[0]
        if package == "amorsize" or package in sys.stdlib_module_names:
            owner = getattr(lock_of(), "owner", None)
            if owner is not None and owner != get_ident():
                return True
    return False


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=hold_back_fork)


def _at_the_end() -> LoopInstead:
    return LoopInstead(WorkersUnavailable(AT_THE_END))


class LoopInstead:
    """Replaces the modules that make a map if there is no room to load them, or no more time."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error

    def run(self, *asked: Any) -> list[Any]:
        """Run the plain loop."""
        return list(self.stream(*asked))

    def go_on(
        self,
        func: Callable[..., Any],
        iterables: tuple[Any, ...],
        item_kwargs: dict[str, Any],
        _: str | None,
        results: list[Any],
        error: BaseException | None,
        __: float,
        source: Reading | None = None,
    ) -> list[Any]:
        """The rest of a loop that was begun."""
        try:
            if error is not None:
                raise error
        finally:
            del error  # whose traceback has this frame
        if source is not None:
            return [*results, *map(func, source.rest())]
        left = tuple([one[len(results) :] for one in iterables])
        return [*results, *loop(func, left, item_kwargs, strict=False)]

    def stream(
        self,
        func: Callable[..., Any],
        iterables: tuple[Any, ...],
        item_kwargs: dict[str, Any],
        options: Options,
        *_: Any,
        indexed: bool = False,
        **__: Any,
    ) -> Iterator[Any]:
        """Yield the results of the plain loop."""
        if not options.allow_loop:
            if type(self._error) is WorkersUnavailable:
                raise self._error
            raise no_workers(why_too_few(0) or "", self._error) from self._error
        check_data(iterables, name_of(func))
        results = loop(func, iterables, item_kwargs, strict=options.strict)
        return enumerate(results) if indexed else results
