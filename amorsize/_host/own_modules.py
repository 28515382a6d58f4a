"""Loads the modules of this package faster than the import system does.

A first call loads about a hundred modules, which takes 15 ms and more. Folders of other kinds,
such as an archive or those of a tool that rewrites modules, are left alone.

- A module is looked for in one place. The import system lists its folder, checks whether that has
  changed, then tries five kinds of files. That saves 20 us per module.
- Bytecode is read directly if the interpreter has left it for this very source. That saves 10 us
  per module. Bytecode of another kind or for another source is left to the import system.

- What a module makes is handed to the oldest generation of the garbage collector, which would visit
  it twice and more. That saves 15 us per module. To hold the collector back saves next to nothing:
  it visits these objects afterwards.
"""

from __future__ import annotations

import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import (
    MAGIC_NUMBER,
    FileFinder,
    SourceFileLoader,
    cache_from_source,
)
from _imp import _fix_co_filename  # type: ignore[attr-defined]
from _io import open_code
from gc import freeze, get_freeze_count, unfreeze
from marshal import loads
from os import stat

from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import stat_result
    from types import CodeType
    from typing import Any

#: The beginning of a file of bytecode that names the time and size of its source, which follow.
_BEGIN = MAGIC_NUMBER + bytes(4)
_32_BITS = 0xFFFFFFFF
_PACKAGE = __name__.partition(".")[0]
#: Whether the collector works in small steps. There, `freeze` walks over the objects.
_COLLECTS_IN_STEPS = sys.version_info >= (3, 14)
#: False once the program has frozen objects: these stay so. To count them is to visit each, so it
#: is done only until some are found.
_may_unfreeze = not _COLLECTS_IN_STEPS


class Folder(FileFinder):
    """One folder of the package."""

    def __init__(self, path: str, usual: FileFinder) -> None:
        vars(self).update(vars(usual))
        self.path, self._path_mtime = path, -1.0  # not listed yet
        self._before, _, self._after = cache_from_source(f"{path}/any.py").rpartition("any.")

    def find_spec(self, name: str, target: Any = None) -> ModuleSpec | None:
        """Where a module or a package is. Files of other kinds are found in the usual way."""
        tail = name.rpartition(".")[2]
        if module := self.module(name, tail):
            return _spec(module)
        folder = f"{self.path}/{tail}"
        inner = Folder(folder, self)
        if not (module := inner.module(name, "__init__")):
            return super().find_spec(name, target)
        spec = _spec(module)
        spec.submodule_search_locations = [folder]
        sys.path_importer_cache.setdefault(folder, inner)
        return spec

    def module(self, name: str, tail: str) -> Module | None:
        """The module of a file by its name without an ending; None: it is not there."""
        path = f"{self.path}/{tail}.py"
        try:
            found = stat(path)
        except OSError as error:
            reraise_from_handler(error)
            return None
        return Module(name, path, f"{self._before}{tail}.{self._after}", found)


class Module(SourceFileLoader):
    """One module of the package."""

    def __init__(self, name: str, path: str, bytecode: str, found: stat_result) -> None:
        super().__init__(name, path)
        self.bytecode = bytecode
        self._found: stat_result | None = found  # for the first reading alone

    def get_code(self, name: str) -> CodeType | None:
        """The code of a module, from its file of bytecode if that is valid."""
        found, self._found = self._found, None
        try:
            found = found or stat(self.path)
            with open_code(self.bytecode) as file:
                content = file.read()
        except OSError as error:
            reraise_from_handler(error)
            return super().get_code(name)
        made_from = (int(found.st_mtime) & _32_BITS, found.st_size & _32_BITS)
        if content[:16] != _BEGIN + b"".join(one.to_bytes(4, "little") for one in made_from):
            return super().get_code(name)
        code: CodeType = loads(memoryview(content)[16:])
        _fix_co_filename(code, self.path)  # it may have been compiled elsewhere
        return code

    def exec_module(self, module: Any) -> None:
        """Run the code of a module."""
        super().exec_module(module)
        _move_to_oldest_generation()


def _move_to_oldest_generation() -> None:
    """Hand all that was made to the collector's oldest generation, without a look at it."""
    global _may_unfreeze
    # 3.12 freezes objects itself.
    _may_unfreeze = _may_unfreeze and not get_freeze_count()
    if _may_unfreeze:
        freeze()
        unfreeze()


def _spec(module: Module) -> ModuleSpec:
    spec = ModuleSpec(module.name, module, origin=module.path)
    spec.has_location = True
    spec.cached = module.bytecode
    return spec


def find_quickly() -> None:
    """Find modules of this package in this way from now on, in the folders that allow it."""
    if sys.implementation.cache_tag is None:  # an interpreter that keeps no bytecode
        return
    root = sys.modules[_PACKAGE].__path__[0]
    if type(sys.path_importer_cache.get(root)) is Folder:
        return
    for name, module in tuple(sys.modules.items()):
        if name.startswith(_PACKAGE):
            for path in getattr(module, "__path__", ()):
                usual = sys.path_importer_cache.get(path) or _usual(path)
                loaders: dict[str, type] = dict(getattr(usual, "_loaders", ()))
                if type(usual) is FileFinder and loaders.get(".py") is SourceFileLoader:
                    sys.path_importer_cache[path] = Folder(path, usual)


def _usual(path: str) -> Any:
    """The finder that the import system uses for a folder."""
    for hook in sys.path_hooks:
        try:
            return hook(path)
        except ImportError:
            continue
    return None
