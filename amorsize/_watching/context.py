"""Compares the context of the caller around an item."""

from __future__ import annotations

import sys
from _contextvars import copy_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_MISSING = object()
#: Variables that are compared by their content, as reading one may set it.
_BY_CONTENT = frozenset({"decimal_context"})


class Context:
    """The context as it is now: its variables with the settings of decimal and of numpy."""

    def __init__(self) -> None:
        self._variables = dict(copy_context().items())
        self._settings = dict(_settings())

    def changed(self) -> Iterator[str]:
        """The names of what has changed since."""
        now = dict(copy_context().items())
        for variable in {**self._variables, **now}:
            before, after = (one.get(variable, _MISSING) for one in (self._variables, now))
            if before is not after and variable.name not in _BY_CONTENT:
                yield f"the context variable {variable.name}"
        for name, setting in _settings():
            if self._settings.get(name, setting) != setting:
                yield name


def _settings() -> Iterator[tuple[str, Any]]:
    decimal = sys.modules.get("decimal")
    if hasattr(decimal, "getcontext"):
        found = decimal.getcontext()  # type: ignore[union-attr]
        traps = tuple(signal for signal, is_set in found.traps.items() if is_set)
        limits = found.Emin, found.Emax, found.capitals, found.clamp
        # Its flags are left out: nearly every sum sets one, and programs rarely read them.
        yield "the decimal context", (found.prec, found.rounding, *limits, traps)
    numpy = sys.modules.get("numpy")
    if hasattr(numpy, "geterr"):
        yield "the error handling of numpy", numpy.geterr()  # type: ignore[union-attr]
