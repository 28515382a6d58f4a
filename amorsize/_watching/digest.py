"""A bounded fingerprint of an object's inside, by which a change in place is known.

No code of the object's own runs: neither `__eq__` nor `__hash__`, no property, no `__len__`. Of
large containers some places are looked at, the same ones each time.
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

    # A function that takes in what a value holds; None for types whose values hold nothing.
    Look = Callable[["Digest", Any], None] | None

#: Containers and instances inside one value that are entered: about 1 ms.
MAX_OBJECTS = 512
#: Elements of all of them together: about 1 ms.
MAX_ELEMENTS = 16_384
#: Elements that are looked at of a container with more than are left of these.
N_PLACES = 128
#: Elements of one container that are entered in turn.
FOLLOWED = 64


class Digest:
    """Takes the fingerprint of one object, once.

    Args:
        look_of: Tells how to look into values of a type.

    Attributes:
        opaque: The name of a type that was met, whose inside cannot be seen.
        n_left: Elements that may still be looked at.
    """

    def __init__(self, look_of: Callable[[type], Look]) -> None:
        self.opaque: str | None = None
        self.n_left = MAX_ELEMENTS
        self._look_of = look_of
        self._out: list[Any] = []
        self._ahead: list[Any] = []
        self._made: list[Any] = []  # for this look; held, so that their ids are their own

    def of(self, value: Any) -> int:
        """The fingerprint: equal as long as nothing was changed where it looks."""
        self._ahead.append(value)
        seen: set[int] = set()
        for one in self._ahead:  # grows meanwhile: what lies at the top comes first
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
        """Take in what tells the state of a value."""
        self._out.append(told)

    def follow(self, values: Iterable[Any]) -> None:
        """Enter these as well."""
        self._ahead.extend(values)

    def elements(self, elements: Iterable[Any], n: int) -> None:
        """Take in elements, of which there are `n`; enter some of those that have an inside."""
        self._out.append(n)
        found = list(elements if n <= self.n_left else islice(elements, N_PLACES))
        self.n_left -= len(found)
        kinds = set(map(type, found))
        self._out.append(hash(frozenset(map(id, kinds))))
        if not kinds <= NUMBERS:
            self._out.append(hash(tuple(map(id, found))))
        if kinds & NUMBERS:  # by value: after two changes one may lie where the first one lay
            numbers = found if kinds <= NUMBERS else (o for o in found if type(o) in NUMBERS)
            self._out.append(hash(tuple(numbers)))
        if not kinds <= ATOMS:
            inner = (one for one in found if type(one) not in ATOMS)
            self._ahead.extend(islice(inner, FOLLOWED))

    def instance(self, one: Any, *, is_known: bool = False) -> None:
        """The attributes an instance keeps; `is_known`: beside what was looked at already."""
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
        """What was made for this look: new objects each time, so compared by what they hold."""
        self._made.append(state)
        values = state.values() if isinstance(state, dict) else state
        for value in values if isinstance(state, (dict, tuple, list)) else (state,):
            if isinstance(value, (str, bytes, int, float)):
                self._out.append(hash(value))
            else:
                self._ahead.append(value)
