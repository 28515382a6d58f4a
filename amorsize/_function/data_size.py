"""Estimates how much data a function reaches."""

from __future__ import annotations

from amorsize._function import callables, sizeof
from amorsize._function.callables import is_a
from amorsize._function.container_elements import elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from amorsize._function.ownership import Owns

#: Shorter texts are not counted.
MANY_CHARS = 1000


class DataSize:
    """Adds up the rough size of data, each value once.

    Attributes:
        in_arrays: Bytes of arrays and their like.
        in_others: Bytes of all other data.
    """

    def __init__(self, owns: Owns, sample: Any) -> None:
        self.in_arrays = self.in_others = 0
        self._owns = owns
        self._seen: dict[int, Any] = {id(sample): sample}  # which does not belong to the task

    def pass_over(self, values: Iterable[Any]) -> None:
        """Skip these values, because they are counted with their container."""
        self._seen.update((id(one), one) for one in values)

    def weigh(self, target: Any) -> None:
        """Count the bytes of a value, unless it was counted with its container."""
        if id(target) in self._seen or callables.is_partial(target):
            return
        self._seen[id(target)] = target
        one = target
        if is_a(target, dict | list | tuple | set | frozenset):
            one = next(iter(elements(target)), None)
        elif self._owns.class_(type(target)):
            return  # its attributes are
        if sizeof.has_size(one):
            self.in_arrays += sizeof.of(target)
        else:
            self.in_others += sizeof.of(target)

    def texts(self, values: Iterable[Any]) -> None:
        """Count the bytes of long texts, which are counted nowhere else."""
        for one in values:
            if type(one) in (str, bytes) and len(one) > MANY_CHARS:
                self.weigh(one)
