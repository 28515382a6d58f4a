"""Stand for objects that an item makes, of which only the class is known."""

from __future__ import annotations

from amorsize._function.bytecode import stored_attributes
from amorsize._function.callables import FUNCTION, MISSING, has, member
from amorsize._function.ownership import is_own_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Made:
    """Stands for an instance that an item has made: nothing of its own is shared.

    Attributes:
        cls: Its class, whose attributes it has in common with others.
    """

    __slots__ = ("cls", "own_names")

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self.own_names: set[str] | None = None  # not asked yet

    def attribute(self, name: str) -> Any:
        """The attribute of its class under a name; MISSING: it may have one of its own."""
        held = member(self.cls, name)
        if held is MISSING or has(type(held), "__get__"):
            return MISSING
        if self.own_names is None:
            self.own_names = _names_set_by(self.cls)
        return MISSING if name in self.own_names else held


class Copied:
    """Stands for a new container or object that holds what another one holds."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Memory:
    """Stands for a view of the memory of something whose slices are copies."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Super:
    """Stands for the result of `super()` in a method.

    Args:
        owner: The object that the method is of.
        cls: The class that has the method; None: that is not known.
    """

    __slots__ = ("cls", "owner")

    def __init__(self, owner: Any, cls: Any) -> None:
        self.owner, self.cls = owner, cls

    def methods(self, name: str) -> list[Any]:
        """The next function of this name; all of its classes where the one in turn is not known."""
        order = class_of(self.owner).__mro__
        place = next((at for at, one in enumerate(order) if one is self.cls), None)
        ahead = order if place is None else order[place + 1 :]
        found: list[Any] = [vars(one)[name] for one in ahead if name in vars(one)]
        if place is not None:
            found = found[:1]
        return [one.__get__(self.owner) for one in found if type(one) is FUNCTION]


def class_of(value: Any) -> type:
    """The class of an object, or of one of which only the class is known."""
    return value.cls if type(value) is Made else type(value)


def _names_set_by(cls: type) -> set[str]:
    """The names of attributes that methods of a class assign."""
    found: set[str] = set()
    for base in cls.__mro__:
        if is_own_class(base):
            for held in tuple(vars(base).values()):
                if type(held) is FUNCTION:
                    found |= stored_attributes(held.__code__)
    return found
