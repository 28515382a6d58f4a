"""What code does to a database, by the SQL that stands in it."""

from __future__ import annotations

from amorsize._function import bytecode
from amorsize._function.callable_walk import reads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FunctionType

#: What is done to a file.
CHANGES, ADDS, LOOKS = "changes", "adds", "looks"
#: What statements do that begin with these words, and those that have them in the middle.
_BEGINNINGS = {
    "insert": ADDS,
    **dict.fromkeys(("select", "with", "pragma", "explain"), LOOKS),
    **dict.fromkeys(("update", "delete", "replace", "merge", "drop", "alter"), CHANGES),
}
_WITHIN = {" returning ": LOOKS, " select ": LOOKS, " on conflict": CHANGES, " or replace": CHANGES}
#: Attributes and functions that tell what is in a database by now, or add to it.
_NAMES = dict.fromkeys(("lastrowid", "total_changes", "read_sql", "read_sql_query"), LOOKS)
_NAMES |= {"read_sql_table": LOOKS, "to_sql": ADDS}
#: What code may do whose statements are put together elsewhere.
_UNKNOWN = (ADDS, LOOKS)


def uses_by_sql(read: Iterable[FunctionType]) -> tuple[str, ...]:
    """What the statements in the code of these, and in the texts that it names, do in all."""
    found: dict[str, None] = {}
    for func in read:
        found |= dict.fromkeys(use for use, _ in statements(func))
        found |= {_NAMES[one]: None for one in bytecode.names(func.__code__) if one in _NAMES}
    return tuple(found) if found else _UNKNOWN


def statements(func: FunctionType) -> Iterator[tuple[str, str]]:
    """What the SQL in a function's code, and in the texts that it names, does; with its first word.

    One that does several things comes several times.
    """
    for text in _texts(func):
        statement = " ".join(text.lower().split())
        yield from ((use, statement.partition(" ")[0]) for use in _uses_of(statement))


def _texts(func: FunctionType) -> Iterator[str]:
    yield from bytecode.texts(func.__code__)
    yield from (value for _, _, value, _ in reads(func) if type(value) is str)


def _uses_of(statement: str) -> Iterator[str]:
    first = statement.partition(" ")[0]
    if first in _BEGINNINGS and first != statement:
        yield _BEGINNINGS[first]
        yield from (use for words, use in _WITHIN.items() if words in statement)
