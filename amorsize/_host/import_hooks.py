"""Hooks that run as soon as a module has been imported, whoever imports it.

A worker takes over settings of libraries that it may never load: importing NumPy for its print
options would take longer than most calls.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: What to do once a module is loaded, by module, then by the key of whoever asked for it.
_awaited: dict[str, dict[str, Callable[[], None]]] = {}


def when_imported(module: str, key: str, action: Callable[[], None]) -> None:
    """Act now if the module is loaded, else once it is. Replaces an earlier action of this key."""
    if is_loaded(module):
        action()
        return
    _awaited.setdefault(module, {})[key] = action
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def forget(key: str) -> None:
    """Drop the action of this key."""
    for actions in _awaited.values():
        actions.pop(key, None)


def is_loaded(module: str) -> bool:
    """Whether a module is loaded completely."""
    found = sys.modules.get(module)
    return found is not None and not is_being_imported(found)


def is_being_imported(module: Any) -> bool:
    """Whether the code of a module still runs."""
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))


class _Finder:
    """Wraps the loader that the other finders name."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """What the first finder behind this one says."""
        if name not in _awaited:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = None if find is None else find(name, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader)
                return spec
        return None


class _Loader:
    """Acts once another loader has loaded."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: Any) -> Any:
        """As the other loader does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        """Run the module's code with its own loader in place, then the actions."""
        module.__spec__.loader = module.__loader__ = self._loader
        self._loader.exec_module(module)
        name = module.__spec__.name
        _put_into_package(name, module)
        for action in _awaited.pop(name, {}).values():
            action()


def _put_into_package(name: str, module: Any) -> None:
    """As the import system is about to: an action may import a module that looks there."""
    package, _, own_name = name.rpartition(".")
    if package in sys.modules:
        setattr(sys.modules[package], own_name, module)


_finder: Any = _Finder()
