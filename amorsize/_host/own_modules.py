"""Loads the modules of this package in less time than the import system takes.

A first call loads some hundred of them, which takes 15 ms and more. What decorating loads is too
little for that to pay: to look at the folders takes 0.4 ms. Folders of another kind (an archive, or
where a tool finds or rewrites modules) are left alone.

- A folder is asked for modules by name alone: not whether it has changed since, nor for each of
  five kinds of files. That saves 17 us of each module.
- Bytecode is read where the interpreter has left it for this very source, without what the import
  system does to find that out in general. That saves 10 us of each. Bytecode of another kind or for
  another source is left to the import system.

To hold back the garbage collector meanwhile saves next to nothing: it looks at all that afterwards.
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
from marshal import loads
from os import listdir, stat

from amorsize._host.signals import let_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

#: The folders that a first call loads from.
FOLDERS = (
    *("_api", "_engine", "_function", "_host", "_profiles", "_watching", "_workers", "cache"),
    *("policy", "policy/evidence", "policy/rules"),
)

#: How a file of bytecode begins that is valid for a source of one time and size, which follow.
_BEGIN = MAGIC_NUMBER + bytes(4)
_32_BITS = 0xFFFFFFFF


class Folder(FileFinder):
    """One folder of the package."""

    def __init__(self, usual: FileFinder) -> None:
        vars(self).update(vars(usual))
        try:
            names = listdir(self.path)
        except OSError as error:  # the import system tells what there is to be told
            let_through(error)
            names = []
        self._modules = {name[:-3] for name in names if name.endswith(".py")}

    def find_spec(self, name: str, target: Any = None) -> ModuleSpec | None:
        """Where a module is; what is new in the folder, and other folders in it, as usual."""
        tail = name.rpartition(".")[2]
        if tail not in self._modules:
            return super().find_spec(name, target)
        path = f"{self.path}/{tail}.py"
        loader = Module(name, path)
        spec = ModuleSpec(name, loader, origin=path)
        spec.has_location = True
        spec.cached = loader.bytecode
        return spec


class Module(SourceFileLoader):
    """One module of the package."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(name, path)
        self.bytecode = cache_from_source(path)

    def get_code(self, name: str) -> CodeType | None:
        """Its code, from its file of bytecode if that is as it should be."""
        try:
            found = stat(self.path)
            with open_code(self.bytecode) as file:
                content = file.read()
        except OSError as error:
            let_through(error)
            return super().get_code(name)
        made_from = (int(found.st_mtime) & _32_BITS, found.st_size & _32_BITS)
        if content[:16] != _BEGIN + b"".join(one.to_bytes(4, "little") for one in made_from):
            return super().get_code(name)
        code: CodeType = loads(memoryview(content)[16:])
        _fix_co_filename(code, self.path)  # it may have been compiled in another folder
        return code


def find_quickly() -> None:
    """Find modules of this package so from now on, where they would be found in the usual way."""
    if sys.implementation.cache_tag is None:  # an interpreter that keeps no bytecode
        return
    root = sys.modules["amorsize"].__path__[0]
    for folder in FOLDERS:
        path = f"{root}/{folder}"
        usual = sys.path_importer_cache.get(path) or _usual(path)
        loaders: dict[str, type] = dict(getattr(usual, "_loaders", ()))
        if type(usual) is FileFinder and loaders.get(".py") is SourceFileLoader:
            sys.path_importer_cache[path] = Folder(usual)


def _usual(path: str) -> Any:
    """What the import system would ask about a folder."""
    for hook in sys.path_hooks:
        try:
            return hook(path)
        except ImportError:
            continue
    return None
