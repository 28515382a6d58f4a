"""Finds the numbers of objects in texts that are keys: what `hex(id(x))` gives, or `repr`."""

from __future__ import annotations

from itertools import islice

from amorsize._function import bytecode
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.value_flow import AS_TEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from types import FunctionType
    from typing import Any

_MAKING_TEXTS = frozenset({"repr", "str", "format", "ascii", "hex", "join"})
#: The first keys of a table, by which it is told whether its keys spell numbers.
_MOST_FIRST = 3
#: How an address is spelled: no object lies in the first pages of memory.
_NUMBER = r"0x[0-9a-fA-F]{5,}|[0-9]{7,}"


def makes_texts(functions: Iterable[FunctionType]) -> bool:
    """Whether the code of functions makes texts of objects."""
    return any(
        not _MAKING_TEXTS.isdisjoint(bytecode.names(one.__code__))
        or any(method in AS_TEXT for _, method in flow_of(one).run)
        for one in functions
    )


def spelled_in(keys: Collection[Any]) -> set[int]:
    """The numbers in texts, if some of the first have any."""
    import re

    spelled = re.compile(_NUMBER)
    first = [one for one in islice(keys, _MOST_FIRST) if type(one) is str]
    if not any(map(spelled.search, first)):
        return set()
    found = (number for one in keys if type(one) is str for number in spelled.findall(one))
    return {int(one, 16 if one[:2] == "0x" else 10) for one in found}
