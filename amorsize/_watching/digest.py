"""A bounded fingerprint of an object's inside, by which a change in place is known.

No code of the object's own runs: neither `__eq__` nor `__hash__`, no property, no `__len__`. Of
large containers and arrays some places are looked at, the same ones each time.
"""

from __future__ import annotations

import sys
from itertools import islice

from amorsize._function.callables import METHOD, MISSING, type_name
from amorsize._watching.leaf_types import (
    ATOMS,
    NUMBERS,
    attributes_of,
    is_atom,
    slots_of,
    told_state,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MAX_OBJECTS = 512  # containers and instances of one value that are entered: about 1 ms
MAX_ELEMENTS = 16_384  # of all of them together: about 1 ms
N_PLACES = 128  # of a container with more elements than that
FOLLOWED = 64  # elements of one container that are entered in turn
WHOLE_BYTES = 64 << 10  # of an array: 40 us
N_BLOCKS, BLOCK_BYTES = 32, 256  # of a larger one
MAX_KINDS = 1024  # whose way of looking is kept


class Digest:
    """Takes the fingerprint of one object, once."""

    def __init__(self) -> None:
        self.opaque: str | None = None  # a type that was met, whose inside cannot be seen
        self._left = MAX_ELEMENTS
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
        look = _look_of(kind)
        if look is None:
            self._out.append(one if kind in NUMBERS else id(one))
        else:
            look(self, one)

    # -- containers -------------------------------------------------------------------------

    def _elements(self, elements: Iterable[Any], n: int) -> None:
        """Take in elements, of which there are `n`; enter some of those that have an inside."""
        self._out.append(n)
        found = list(elements if n <= self._left else islice(elements, N_PLACES))
        self._left -= len(found)
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

    def _sequence(self, one: Any) -> None:
        base: Any = list if isinstance(one, list) else tuple
        n = base.__len__(one)
        if n <= self._left:
            self._elements(base.__iter__(one), n)
        else:
            self._out.append(n)
            places = {*range(0, n, max(1, n // N_PLACES)), *range(max(0, n - N_PLACES // 8), n)}
            self._elements([base.__getitem__(one, at) for at in sorted(places)], len(places))
        self._instance(one, is_known=True)

    def _mapping(self, one: Any) -> None:
        has_order = type_name(one) == "collections.OrderedDict"  # of its own, beside the dict's
        n = dict.__len__(one)
        self._elements(iter(one) if has_order else dict.__iter__(one), n)
        self._elements(dict.values(one), n)
        self._instance(one, is_known=True)

    def _set(self, one: Any) -> None:
        n = (set if isinstance(one, set) else frozenset).__len__(one)
        if n <= self._left:  # the hashes that it keeps of its elements
            self._out.append(hash(frozenset(one)))
        self._elements(frozenset(one) if n <= self._left else (), n)
        self._instance(one, is_known=True)

    def _deque(self, one: Any) -> None:
        self._elements(one, len(one))
        self._instance(one, is_known=True)

    def _view(self, one: Any) -> None:
        self._elements(one, len(one))
        self._elements(one.values(), len(one))

    # -- bytes ------------------------------------------------------------------------------

    def _bytes(self, one: Any) -> None:
        with memoryview(one) as view:
            self._out.append(view.nbytes)
            if view.c_contiguous and view.nbytes:
                with view.cast("B") as flat:
                    self._out.append(_hash_of(flat))
            elif view.nbytes <= WHOLE_BYTES:
                self._out.append(hash(view.tobytes()))

    def _array(self, one: Any) -> None:
        plain = sys.modules["numpy"].ndarray
        one = plain.view(one, plain)
        self._out.append((one.shape, one.strides, str(one.dtype)))
        if one.dtype.hasobject:
            self._elements(one.ravel()[: self._left].tolist(), min(one.size, self._left))
        elif one.flags.c_contiguous and one.size and one.dtype.itemsize:
            self._bytes(one.reshape(-1).view("u1"))
        elif one.size:
            steps = tuple(slice(None, None, max(1, n // 16)) for n in one.shape)
            self._out.append(hash(one[steps].tobytes()))

    def _tensor(self, one: Any) -> None:
        self._out.append((tuple(one.shape), one._version))  # torch counts changes in place

    # -- instances --------------------------------------------------------------------------

    def _instance(self, one: Any, *, is_known: bool = False) -> None:
        """The attributes an instance keeps; `is_known`: beside what was looked at already."""
        attributes, slots = attributes_of(one), list(slots_of(one))
        if attributes:
            self._out.append(hash(tuple(map(str, attributes))))
            self._elements(attributes.values(), len(attributes))
        if slots:
            self._elements(slots, len(slots))
        if is_known or attributes is not None or slots:
            return
        state = told_state(one)
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

    def _method(self, one: Any) -> None:
        self._out.append(id(one.__func__))
        self._ahead.append(one.__self__)

    def _partial(self, one: Any) -> None:
        self._ahead.extend((one.func, one.args, one.keywords))

    def _generator(self, one: Any) -> None:
        frame = one.gi_frame
        self._out.append(None if frame is None else frame.f_lasti)

    def _count(self, one: Any) -> None:
        self._out.append(repr(one))  # where it stands, without taking it further

    def _file(self, one: Any) -> None:
        from amorsize._watching.descriptors import position

        self._out.append(position(one))
        self._instance(one, is_known=True)

    def _random(self, one: Any) -> None:
        from amorsize._watching.random_state import state_of

        self._out.append(hash(state_of(one)))

    def _frame(self, one: Any) -> None:
        """A table or column of pandas: its blocks, not what it keeps for a quicker look."""
        blocks = [block.values for block in one._mgr.blocks]
        self._out.append(hash(tuple(map(id, one._mgr.axes))))
        self._out.append(hash(tuple(map(id, blocks))))
        self._ahead.extend(blocks[:FOLLOWED])


_BY_BASE: tuple[tuple[type, Any], ...] = (
    (list, Digest._sequence),
    (tuple, Digest._sequence),
    (dict, Digest._mapping),
    (set, Digest._set),
    (frozenset, Digest._set),
    (bytearray, Digest._bytes),
    (memoryview, Digest._bytes),
    (METHOD, Digest._method),
    (type(_ for _ in ""), Digest._generator),
    (type(type.__dict__), Digest._view),
)
_BY_NAME: dict[str, Any] = {
    "collections.deque": Digest._deque,
    "array.array": Digest._bytes,
    "numpy.ndarray": Digest._array,
    "torch._C.TensorBase": Digest._tensor,
    "torch._C._TensorBase": Digest._tensor,
    "pandas.core.generic.NDFrame": Digest._frame,
    "pandas.core.indexes.base.Index": None,
    "functools.partial": Digest._partial,
    "itertools.count": Digest._count,
    "_io._IOBase": Digest._file,
    "_random.Random": Digest._random,
    "numpy.random._generator.Generator": Digest._random,
    "numpy.random.mtrand.RandomState": Digest._random,
    "torch._C.Generator": Digest._random,
}
_looks: dict[type, Any] = {}


def _look_of(kind: type) -> Any:
    """How to look into values of a type; None where they have no inside."""
    if kind not in _looks:
        if len(_looks) >= MAX_KINDS:
            _looks.clear()
        _looks[kind] = None if is_atom(kind) else _found_look(kind)
    return _looks[kind]


def _found_look(kind: type) -> Any:
    for base, look in _BY_BASE:
        if issubclass(kind, base):
            return look
    for mother in kind.__mro__:
        name = f"{mother.__module__}.{mother.__qualname__}"
        if name in _BY_NAME:
            return _BY_NAME[name]
    return Digest._instance


def _hash_of(flat: memoryview) -> int:
    if flat.nbytes <= WHOLE_BYTES:
        return hash(bytes(flat))
    step = flat.nbytes // N_BLOCKS
    blocks = [bytes(flat[at : at + BLOCK_BYTES]) for at in range(0, flat.nbytes, step)]
    return hash((*blocks, bytes(flat[-BLOCK_BYTES:])))
