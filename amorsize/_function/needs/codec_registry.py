"""Finds what the program has registered for encodings.

Python does not list what is registered. So each text in the code of a function that may be the
name of an encoding or error handler is looked up.
"""

from __future__ import annotations

import codecs
import sys

from amorsize._function import bytecode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_OWN_HANDLERS = {"strict", "ignore", "replace", "xmlcharrefreplace", "backslashreplace"}
_OWN_HANDLERS |= {"namereplace", "surrogateescape", "surrogatepass"}
_USERS = {"encode", "decode", "open", "read_text", "write_text", "lookup", "reader", "writer"}
_USERS |= {"TextIOWrapper", "str", "bytes", "encoding", "errors"}
#: Characters of the longest text that may be the name of an encoding.
LONGEST = 40


def registered(func: Any) -> str | None:
    """An encoding or error handler that a function names and that a worker may lack."""
    code = func.__code__
    if _USERS.isdisjoint(bytecode.names(code)):
        return None
    for text in bytecode.texts(code):
        if not (text.isascii() and 0 < len(text) <= LONGEST):
            continue
        if text not in _OWN_HANDLERS and _is_handler(text):
            return f"the error handler {text!r}"
        if _is_foreign(text):
            return f"the encoding {text!r}"
    return None


def aliases(func: Any) -> dict[str, str]:
    """The further names of encodings that a function names, with what they stand for."""
    known = getattr(sys.modules.get("encodings.aliases"), "aliases", {})
    if _USERS.isdisjoint(bytecode.names(func.__code__)):
        return {}
    names = (_encoding_name(text) for text in bytecode.texts(func.__code__))
    return {name: known[name] for name in names if name in known}


def _encoding_name(text: str) -> str:
    """As the table of further names has it."""
    return text.lower().replace(" ", "_").replace("-", "_")


def _is_handler(text: str) -> bool:
    try:
        codecs.lookup_error(text)
    except LookupError:
        return False
    return True


def _is_foreign(text: str) -> bool:
    """Whether an encoding is found that the standard library does not know."""
    cache = getattr(sys.modules.get("encodings"), "_cache", {})
    name = _encoding_name(text)
    if cache.get(name, cache.get(text, cache)) is not None:  # not asked for yet, or found
        return False
    try:
        codecs.lookup(text)
    except LookupError:
        return False
    return True
