"""Tells what the first import of a module of the project would do to the rest of the program.

The module is not loaded, so its source is read. Definitions, constants and further imports do
nothing. All else counts as an effect: a worker that runs it would keep it for itself.
"""

from __future__ import annotations

import sys
from importlib import import_module

from amorsize._function.callables import is_module
from amorsize._function.ownership import is_own_file, is_own_module
from amorsize._function.sharing.module_bodies import Body
from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from amorsize._function.ownership import Owns

#: The most modules that are read for one import.
MOST_READ = 50
#: Modules of the standard library whose import does something.
_DOING_AT_ONCE = frozenset({"this", "antigravity"})
#: Names in the folder of a package that are no modules.
_NO_MODULES = frozenset({"__init__", "__pycache__"})


def effect_of_import(name: str, owns: Owns | None = None) -> str | None:
    """What the first import of a module would do, in words; None: nothing that lasts."""
    return _first_effect(_Reader(owns), name)


def _first_effect(reader: _Reader, name: str) -> str | None:
    try:
        return reader.first_effect(name)
    except Exception as error:  # a source that cannot be read, or is none
        reraise_from_handler(error)
        return f"{name}, which cannot be read"


def load_ahead(name: str, owns: Owns | None = None) -> str | None:
    """Load a module that items would be the first to import, so that what it does can be read.

    Only one of the standard library, or one of the project that is shown to do nothing else and
    loads no other library, which may take long.

    Returns:
        What keeps one of the project from it, in words.
    """
    reader = _Reader(owns)
    if (effect := _first_effect(reader, name)) is not None:
        return effect
    if reader.others:
        return f"{name}, which imports {reader.others[0]}" if reader.n_read else None
    try:
        import_module(name)
    except Exception as error:  # as it would be for the item
        reraise_from_handler(error)
        return f"{name}, which cannot be imported" if reader.n_read else None
    return None


def unloaded_in(texts: Iterable[str]) -> list[str]:
    """The modules not loaded yet of the packages that some texts name."""
    found = []
    for text in texts:
        package = sys.modules.get(text.strip("."))
        path = vars(package).get("__path__") if is_module(package) else None
        if path is not None and is_own_module(text.strip(".")):
            found += [f"{text.strip('.')}.{one}" for one in _names_in(path)]
    return [one for one in found if one not in sys.modules]


def _names_in(path: Any) -> Iterator[str]:
    import os

    for folder in path:
        for entry in os.listdir(folder):
            name, _, ending = entry.partition(".")
            if ending in ("", "py") and name.isidentifier() and name not in _NO_MODULES:
                yield name


class _Reader:
    """Reads modules that are not loaded, with those that they import.

    Attributes:
        others: The modules of other libraries among these, which are not read.
    """

    def __init__(self, owns: Owns | None) -> None:
        self._owns = owns
        self.others: list[str] = []
        self._read: set[str] = set()

    @property
    def n_read(self) -> int:
        """How many modules of the project were read."""
        return len(self._read)

    def first_effect(self, name: str) -> str | None:
        """What the import of a module would do, in words; None: nothing, or it is no project's."""
        path: Any = None
        above = ""
        for part in name.split("."):
            above = f"{above}.{part}".lstrip(".")
            module = sys.modules.get(above)
            if module is not None:
                path = vars(module).get("__path__", ()) if is_module(module) else ()
                continue
            spec = _spec_of(above, path)
            if spec is None and _loads_nothing(above):
                return None
            if spec is None or not self._is_own(above, spec.origin):
                if not _loads_at_once(above):
                    self.others.append(above)
                return None
            path = spec.submodule_search_locations or ()
            if (what := self._effect_of(above, spec)) is not None:
                return what
        return None

    def _is_own(self, name: str, file: object) -> bool:
        if not isinstance(file, str):
            return False
        return is_own_file(file) or (self._owns is not None and self._owns.is_of_package(name))

    def _effect_of(self, name: str, spec: Any) -> str | None:
        if name in self._read:
            return None
        if len(self._read) >= MOST_READ:
            return f"{name}, which imports very many modules"
        self._read.add(name)
        if not hasattr(spec.loader, "get_source"):
            return f"{name}, which cannot be read"
        import ast

        tree = ast.parse(spec.loader.get_source(name))
        is_package = spec.submodule_search_locations is not None
        package = name if is_package else name.rpartition(".")[0]
        body = Body(package)
        line = body.first_effect(tree.body)
        if line is not None:
            return f"{name}, whose line {line} may do something that lasts"
        return next(filter(None, map(self.first_effect, body.imported)), None)


def _loads_at_once(name: str) -> bool:
    top = name.partition(".")[0]
    return top in sys.stdlib_module_names and top not in _DOING_AT_ONCE


def _spec_of(name: str, path: Any) -> Any:
    from importlib.machinery import PathFinder

    return PathFinder.find_spec(name, path)


def _loads_nothing(name: str) -> bool:
    """Whether what is no file is a name in a module before it, or is not there at all."""
    home, _, attribute = name.rpartition(".")
    module = sys.modules.get(home)
    if is_module(module):
        return attribute in vars(module) or "__getattr__" not in vars(module)
    if home:
        return True
    from importlib.util import find_spec

    return find_spec(name) is None
