"""Whose code something is."""

from __future__ import annotations

from amorsize._function.callables import (
    FUNCTION,
    is_own_class,
    is_own_function,
    is_own_module,
    raw,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any


class Owns:
    """Whether code is the project's, or that of the package which the function comes from."""

    def __init__(self, home: object) -> None:
        self._home = home  # the top package of the mapped function: own, wherever it lies

    def __call__(self, value: Any) -> bool:
        """Is it a function or class of the project's?"""
        value = raw(value)
        if type(value) is FUNCTION:
            return self.function(value)
        return isinstance(value, type) and self.class_(value)

    def function(self, func: FunctionType) -> bool:
        return is_own_function(func) or self._is_home(func.__globals__.get("__name__"))

    def class_(self, cls: type) -> bool:
        return is_own_class(cls) or self._is_home(cls.__module__)

    def module(self, name: object) -> bool:
        return is_own_module(name) or self._is_home(name)

    def _is_home(self, module: object) -> bool:
        return isinstance(module, str) and module.partition(".")[0] == self._home
