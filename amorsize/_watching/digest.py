"""A bounded fingerprint of the content of an object, which shows changes in place.

It runs no code of the object: neither `__eq__` nor `__hash__`, no property, no `__len__`. Large
containers are sampled, at the same places each time.
"""

from __future__ import annotations

from itertools import islice

from amorsize._function.callables import MISSING, type_name
from amorsize._watching.instance_state import attributes_of, pickled_state, slots_of
from amorsize._watching.leaf_types import ATOMS, NUMBERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    #: A function that adds the content of a value; None for types whose values have no content.
    Look = Callable[["Digest", Any], None] | None

#: The most containers and instances that are entered in one value, which takes about 1 ms.
MAX_OBJECTS = 512
#: The most elements of all of them together, which takes about 1 ms.
MAX_ELEMENTS = 16_384
#: How many elements are sampled of a container that has more than are left of these.
N_PLACES = 128
#: How many elements of one container are entered in turn.
FOLLOWED = 64


class Digest:
    """Takes the fingerprint of one object, once.

    Args:
        look_of: Tells how to look into values of a type.

    Attributes:
        opaque: The name of a type in the value whose content cannot be read.
        n_left: How many elements may still be read.
    """

    def __init__(self, look_of: Callable[[type], Look]) -> None:
        self.opaque: str | None = None
        self.n_left = MAX_ELEMENTS
        self._look_of = look_of
        self._out: list[Any] = []
        self._ahead: list[Any] = []
        self._made: list[Any] = []  # made for this; kept, so that their ids stay unique

    def of(self, value: Any) -> int:
        """The fingerprint, which stays equal until something changes where it looks."""
        self._ahead.append(value)
        seen: set[int] = set()
        for one in self._ahead:  # which grows meanwhile: outer values come first
            if id(one) not in seen and len(seen) < MAX_OBJECTS:
                seen.add(id(one))
                self._enter(one)
        return hash(tuple(self._out))

    def _enter(self, one: Any) -> None:
        kind = type(one)
        self._out.append(id(kind))
        look = self._look_of(kind)
        if look is None:
            self._out.append(one if kind in NUMBERS else id(one))
        else:
            look(self, one)

    def note(self, told: Any) -> None:
        """Add something that shows the state of a value."""
        self._out.append(told)

    def follow(self, values: Iterable[Any]) -> None:
        """Add the content of these values as well."""
        self._ahead.extend(values)

    def elements(self, elements: Iterable[Any], n: int) -> None:
        """Add `n` elements, and the content of some of them."""
        self._out.append(n)
        found = list(elements if n <= self.n_left else islice(elements, N_PLACES))
        self.n_left -= len(found)
        kinds = set(map(type, found))
        self._out.append(hash(frozenset(map(id, kinds))))
        if not kinds <= NUMBERS:
            self._out.append(hash(tuple(map(id, found))))
        if kinds & NUMBERS:  # by value: a new number may have the id of an old one
            numbers = found if kinds <= NUMBERS else (o for o in found if type(o) in NUMBERS)
            self._out.append(hash(tuple(numbers)))
        if not kinds <= ATOMS:
            inner = (one for one in found if type(one) not in ATOMS)
            self._ahead.extend(islice(inner, FOLLOWED))

    def instance(self, one: Any, *, is_known: bool = False) -> None:
        """Add the attributes of an instance; `is_known`: the rest of it was added already."""
        attributes, slots = attributes_of(one), list(slots_of(one))
        if attributes:
            self._out.append(hash(tuple(map(str, attributes))))
            self.elements(attributes.values(), len(attributes))
        if slots:
            self.elements(slots, len(slots))
        if is_known or attributes is not None or slots:
            return
        state = pickled_state(one)
        if state is MISSING:
            self.opaque = self.opaque or type_name(one)
            self._out.append(id(one))
        else:
            self._state(state)

    def _state(self, state: Any) -> None:
        """Add a state that was made for this: new objects each time, so compared by content."""
        self._made.append(state)
        values = state.values() if isinstance(state, dict) else state
        for value in values if isinstance(state, (dict, tuple, list)) else (state,):
            if isinstance(value, (str, bytes, int, float)):
                self._out.append(hash(value))
            else:
                self._ahead.append(value)
