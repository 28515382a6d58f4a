"""The function that a command is about, found by the name it was given in.

`pkg.mod.func`, `pkg.mod:func` or `path/file.py:func`. A file is imported as it would be from its
own folder (or its package's root), so that worker processes find it by the same name; one whose
name is taken, or is none that could be imported, travels to workers with its code.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from amorsize.cli.command import FailureError
from amorsize.cli.text import clean, nearest, nearest_file

HELP = "pkg.mod.func, pkg.mod:func or path/file.py:func; its module is imported"


def found(name: str) -> Callable[..., Any]:
    """The function of this name; its module is imported, with the current folder importable."""
    if "" not in sys.path:
        _make_importable(os.getcwd())
    place, colon, inside = name.rpartition(":")
    if name.endswith(".py") or place.endswith(".py") or (colon and os.sep in place):
        if not colon or not inside or name.endswith(".py"):
            raise FailureError(
                f"{clean(name)} is a file: say which of its functions, {clean(name)}:NAME.",
                status=2,
            )
        return _callable(_within(_of_file(place), inside, place), name)
    if colon:
        return _callable(_within(_of_module(place), inside, place), name)
    return _callable(_dotted(name), name)


def _callable(value: Any, name: str) -> Callable[..., Any]:
    if isinstance(value, ModuleType):
        raise FailureError(f"{clean(name)} is a module. Say which of its functions: {name}:NAME.")
    if not callable(value):
        raise FailureError(f"{clean(name)} is no function: its type is {type(value).__name__}.")
    return value  # type: ignore[no-any-return]


def _dotted(name: str) -> Any:
    """What `a.b.c` leads to, where any of its parts but the first may be a module or not."""
    first, *rest = name.split(".")
    if not rest:
        raise FailureError(
            f"{clean(name)!r} names no function: say where it is, as in pkg.mod.func, "
            "pkg.mod:func or path/file.py:func.",
            status=2,
        )
    value: Any = _of_module(first)
    path = first
    for position, part in enumerate(rest):
        deeper = f"{path}.{part}"
        if not hasattr(value, part) and isinstance(value, ModuleType) and _exists(deeper):
            value = _of_module(deeper)
        else:
            return _within(value, ".".join(rest[position:]), path)
        path = deeper
    return value


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # its parent is no package
        return False


def _within(value: Any, inside: str, where: str) -> Any:
    """What is in a module under a name of one or several parts."""
    for part in inside.split("."):
        if not hasattr(value, part):
            names = [name for name in dir(value) if not name.startswith("_")]
            raise FailureError(
                f"there is no {clean(part)!r} in {clean(where)}.{nearest(part, names)}"
            )
        value = getattr(value, part)
    return value


def _make_importable(folder: str) -> None:
    """Look for modules in a folder, too: it may hide none of Python's own, nor of ours."""
    if folder not in sys.path:
        sys.meta_path.insert(0, _OwnLibraries(sys.path))
        own = os.path.dirname(os.__file__)
        places = [at for at, one in enumerate(sys.path) if _is_within(one, own)]
        sys.path.insert(places[-1] + 1 if places else len(sys.path), folder)


class _OwnLibraries:
    """Finds what amorsize requires where it was found before a folder was added to the path."""

    NAMES = frozenset(
        [
            *("cloudpickle", "diskcache", "loky", "platformdirs", "psutil", "rich", "shtab"),
            *("wrapt", "pygments", "markdown_it", "mdurl"),  # the last three are rich's
        ]
    )

    def __init__(self, path: list[str]) -> None:
        self._path = tuple(path)

    def find_spec(
        self,
        name: str,
        path: object = None,
        target: object = None,  # noqa: ARG002 - Python passes it
    ) -> ModuleSpec | None:
        """As `importlib.abc.MetaPathFinder` has it: None for what others are to find."""
        return (
            PathFinder.find_spec(name, self._path) if path is None and name in self.NAMES else None
        )


def _is_within(folder: object, own: str) -> bool:
    return folder in (own, os.path.join(own, "lib-dynload"))


