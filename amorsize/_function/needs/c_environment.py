"""Finds variables that were set past `os.environ`, which a new interpreter would lack.

`os.putenv` and libraries in C set them for programs that are started, and for code in C.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

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
    """The environment as C has it, which the module `posix` reads when it is made: in 0.4 ms."""
    import _imp

    spec = sys.modules["posix"].__spec__
    assert spec is not None
    another = _imp.create_builtin(spec)
    _imp.exec_builtin(another)
    return dict(another.environ)
