"""Finds what replaces parts of libraries for a while, above all mocks of `unittest.mock`.

A new interpreter has the library as its import leaves it. Names in the mapped function's own code
are compared with that. But a library may itself call what was replaced, by names that nobody reads.
So where mocks are in use, the modules of libraries are searched for objects that are not theirs.
"""

from __future__ import annotations

import sys
from itertools import chain, compress
from operator import is_

from amorsize._function.callables import FUNCTION, is_made_at_run_time, is_module
from amorsize._function.ownership import is_own_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

# Modules in which programs leave functions of their own for good: hooks and additions.
_MEANT_FOR_IT = frozenset({"sys", "builtins", "threading", "warnings"})


def why_not_new_interpreters() -> str | None:
    """A replaced part that a new interpreter would lack; None: none, or mocks are not in use.

    10 ms with 800 modules loaded, where `unittest.mock` is; 3 ms if nothing has changed since.
    """
    global _found_clean
    mock = sys.modules.get("unittest.mock")
    if mock is None:
        return None
    if (place := next(_started(mock), None)) is None:
        if _found_clean is not None and _found_clean.is_unchanged():
            return None
        libraries = _Libraries()
        place = next(_standing(mock, libraries), None)
        _found_clean = libraries if place is None and libraries.is_unchanged() else None
    return None if place is None else f"a new interpreter has {place} as it was before a mock"


class _Libraries:
    """The modules of libraries and their classes, with their contents."""

    def __init__(self) -> None:
        self._homes, self._modules = tuple(sys.modules), tuple(sys.modules.values())
        self.scopes = {
            home: vars(module)
            for home, module in zip(self._homes, self._modules, strict=False)
            if is_module(module) and not is_own_module(home) and not _is_left_out(home)
        }
        self.theirs = set(map(id, self.scopes.values()))
        found = {
            one
            for scope in self.scopes.values()
            for one in tuple(scope.values())
            if isinstance(one, type) and is_made_at_run_time(one)
        }
        self.classes = [
            cls for cls in found if id(vars(sys.modules.get(cls.__module__, sys))) in self.theirs
        ]
        self._values = [
            scope.values() for scope in (*self.scopes.values(), *map(vars, self.classes))
        ]
        self._sizes = list(map(len, self._values))
        now = tuple(chain.from_iterable(self._values))
        # Of functions and classes it matters which they are. Of all else the kind tells whether it
        # is a mock, and nothing of it is kept alive.
        self._are_kept = [type(one) is FUNCTION or isinstance(one, type) for one in now]
        self._are_others = [not is_kept for is_kept in self._are_kept]
        self._kept = tuple(compress(now, self._are_kept))
        self._kinds = tuple(map(type, compress(now, self._are_others)))

    def is_unchanged(self) -> bool:
        """Whether the same modules are loaded, with the same contents."""
        if self._homes != tuple(sys.modules) or self._sizes != list(map(len, self._values)):
            return False
        now = tuple(chain.from_iterable(self._values))
        return (
            len(now) == len(self._are_kept)
            and all(map(is_, tuple(sys.modules.values()), self._modules))
            and tuple(compress(now, self._are_kept)) == self._kept
            and tuple(map(type, compress(now, self._are_others))) == self._kinds
        )


#: The state of libraries when nothing in them was replaced.
_found_clean: _Libraries | None = None


def _started(mock: Any) -> Iterator[str]:
    """The mocks that `start()` of a patch has put in modules and classes."""
    for patch in tuple(getattr(mock._patch, "_active_patches", ())):
        target: Any = getattr(patch, "target", None)
        if target is None:
            continue  # that of a dict: what it changes is carried
        home = target.__name__ if is_module(target) else getattr(target, "__module__", None)
        if not is_own_module(home):
            yield f"{getattr(target, '__name__', home)}.{patch.attribute}"


def _standing(mock: Any, libraries: _Libraries) -> Iterator[str]:
    """The mocks and functions of the project that stand in libraries' modules and classes."""
    for home, module in tuple(sys.modules.items()):
        if isinstance(module, mock.NonCallableMock):
            yield home
    plain: set[type] = set()  # kinds that are no mocks
    for home, scope in libraries.scopes.items():
        kinds = set(map(type, tuple(scope.values())))
        for kind in kinds - plain:
            if issubclass(kind, mock.NonCallableMock):
                yield f"{home}.{_name_of(scope, kind)}"
        plain |= kinds
        if home not in _MEANT_FOR_IT and FUNCTION in kinds:
            yield from _own_functions(home, scope, libraries.theirs)
    for cls in libraries.classes:
        yield from _own_functions(cls.__qualname__, vars(cls), libraries.theirs)
        yield from (
            f"{cls.__qualname__}.{_name_of(vars(cls), kind)}"
            for kind in set(map(type, tuple(vars(cls).values()))) - plain
            if issubclass(kind, mock.NonCallableMock)
        )


def _is_left_out(home: str) -> bool:
    """What runs the items is not what they use, and the module of mocks holds mocks anyway."""
    return home == "unittest.mock" or home.partition(".")[0] == "amorsize"


def _own_functions(home: str, scope: Mapping[str, Any], theirs: set[int]) -> list[str]:
    """Those of the project; globals that nobody imported are of code that a library has made."""
    return [
        f"{home}.{name}"
        for name, value in tuple(scope.items())
        if type(value) is FUNCTION
        and id(value.__globals__) not in theirs
        and (module := value.__globals__.get("__name__")) in sys.modules
        and is_own_module(module)
    ]


def _name_of(scope: Mapping[str, Any], kind: type) -> str:
    return next(name for name, value in tuple(scope.items()) if type(value) is kind)
