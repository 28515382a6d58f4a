"""Finds variables that were set past `os.environ`, which a new interpreter would lack.

`os.putenv` and libraries in C set them for programs that are started, and for code in C.
"""

from __future__ import annotations

import os
import sys

from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

#: What code names that starts programs, which have the environment as C has it.
_STARTING = frozenset({"subprocess", "Popen", "check_output", "check_call", "system", "popen"})
_STARTING |= {"posix_spawn", "posix_spawnp", "spawnv", "spawnvp", "spawnl", "spawnlp"}
_STARTING |= {"create_subprocess_exec", "create_subprocess_shell"}
#: What the line editor of a terminal sets in each process of its own.
_OF_TERMINAL = frozenset({b"LINES", b"COLUMNS", b"_"})


def doubt(names: Iterable[str]) -> str | None:
    """Why a worker may lack variables that some code uses; None: it has them all.

    Args:
        names: All that the code names.
    """
    found = frozenset(names)
    is_asked = not _STARTING.isdisjoint(found) or ("getenv" in found and "ctypes" in sys.modules)
    kept = getattr(os.environ, "_data", None)
    if not is_asked or type(kept) is not dict or "posix" not in sys.builtin_module_names:
        return None
    in_c = _read()
    others = (in_c.items() ^ kept.items()) - {(name, in_c.get(name)) for name in _OF_TERMINAL}
    if not others:
        return None
    name = os.fsdecode(min(others)[0])
    return f"{name} is not in the environment as os.environ has it (os.putenv, os.unsetenv)"


def _read() -> dict[bytes, bytes]:
    """The environment as C has it."""
    try:
        return _read_memory()
    except (ImportError, OSError, ValueError) as error:  # this Python or C library has no such way
        reraise_from_handler(error)
        return _read_anew()


def _read_memory() -> dict[bytes, bytes]:
    """Read where C keeps it, in 10 to 20 us.

    Code in C reads to the end at one go: were another thread to run amid it, its `putenv` could
    move and free what is read.
    """
    if not _pointer:
        _find_pointer()
    found: dict[bytes, bytes] = {}
    for one in list(iter(iter(_pointer[0]).__next__, None)):
        name, sign, value = one.partition(b"=")
        if sign:
            found.setdefault(name, value)
    return found


#: C's variable `environ`, once it was found: gives the text at each place, None behind the last.
_pointer: list[Any] = []


def _find_pointer() -> None:
    """Without the module `ctypes`, which takes 2 ms to import.

    Raises:
        OSError: The C library has no such variable.
    """
    import _ctypes

    made: Any = _ctypes
    text = type("z", (made._SimpleCData,), {"_type_": "z"})
    at: Any = type("P", (made._Pointer,), {"_type_": text})
    _pointer[:] = [at.from_address(made.dlsym(made.dlopen(None, 0), "environ"))]


def _read_anew() -> dict[bytes, bytes]:
    """The same from the module `posix`, which reads it when it is made: in 0.2 to 0.4 ms."""
    import _imp

    spec = sys.modules["posix"].__spec__
    assert spec is not None
    another = _imp.create_builtin(spec)
    _imp.exec_builtin(another)
    return dict(another.environ)
