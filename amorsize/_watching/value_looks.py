"""Tells for each type how to read the content of its values for a fingerprint."""

from __future__ import annotations

import sys

from amorsize._function.callables import METHOD, READ_ONLY_DICT, type_name
from amorsize._watching.digest import FOLLOWED, N_PLACES, Digest
from amorsize._watching.leaf_types import is_atom

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._watching.digest import Look

#: Bytes of an array up to which all of it is read, which takes 40 us.
WHOLE_BYTES = 64 << 10
#: How many parts of a larger array are read, and the bytes of each.
N_BLOCKS, BLOCK_BYTES = 32, 256
#: The most types whose reader is kept.
MAX_KINDS = 1024


def new_digest() -> Digest:
    """A digest for the fingerprint of one object."""
    return Digest(look_of)


def look_of(kind: type) -> Look:
    """The reader for values of a type; None: they have no content that can change."""
    if kind not in _looks:
        if len(_looks) >= MAX_KINDS:
            _looks.clear()
        _looks[kind] = None if is_atom(kind) else _found_look(kind)
    return _looks[kind]


def _found_look(kind: type) -> Look:
    for base, look in _BY_BASE:
        if issubclass(kind, base):
            return look
    for mother in kind.__mro__:
        name = f"{mother.__module__}.{mother.__qualname__}"
        if name in _BY_NAME:
            return _BY_NAME[name]
    return Digest.instance


def _sequence(digest: Digest, one: Any) -> None:
    base: Any = list if isinstance(one, list) else tuple
    n = base.__len__(one)
    if n <= digest.n_left:
        digest.elements(base.__iter__(one), n)
    else:
        digest.note(n)
        places = {*range(0, n, max(1, n // N_PLACES)), *range(max(0, n - N_PLACES // 8), n)}
        digest.elements([base.__getitem__(one, at) for at in sorted(places)], len(places))
    digest.instance(one, is_known=True)


def _mapping(digest: Digest, one: Any) -> None:
    has_order = type_name(one) == "collections.OrderedDict"  # besides that of its dict
    n = dict.__len__(one)
    digest.elements(iter(one) if has_order else dict.__iter__(one), n)
    digest.elements(dict.values(one), n)
    digest.instance(one, is_known=True)


def _set(digest: Digest, one: Any) -> None:
    n = (set if isinstance(one, set) else frozenset).__len__(one)
    if n <= digest.n_left:  # the stored hashes of its elements
        digest.note(hash(frozenset(one)))
    digest.elements(frozenset(one) if n <= digest.n_left else (), n)
    digest.instance(one, is_known=True)


def _deque(digest: Digest, one: Any) -> None:
    digest.elements(one, len(one))
    digest.instance(one, is_known=True)


def _view(digest: Digest, one: Any) -> None:
    digest.elements(one, len(one))
    digest.elements(one.values(), len(one))


def _bytes(digest: Digest, one: Any) -> None:
    with memoryview(one) as view:
        digest.note(view.nbytes)
        if view.c_contiguous and view.nbytes:
            with view.cast("B") as flat:
                digest.note(_hash_of(flat))
        elif view.nbytes <= WHOLE_BYTES:
            digest.note(hash(view.tobytes()))


def _array(digest: Digest, one: Any) -> None:
    plain = sys.modules["numpy"].ndarray
    one = plain.view(one, plain)
    digest.note((one.shape, one.strides, str(one.dtype)))
    if one.dtype.hasobject:
        digest.elements(one.ravel()[: digest.n_left].tolist(), min(one.size, digest.n_left))
    elif one.flags.c_contiguous and one.size and one.dtype.itemsize:
        _bytes(digest, one.reshape(-1).view("u1"))
    elif one.size:
        steps = tuple(slice(None, None, max(1, n // 16)) for n in one.shape)
        digest.note(hash(one[steps].tobytes()))


def _tensor(digest: Digest, one: Any) -> None:
    digest.note((tuple(one.shape), one._version))  # torch counts changes in place


def _method(digest: Digest, one: Any) -> None:
    digest.note(id(one.__func__))
    digest.follow((one.__self__,))


def _partial(digest: Digest, one: Any) -> None:
    digest.follow((one.func, one.args, one.keywords))


def _generator(digest: Digest, one: Any) -> None:
    frame = one.gi_frame
    digest.note(None if frame is None else frame.f_lasti)


def _count(digest: Digest, one: Any) -> None:
    digest.note(repr(one))  # its position, without advancing it


def _file(digest: Digest, one: Any) -> None:
    from amorsize._watching.descriptors import position

    digest.note(position(one))
    digest.instance(one, is_known=True)


def _random(digest: Digest, one: Any) -> None:
    from amorsize._watching.random_state import state_of

    digest.note(hash(state_of(one)))


def _frame(digest: Digest, one: Any) -> None:
    """A table or column of pandas: its blocks, without its caches."""
    blocks = [block.values for block in one._mgr.blocks]
    digest.note(hash(tuple(map(id, one._mgr.axes))))
    digest.note(hash(tuple(map(id, blocks))))
    digest.follow(blocks[:FOLLOWED])


def _image(digest: Digest, one: Any) -> None:
    """An image of Pillow: some rows of its pixels, if they are in memory."""
    digest.instance(one, is_known=True)
    core = vars(one).get("_im", vars(one).get("im"))
    if core is None:
        return
    width, height = core.size
    for y in range(0, height, max(1, height // N_BLOCKS)):
        row = sys.modules["PIL.Image"].Image._new(one, core.crop((0, y, width, y + 1)))
        digest.note(hash(row.tobytes()))


def _hash_of(flat: memoryview) -> int:
    if flat.nbytes <= WHOLE_BYTES:
        return hash(bytes(flat))
    step = flat.nbytes // N_BLOCKS
    blocks = [bytes(flat[at : at + BLOCK_BYTES]) for at in range(0, flat.nbytes, step)]
    return hash((*blocks, bytes(flat[-BLOCK_BYTES:])))


_BY_BASE: tuple[tuple[type, Look], ...] = (
    (list, _sequence),
    (tuple, _sequence),
    (dict, _mapping),
    (set, _set),
    (frozenset, _set),
    (bytearray, _bytes),
    (memoryview, _bytes),
    (METHOD, _method),
    (type(_ for _ in ""), _generator),
    (READ_ONLY_DICT, _view),
)
_BY_NAME: dict[str, Look] = {
    "collections.deque": _deque,
    "array.array": _bytes,
    "numpy.ndarray": _array,
    "PIL.Image.Image": _image,
    "torch._C.TensorBase": _tensor,
    "torch._C._TensorBase": _tensor,
    "pandas.core.generic.NDFrame": _frame,
    "pandas.core.indexes.base.Index": None,
    "functools.partial": _partial,
    "itertools.count": _count,
    "_io._IOBase": _file,
    "_random.Random": _random,
    "numpy.random._generator.Generator": _random,
    "numpy.random.mtrand.RandomState": _random,
    "torch._C.Generator": _random,
}
_looks: dict[type, Look] = {}
