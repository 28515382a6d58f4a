"""Tells the project's own code from that of libraries.

Code is the project's own if it lies neither in the standard library, nor in amorsize, nor in
`site-packages` or `dist-packages`: scripts, notebooks, `python -c`, editable installs. Only own
code is read by `fingerprints` and `thread_safety`. A library's code changes with its version, and
its functions are trusted to take their own locks.
"""

from __future__ import annotations

import os
import sys

from amorsize._function.callables import (
    FUNCTION,
    METHOD,
    is_class,
    is_module,
    is_partial,
    member,
    own,
    raw,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType, FunctionType
    from typing import Any

_STDLIB = os.path.dirname(os.__file__) + os.sep
#: Our own folder, wherever it is installed.
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
_LIBRARIES = ("site-packages", "dist-packages")
#: The most files that are remembered. A notebook names a new one for each cell.
_MAX_FILES = 4096
_own_files: dict[str, bool] = {}
#: Libraries whose settings workers are told, all else in them being constants and caches. They are
#: nobody's project, whoever maps their functions: to read one takes a second.
LARGE_LIBRARIES = frozenset(
    {"numpy", "pandas", "scipy", "matplotlib", "mpmath", "torch", "tensorflow", "jax", "numba"}
    | {"pyarrow", "polars", "cv2"}
)
#: The names of the module that a program begins with; the second in a child of multiprocessing.
MAIN = ("__main__", "__mp_main__")
#: Methods of a metaclass that run when a class is only looked at.
_ANSWERS = ("__getattribute__", "__hash__", "__eq__")
#: What C code of a library gives its metaclasses, as pybind11 does, and `type` its own.
_C_METHOD = type(type.__hash__)
_mro_of: Any = type.__dict__["__mro__"].__get__
_members_of: Any = type.__dict__["__dict__"].__get__


class RunsCodeError(Exception):
    """To look at a value would run code of the project, which may do anything."""


def is_own_function(func: FunctionType) -> bool:
    """Whether this function was written in the project. Generated code belongs to its module."""
    filename = func.__code__.co_filename
    if _is_guarded(func):
        return False
    if filename.startswith("<") and not filename.startswith("<frozen"):
        return is_own_module(func.__module__)
    return is_own_file(filename)


def _is_guarded(func: FunctionType) -> bool:
    """Whether it is a `__repr__` by attrs, which puts the object into a set of attrs for its time.

    It may call functions of the program for the texts of single attributes.
    """
    code = func.__code__
    if code.co_name != "__repr__" or not code.co_filename.startswith("<attrs generated"):
        return False
    return not any(name.endswith("_repr") for name in code.co_names)


def is_own_class(cls: type) -> bool:
    """Whether this class was written in the project."""
    return is_own_module(cls.__module__)


def is_own_module(name: object) -> bool:
    """Whether the module of this name is the project's. One that cannot be found any more is."""
    if not isinstance(name, str):
        return True
    if name.partition(".")[0] in sys.stdlib_module_names:
        return False
    filename = _file_of(sys.modules.get(name))
    return not isinstance(filename, str) or is_own_file(filename)


def _file_of(module: Any) -> Any:
    """The file of a module; the hook for what a plain module has not is not asked."""
    if is_module(module):
        return vars(module).get("__file__")
    return getattr(module, "__file__", None)


def own_modules(most: int) -> list[Any]:
    """The modules of the project that were loaded last."""
    loaded = reversed(tuple(sys.modules.items()))
    found = (one for name, one in loaded if is_module(one) and is_own_module(name))
    return [one for _, one in zip(range(most), found, strict=False)]


def is_own_file(filename: str) -> bool:
    """Whether a source file belongs to the project, by its path alone."""
    own = _own_files.get(filename)
    if own is None:
        if len(_own_files) >= _MAX_FILES:
            _own_files.clear()
        own = _own_files[filename] = not (
            filename.startswith(("<frozen", _STDLIB, _OURS))
            or any(folder in filename for folder in _LIBRARIES)
        )
    return own


def is_published(func: Any, module: object) -> bool:
    """Whether a library's module holds this very object under its name, like `random.random`."""
    if type(func) is FUNCTION or not isinstance(module, str) or is_own_module(module):
        return False
    name = own(func, "__name__")
    return isinstance(name, str) and member(sys.modules.get(module, sys), name) is func


class Owns:
    """Whether code is the project's, or of a package that the mapped functions come from.

    Args:
        roots: The functions, and what else goes along. Wherever their packages are installed, these
            are the project's own.
    """

    def __init__(self, roots: Iterable[Any]) -> None:
        self._packages = {_package_of(one) for one in roots} - {None, *LARGE_LIBRARIES}
        self._known: dict[str, bool] = {}  # of modules that are loaded

    def __call__(self, value: Any) -> bool:
        """Whether it is a function or class of the project's."""
        value = raw(value)
        if type(value) is FUNCTION:
            return self.function(value)
        return is_class(value) and self.class_(value)

    def function(self, func: FunctionType) -> bool:
        if is_own_function(func):
            return True
        return not _is_guarded(func) and self.is_of_package(func.__globals__.get("__name__"))

    def class_(self, cls: type) -> bool:
        return Owns.module(self, cls.__module__)

    def module(self, name: object) -> bool:
        if not isinstance(name, str):
            return True
        is_own = self._known.get(name)
        if is_own is None:
            is_own = is_own_module(name) or self.is_of_package(name)
            if name in sys.modules:
                self._known[name] = is_own
        return is_own

    def is_of_package(self, module: object) -> bool:
        """Whether a module, loaded or not, is of a package that the mapped functions come from."""
        return isinstance(module, str) and module.partition(".")[0] in self._packages


class OwnsFiles(Owns):
    """The same for code in files: a library may make up modules that have none."""

    def __call__(self, value: Any) -> bool:
        """Whether it is a function or class of the project's that lies in a file."""
        value = raw(value)
        if type(value) is FUNCTION:
            is_own = self.function(value)
            return is_own and (_is_in_a_file(value.__code__) or _has_file(value.__module__))
        if is_class(value):
            return self.class_(value) and _has_file(value.__module__)
        return False

    def module(self, name: object) -> bool:
        return isinstance(name, str) and super().module(name)


def _package_of(target: Any) -> str | None:
    """The top package of the module in which the code of a mapped function was written.

    None where that is the interpreter's or ours, for the program itself, which is own anyway, and
    for compiled functions: they have no code to read, and what they need their import brings.
    """
    target = raw(target)
    while is_partial(target):
        target = raw(target.func)
    if type(target) is METHOD:
        target = target.__func__
    elif type(target) is not FUNCTION and not is_class(target):
        target = member(type(target), "__call__")  # of an instance, where Python code is called
    if type(target) is not FUNCTION and not is_class(target):
        return None
    module = own(target, "__module__")
    top = module.partition(".")[0] if isinstance(module, str) else MAIN[0]
    return None if top in sys.stdlib_module_names or top in (*MAIN, "amorsize") else top


def is_ours(module: object) -> bool:
    """Whether it is part of amorsize, which a worker has as the caller has it."""
    return isinstance(module, str) and module.partition(".")[0] == "amorsize"


def _has_file(module: str) -> bool:
    return module in MAIN or _file_of(sys.modules.get(module)) is not None


def _is_in_a_file(code: CodeType) -> bool:
    """Whether code was written in a file: methods of named tuples and data classes are not."""
    return not code.co_filename.startswith("<")


def runs_code_when_read(value: Any) -> bool:
    """Whether a class, or that of an object, has a metaclass that answers in its place.

    To look a class up in a table, to compare it or to ask for its name runs code of the project
    then. Told without any of that. Libraries may answer: protocols of `typing_extensions` do.
    """
    kind = type(value)
    metaclass = kind if issubclass(kind, type) else type(kind)
    return metaclass is not type and _is_answering(metaclass)


def _is_answering(metaclass: type) -> bool:
    for cls in _mro_of(metaclass):
        if cls is type:
            return False
        members = _members_of(cls)
        if any(_may_do_anything(members[name]) for name in _ANSWERS if name in members):
            return True
    return False


def _may_do_anything(method: Any) -> bool:
    kind = type(method)
    return is_own_function(method) if kind is FUNCTION else kind is not _C_METHOD


def refuse_to_run(value: Any) -> None:
    """Raises RunsCodeError if looking at a value runs code of the project."""
    if runs_code_when_read(value):
        raise RunsCodeError
