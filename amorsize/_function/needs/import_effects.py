"""Finds modules whose import does something that may be done only once.

A worker in a new interpreter imports the project's modules, so their top level runs once more. It
may empty a log, write a file anew, run a map or register a function to run at exit.
"""

from __future__ import annotations

import builtins
import sys

from amorsize._function import bytecode, callable_walk, callables, ownership
from amorsize._function.callables import FUNCTION, MISSING, is_class, is_module
from amorsize._function.needs.program_part import without_program
from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

# Calls at the top level of a module that last, by the names of modules and methods.
_LASTING = frozenset(
    {"open", "connect", "memmap", "urlopen", "create_connection", "open_memmap"}
    | {"write", "writelines", "write_text", "write_bytes", "writerow", "writerows", "truncate"}
    | {"remove", "unlink", "rename", "rmtree", "rmdir", "move", "copyfile", "copytree", "touch"}
    | {"mkdtemp", "mkstemp", "NamedTemporaryFile", "TemporaryDirectory", "TemporaryFile"}
    | {"run", "call", "check_call", "check_output", "Popen", "system", "popen", "kill"}
    | {"start", "submit", "execute", "executescript", "commit", "send", "sendall", "post", "put"}
    | {"Thread", "Process", "Pool", "ThreadPoolExecutor", "ProcessPoolExecutor", "SharedMemory"}
    | {"FileHandler", "RotatingFileHandler", "TimedRotatingFileHandler"}
)
#: Methods of the result of a call: `Path(name).write_text(text)`.
_METHODS = frozenset(
    {"write_text", "write_bytes", "writelines", "writerow", "writerows", "truncate"}
    | {"unlink", "rmtree", "touch", "start"}
)
_AT_EXIT = ("atexit", "register")

#: By module: its spec, with what was found.
_known: dict[str, tuple[Any, str | None]] = {}


def what_it_does(module_name: str) -> str | None:
    """What importing a module of the project would do again, in words; None: nothing that lasts.

    Takes 0.2 ms and a file to read, once for each module.
    """
    module = sys.modules.get(module_name)
    spec = getattr(module, "__spec__", None)
    if spec is None:
        return None
    if getattr(spec, "_initializing", False):
        return f"{module_name} is still being imported"
    known = _known.get(module_name)
    if known is None or known[0] is not spec:
        known = _known[module_name] = spec, _found(module_name, module, spec)
    return known[1]


def _found(name: str, module: Any, spec: Any) -> str | None:
    try:
        code = spec.loader.get_code(name)
    except Exception as error:  # no such method, no such file any more: nothing can be told
        reraise_from_handler(error)
        return None
    if not isinstance(code, bytecode.CODE):
        return None
    alone = _top_level(code)
    called = [_what_lasts(module, what, attributes) for what, attributes in _loads(alone)]
    called += [f".{one}" for one in bytecode.used_names(alone) if one in _METHODS]
    first = next(filter(None, called), None)
    return None if first is None else f"importing {name} once more would call {first}"


def _top_level(code: CodeType) -> CodeType:
    """What an import itself runs, without the functions and classes that are defined there."""
    constants = tuple(None if type(one) is bytecode.CODE else one for one in code.co_consts)
    return code.replace(co_consts=constants, co_code=without_program(code))


def _loads(code: CodeType) -> list[tuple[str, tuple[str, ...]]]:
    found = bytecode.loads(code)
    return [(name, attributes) for space, name, attributes in found if space == bytecode.GLOBAL]


def _what_lasts(module: Any, name: str, attributes: tuple[str, ...]) -> str | None:
    value = vars(module).get(name, vars(builtins).get(name, MISSING))
    whole = ".".join((name, *attributes))
    last = attributes[-1] if attributes else callables.own(value, "__name__", name)
    if is_module(value) and (value.__name__, last) == _AT_EXIT:
        return whole
    if is_class(value) or is_module(value) or attributes:
        return whole if last in _LASTING else None
    if callable_walk.opened(value) is not value or _is_map(value):
        return whole  # a tuned function, or one that tunes
    if type(value) is FUNCTION and ownership.is_own_function(value):
        from amorsize._function.sharing.thread_safety import reach

        return whole if reach(value).touches else None
    return whole if callable(value) and last in _LASTING else None


def _is_map(value: Any) -> bool:
    home = callables.own(value, "__module__")
    is_ours = isinstance(home, str) and home.partition(".")[0] == "amorsize"
    return is_ours and callables.own(value, "__name__") != "autotune" and type(value) is FUNCTION
