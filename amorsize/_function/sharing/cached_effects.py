"""Finds what a cached function does that has to happen once for each key.

A cache in a worker process knows nothing of the others. There the function runs again for a key
that the loop would have found in its cache.
"""

from __future__ import annotations

import sys

from amorsize._function import bytecode
from amorsize._function.callable_walk import reads
from amorsize._function.callables import is_a
from amorsize._function.library.changes import NAMES_FOR_PROGRAMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FunctionType
    from typing import Any

    from amorsize._function.sharing.findings import Reach

#: Names of methods that write to files, and of those that send something to a service.
_WRITING = {"write_text", "write_bytes", "to_csv", "to_parquet", "to_json", "savefig", "unlink"}
_SENDING = {"post", "put", "patch", "delete", "sendall", "sendmail", "send_message", "publish"}
#: Names of functions that start programs, where they say nothing else.
_STARTING = NAMES_FOR_PROGRAMS - {"run", "call"}
#: Names of functions that give another value each time they are called.
_GIVING_NEW = {"uuid1", "uuid4", "urandom", "token_hex", "token_bytes", "token_urlsafe", "now"}
_GIVING_NEW |= {"utcnow", "mkdtemp", "mkstemp", "NamedTemporaryFile"}
#: Names of the functions whose mode says what they do, and the letters of modes.
_OPENING, _MODES = {"open", "fdopen"}, set("rwaxbt+")
_STREAMS = {"stdout", "stderr"}
#: The methods of a logger, with the levels of what they log.
_LOGGING = {"debug": 10, "info": 20, "warning": 30, "error": 40, "exception": 40, "critical": 50}


def lasting_effect(reach: Reach, read: Iterable[FunctionType]) -> str | None:
    """What runs of a cached function leave behind, in words; None: they only give their result.

    Args:
        reach: What the function and its helpers reach.
        read: Their code.
    """
    if changed := (*reach.stores, *reach.changed):
        return f"changes {changed[0]}"
    if done := (*reach.draws, *reach.bound):
        return f"calls {done[0]}"
    if any(one.startswith("print,") for one in reach.calls):
        return "prints"
    found = (_done_by(func, touches=reach.touches, connects=reach.connects) for func in read)
    return next(filter(None, found), None)


def _done_by(func: FunctionType, *, touches: bool, connects: bool) -> str | None:
    names = bytecode.names(func.__code__).keys()
    if names & _STREAMS and "write" in names:
        return "writes to the terminal"
    if _logs(func, names):
        return "logs"
    if new := names & _GIVING_NEW:
        return f"gives something new by {min(new)}()"
    if touches and (names & _WRITING or (names & _OPENING and _opens_to_write(func))):
        return "writes to a file"
    if touches and (names & _STARTING or ("subprocess" in names and names & {"run", "call"})):
        return "runs a program"
    return "sends something" if connects and names & _SENDING else None


def _opens_to_write(func: FunctionType) -> bool:
    modes = [text for text in bytecode.texts(func.__code__) if text and _MODES.issuperset(text)]
    return any(not set("wax+").isdisjoint(mode) for mode in modes)


def _logs(func: FunctionType, names: Any) -> bool:
    """Whether it logs to a logger that is on, as far as a name stands for one."""
    logging = sys.modules.get("logging")
    levels = [level for name, level in _LOGGING.items() if name in names]
    if logging is None or not levels:
        return False
    loggers = [value for _, _, value, _ in reads(func) if is_a(value, logging.Logger)]
    return any(one.isEnabledFor(level) for one in loggers for level in levels)
