"""Finds from which libraries a function may draw random numbers, by the names in its code."""

from __future__ import annotations

import sys

from amorsize._function import callables
from amorsize._function.callables import FUNCTION, is_class, is_module
from amorsize._function.plain_values import PLAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

#: The most functions of the project that are searched for names.
MAX_FOLLOWED = 30
#: The most elements of a container that are searched, in 5 us.
MAX_PLAIN = 256

#: Libraries that have functions which draw random numbers.
LIBRARIES = frozenset({"random", "numpy", "pandas", "scipy", "sklearn", "torch", "networkx"})
#: Modules of the standard library that draw from no generator that a program can seed.
_HARMLESS = frozenset(
    (
        *("array", "ast", "base64", "binascii", "bisect", "bz2", "cmath", "codecs", "collections"),
        *("configparser", "csv", "datetime", "decimal", "difflib", "fnmatch", "fractions"),
        *("functools", "glob", "gzip", "hashlib", "heapq", "hmac", "html", "io", "ipaddress"),
        *("itertools", "json", "lzma", "math", "os", "pathlib", "posixpath", "re", "secrets"),
        *("shlex", "shutil", "sqlite3", "string", "struct", "subprocess", "sys", "tempfile"),
        *("textwrap", "time", "tokenize", "tomllib", "unicodedata", "xml", "zipfile", "zlib"),
        "zoneinfo",
    )
)
_DOORS = frozenset({"eval", "exec", "getattr", "globals", "vars", "__import__"})
_CONTAINERS = (dict, list, tuple, set, frozenset)


def may_draw(func: Callable[..., Any]) -> bool:
    """Whether a function may draw random numbers."""
    return libraries_of(func) != set()


def libraries_of(func: Any) -> set[str] | None:
    """Which of `LIBRARIES` a function names; None: it names something that may lead to any."""
    left, found, seen = [func], set(), set()
    while left:
        one = callables.raw(left.pop())
        if id(one) in seen or (type(one) is type(len) and one.__module__ in ("builtins", "math")):
            continue
        seen.add(id(one))
        if type(one) is not FUNCTION or len(seen) > MAX_FOLLOWED or _holds_more(one):
            return None
        names = _names(one.__code__)
        if not _DOORS.isdisjoint(names - one.__globals__.keys()):
            return None
        for value in (*_kept_values(one), *(one.__globals__.get(name) for name in names)):
            if type(value) is FUNCTION:
                left.append(value)
            elif is_module(value):
                found.add(value.__name__.partition(".")[0])
            elif not (_is_plain_data(value) or _is_harmless(value)):
                return None
    found -= _HARMLESS
    return found if found <= LIBRARIES else None


def _kept_values(func: Any) -> tuple[Any, ...]:
    """The defaults of a function, and what it shares with the function around it."""
    defaults = func.__defaults__ or ()
    by_name = tuple((func.__kwdefaults__ or {}).values())
    return *defaults, *by_name, *callables.cells(func).values()


def _is_harmless(value: Any) -> bool:
    """Whether it is a class or builtin function of a module that draws nothing, found by name."""
    if is_class(value):
        module, name = (type.__dict__[one].__get__(value) for one in ("__module__", "__name__"))
    elif type(value) is type(len):
        module, name = value.__module__, value.__name__
    else:
        return False
    if type(module) is not str or module.partition(".")[0].lstrip("_") not in _HARMLESS:
        return False
    home = sys.modules.get(module)
    return is_module(home) and vars(home).get(name) is value


def _is_plain_data(value: Any) -> bool:
    """Whether a value is a number, a text, or a small container of these."""
    kind = type(value)
    if kind in PLAIN:
        return True
    if kind not in _CONTAINERS or len(value) > MAX_PLAIN:
        return False
    parts = (*value, *value.values()) if kind is dict else value
    return PLAIN.issuperset(map(type, parts))


def _holds_more(func: Any) -> bool:
    """Whether it has attributes, or imports something."""
    if func.__dict__:
        return True
    return _imports(func.__code__)


def _imports(code: CodeType) -> bool:
    if not IMPORTING.isdisjoint(code.co_code[::2]):
        return True
    return any(_imports(one) for one in code.co_consts if type(one) is type(code))


def _with_import() -> None:
    import sys as one  # noqa: F401


def _without_import() -> None:
    one = 0  # noqa: F841


#: The operation that only imports have. Loading `opcode`, which names it, takes 0.4 ms.
IMPORTING = frozenset(_with_import.__code__.co_code[::2]).difference(
    _without_import.__code__.co_code[::2]
)


def _names(code: CodeType) -> set[str]:
    """All names in the code of a function and of functions inside it."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if type(constant) is type(code):
            names |= _names(constant)
    return names
