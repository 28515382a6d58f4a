"""Loads the module that makes maps at the first call, since decorating does without it."""

from __future__ import annotations

from amorsize._engine.call_checks import check_data, name_of
from amorsize._host.shortage import CANNOT_LOAD, is_lack, loop, no_workers, why_too_few
from amorsize._host.signals import (
    no_interrupts,  # here: a handler may call before all else is there
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from amorsize._engine.call_options import Options

#: `amorsize._api.map` from the first call on; None before that.
loaded: Any = None


def load() -> Any:
    """The module that makes maps, or what makes plain loops where it cannot be loaded."""
    global loaded
    try:
        with no_interrupts():  # a handler that calls a tuned function would find half of them
            from amorsize._host.own_modules import find_quickly

            find_quickly()
            import amorsize._api.map as module
    except CANNOT_LOAD as error:
        if is_lack(error):
            return _WithoutRoom(error)
        raise
    loaded = module
    return module


class _WithoutRoom:
    """Stands in for the modules that make a map if there is no room to load them."""

    def __init__(self, error: OSError | ImportError | MemoryError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error

    def run(self, *asked: Any) -> list[Any]:
        """The loop, which needs none."""
        return list(self.stream(*asked))

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
        """The same, one by one."""
        if not options.allow_loop:
            raise no_workers(why_too_few(0) or "", self._error) from self._error
        check_data(iterables, name_of(func))
        results = loop(func, iterables, item_kwargs, strict=options.strict)
        return enumerate(results) if indexed else results
