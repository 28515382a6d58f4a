"""Programs that print, started by code that lets them print where the whole program does."""

from __future__ import annotations

from amorsize._function import bytecode
from amorsize._function.bound_arguments import NOTHING
from amorsize._function.callables import public_name_of
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.name_lookup import callees_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FunctionType

#: Functions that start a program, whose output is the program's own unless an option says where.
STARTING = {
    *("subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.Popen"),
    "os.system",
}
_OPTIONS = {"stdout", "capture_output"}
#: Programs that are run for what they print, and whose names are hardly arguments of others.
_PRINTING = {
    *("echo", "printf", "cat", "ls", "head", "tail", "grep", "wc", "pwd", "uname", "whoami"),
    *("hostname", "df", "du", "md5sum", "sha1sum", "sha256sum", "xxd", "jq"),
}
#: Where a command begins: a text or a part of one for a shell.
_COMMAND = r"(?:^|[;&|(\n])\s*(?:/\S*/)?([\w-]+)(?=\s|$)"
#: What sends the output of a command in a shell to a file.
_TO_A_FILE = r">(?!&)"


def printing_programs(read: Iterable[FunctionType]) -> list[str]:
    """The programs that the texts in the code of these name, if some code starts any like that."""
    functions = list(read)
    if not any(True for func in functions for _ in _starts(func)):
        return []
    words = (word for func in functions for word in _commands(func))
    return [*dict.fromkeys(word for word in words if word in _PRINTING)]


def _commands(func: FunctionType) -> Iterator[str]:
    """The first words of the commands that may stand in the texts of the code."""
    import re

    texts = [one for one in bytecode.texts(func.__code__) if one != func.__doc__]
    if not any(re.search(_TO_A_FILE, text) for text in texts):
        for text in texts:
            yield from re.findall(_COMMAND, text)


def _starts(func: FunctionType) -> Iterator[str]:
    """The functions by which the code starts programs without saying where these print."""
    for callee, _, named in flow_of(func).calls:
        for called in callees_of(func, NOTHING, callee) if _OPTIONS.isdisjoint(named) else ():
            if callable(called) and (name := public_name_of(called)) in STARTING:
                yield name