# -- importing ------------------------------------------------------------------------------


def _of_module(name: str) -> ModuleType:
    """The imported module of this name."""
    if not all(part.isidentifier() for part in name.split(".")):
        raise FailureError(f"{clean(name)!r} cannot be a module's name.", status=2)
    try:
        return _imported(name)
    except ModuleNotFoundError as error:
        if error.name is None or f"{name}.".startswith(f"{error.name}.") is False:
            raise _failed(name, error) from error
        here = [os.path.splitext(one)[0] for one in os.listdir() if "." not in one[:-3]]
        raise FailureError(
            f"there is no module {clean(error.name)!r}, neither in {os.getcwd()} nor where this "
            f"Python looks for packages.{nearest(error.name, here)}"
        ) from None


def _of_file(path: str) -> ModuleType:
    """The module that a file is, imported by the name that it has from its package's root."""
    full = os.path.realpath(path)
    if not os.path.isfile(full):
        raise FailureError(f"there is no file {clean(path)}.{nearest_file(path, '.py')}")
    root, parts = os.path.dirname(full), [os.path.splitext(os.path.basename(full))[0]]
    while os.path.isfile(os.path.join(root, "__init__.py")) and os.path.basename(root):
        parts.insert(0, os.path.basename(root))
        root = os.path.dirname(root)
    name = ".".join(parts)
    if all(part.isidentifier() for part in parts) and _leads_to(name, root, full):
        return _imported(name)
    return _imported_apart(name, full)


def _leads_to(name: str, root: str, full: str) -> bool:
    """Whether importing this name, with the root importable, would import this file."""
    top = name.partition(".")[0]
    if top in sys.modules or top in sys.builtin_module_names or top in sys.stdlib_module_names:
        return os.path.realpath(getattr(sys.modules.get(name), "__file__", None) or "") == full
    _make_importable(root)
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and os.path.realpath(spec.origin or "") == full


def _imported_apart(name: str, full: str) -> ModuleType:
    """The file under a name of its own, which no other process could import."""
    alias = "_".join("".join(c if c.isalnum() else "_" for c in part) for part in name.split("."))
    alias = f"_amorsize_file_{alias}"
    spec = importlib.util.spec_from_file_location(alias, full)
    if spec is None or spec.loader is None:
        raise FailureError(f"{clean(full)} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[alias] = module
    if os.path.dirname(full) not in sys.path:
        sys.path.append(os.path.dirname(full))  # at the end: it may hide none of Python's own
    loader = spec.loader
    return _named_errors(name, lambda: loader.exec_module(module)) or module


def _imported(name: str) -> ModuleType:
    module = _named_errors(name, lambda: importlib.import_module(name))
    assert isinstance(module, ModuleType)
    return module


def _named_errors(name: str, act: Callable[[], ModuleType | None]) -> ModuleType | None:
    """Import something, and say in one line what its code has raised."""
    try:
        return act()
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise
        raise _failed(name, error) from error
    except SystemExit as error:
        raise FailureError(
            f"importing {clean(name)} ended the program ({error.code!r}). Put what a script does "
            "under `if __name__ == '__main__':`."
        ) from error
    except Exception as error:
        raise _failed(name, error) from error


def _failed(name: str, error: Exception) -> FailureError:
    where = ""
    if isinstance(error, SyntaxError) and error.filename:
        where = f" ({error.filename}, line {error.lineno})"
    trace = error.__traceback__
    while trace is not None and not where:
        frame = trace.tb_frame
        own = frame.f_globals.get("__name__", "")
        if trace.tb_next is None and not own.startswith(("importlib", "amorsize.cli")):
            where = f" ({frame.f_code.co_filename}, line {trace.tb_lineno})"
        trace = trace.tb_next
    if isinstance(error, ModuleNotFoundError):
        where = ". Install it, or run amorsize with the Python that has it"
    told = error.msg if isinstance(error, SyntaxError) else error
    return FailureError(
        f"importing {clean(name)} failed: {type(error).__name__}: {clean(str(told))}{where}."
    )
