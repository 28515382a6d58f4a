"""Random streams by item: what an item draws depends on its index, not on where it runs.

`seeded(function, seed, generators)` gives every generator a new state before each item, made of the
seed, the item's index and the generator's place in the list. A generator is named by where each
process has one of its own (a text such as "random:_inst"; `PROCESS_WIDE` lists those of whole
programs), or is a `Reached`: an object that the function leads to, which travels with the task.
Without a list, all of `PROCESS_WIDE` are meant, `random` at once, the others as soon as their
libraries are loaded.

The seed is one number for all, or one for each: `implicit_seeds(generators)` draws one number from
each generator as the caller has it, so that whoever seeds it before a call gets the same streams
again. `KeptStreams(generators)` puts the caller's own states back: made after that draw, it leaves
them one number further on than they were before the call.
"""

from __future__ import annotations

import sys

from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Seeder = Callable[[int], object]  # takes 64 bits

OF_RANDOM, OF_NUMPY = "random:_inst", "numpy.random.mtrand:_rand"
PROCESS_WIDE = (OF_RANDOM, OF_NUMPY, "torch.random:default_generator")

_GOLDEN, _MIX, _MASK = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, (1 << 64) - 1
_SEEDED_ANEW = 0xD1B54A32D192ED03  # between the words of a state that takes more than 64 bits


class Reached(Value):
    """A generator that a function leads to, and the global that has it, if one does.

    A worker that was not forked may have another object there, of its own: both are seeded.
    """

    generator: Any
    place: str | None = None


def seeded(
    function: Callable[[Any], Any],
    seed: int | tuple[int, ...],
    generators: tuple[Any, ...] | None = None,
) -> Callable[[tuple[int, Any]], Any]:
    """The function of (index, item) that begins each item's streams before it."""
    if generators is None:
        import random  # noqa: F401 - the first item that loads it would draw unseeded

        generators = PROCESS_WIDE
    begin = _Streams(seed, generators).begin

    def with_streams(indexed: tuple[int, Any]) -> Any:
        index, item = indexed
        begin(index)
        return function(item)

    return with_streams


def implicit_seeds(generators: tuple[Any, ...]) -> tuple[int, ...]:
    """One number drawn from each generator; 0 where its library is not loaded yet."""
    return tuple(
        0 if (found := _here(one)) is None else _of_kind(found).draw(found) for one in generators
    )


def implicit_seed() -> int:
    """One number drawn from the generator of the module `random`."""
    return implicit_seeds((OF_RANDOM,))[0]


def can_be_seeded(generator: object) -> bool:
    """Is it a generator whose state can be saved and set?"""
    return _kind_of(generator) is not None


class KeptStreams:
    """The states of the caller's own generators, to be put back after a call that seeds them."""

    def __init__(self, generators: tuple[Any, ...] | None = None) -> None:
        self._generators = PROCESS_WIDE if generators is None else generators
        self._states: list[Any] = []
        self.keep()

    def keep(self) -> None:
        """Save what there is now."""
        self._states = [
            None if (found := _here(one)) is None else (found, _of_kind(found).state(found))
            for one in self._generators
        ]

    def put_back(self) -> None:
        """Restore what was saved; what has been loaded since is seeded as its library does."""
        for one, kept in zip(self._generators, self._states, strict=True):
            if kept is not None:
                generator, state = kept
                _of_kind(generator).put(generator, state)
            elif (found := _here(one)) is not None:
                _of_kind(found).seeder(found)(int.from_bytes(_random_bytes(), "little"))


def _random_bytes() -> bytes:
    import os

    return os.urandom(8)


class _Streams:
    """Seeds generators by the index of an item; those of libraries that load late, from then on."""

    def __init__(self, seed: int | tuple[int, ...], generators: tuple[Any, ...]) -> None:
        seeds = seed if isinstance(seed, tuple) else (seed,) * len(generators)
        self._ready: list[tuple[Seeder, int]] = []
        self._late: list[tuple[Any, int]] = []
        for number, (one, its_seed) in enumerate(zip(generators, seeds, strict=True)):
            salt = _salt(one, number)
            base = _folded(its_seed) * _GOLDEN + salt * _SEEDED_ANEW
            if not self._add(one, base):
                self._late.append((one, base))

    def begin(self, index: int) -> None:
        """Begin the streams of the item with this index."""
        if self._late:
            self._late = [(one, base) for one, base in self._late if not self._add(one, base)]
        for seed, base in self._ready:
            value = (base + (index + 1) * _MIX) & _MASK  # the finaliser of splitmix64
            value = ((value ^ (value >> 30)) * _MIX) & _MASK
            seed(value ^ (value >> 31))

    def _add(self, one: Any, base: int) -> bool:
        found = {id(generator): generator for generator in _all_here(one)}
        for generator in found.values():
            self._ready.append((_of_kind(generator).seeder(generator), base))
        return bool(found)


def _salt(one: Any, number: int) -> int:
    """What sets a generator apart: two of one kind and one state would draw the same numbers."""
    return PROCESS_WIDE.index(one) if one in PROCESS_WIDE else len(PROCESS_WIDE) + number


def _folded(seed: int) -> int:
    """A number of any size as 64 bits; smaller ones stay what they are."""
    while seed > _MASK:
        seed = (seed & _MASK) ^ _spread(seed >> 64)
    return seed


def _spread(value: int) -> int:
    """Another 64 bits for some, or more than one word of them."""
    value = (value * _GOLDEN + _SEEDED_ANEW) & (value | _MASK)
    return value ^ (value >> 32)


# -- where generators are -------------------------------------------------------------------------


def _here(one: Any) -> Any:
    """The generator meant, in this process; None where its library is not loaded."""
    return next(iter(_all_here(one)), None)


def _all_here(one: Any) -> list[Any]:
    if not isinstance(one, str):
        placed = [] if one.place is None else _all_here(one.place)
        return [one.generator, *placed]
    module_name, _, name = one.partition(":")
    if one == OF_NUMPY:
        # numpy loads its generators when they are first named: an item must not find them unseeded.
        getattr(sys.modules.get("numpy"), "random", None)
    module = sys.modules.get(module_name)
    generator = vars(module).get(name) if module is not None else None
    return [generator] if can_be_seeded(generator) else []


# -- kinds of generators --------------------------------------------------------------------------


class _Random:
    """`random.Random`, the generator behind the module included."""

    @staticmethod
    def seeder(generator: Any) -> Seeder:
        import random

        if type(generator).seed is not random.Random.seed:  # a subclass that seeds in its own way
            return generator.seed  # type: ignore[no-any-return]
        seed = random.Random.__mro__[1].seed  # type: ignore[attr-defined]

        def begin(value: int) -> None:
            seed(generator, value)
            generator.gauss_next = None

        return begin

    @staticmethod
    def state(generator: Any) -> Any:
        return generator.getstate()

    @staticmethod
    def put(generator: Any, state: Any) -> None:
        generator.setstate(state)

    @staticmethod
    def draw(generator: Any) -> int:
        return int(generator.getrandbits(64))


class _RandomState:
    """numpy's older `RandomState`, the generator behind `numpy.random.rand` included."""

    @staticmethod
    def seeder(generator: Any) -> Seeder:
        bits = generator._bit_generator
        if type(bits).__name__ != "MT19937":
            return _BitGenerator.seeder(bits)

        def begin(value: int) -> None:
            generator.seed([value & 0xFFFFFFFF, value >> 32])

        return begin

    @staticmethod
    def state(generator: Any) -> Any:
        return generator.get_state(legacy=False)

    @staticmethod
    def put(generator: Any, state: Any) -> None:
        generator.set_state(state)

    @staticmethod
    def draw(generator: Any) -> int:
        return int.from_bytes(generator.bytes(8), "little")


class _BitGenerator:
    """numpy's bit generators: their states are set rather than seeded, in a tenth of the time."""

    @staticmethod
    def seeder(generator: Any) -> Seeder:
        if type(generator).__name__ == "MT19937":
            return _RandomState.seeder(sys.modules["numpy.random"].RandomState(generator))
        make = _STATES.get(type(generator).__name__)
        kind, state = type(generator), generator.state

        def set_state(value: int) -> None:
            generator.state = make(state, value)  # type: ignore[misc]

        def seed_anew(value: int) -> None:
            generator.state = kind(value).state

        return seed_anew if make is None else set_state

    @staticmethod
    def state(generator: Any) -> Any:
        return generator.state

    @staticmethod
    def put(generator: Any, state: Any) -> None:
        generator.state = state

    @staticmethod
    def draw(generator: Any) -> int:
        return _NumpyGenerator.draw(sys.modules["numpy.random"].Generator(generator))


class _NumpyGenerator(_BitGenerator):
    """numpy's `Generator`, which keeps no state beside that of its bits."""

    @staticmethod
    def seeder(generator: Any) -> Seeder:
        return _BitGenerator.seeder(generator.bit_generator)

    @staticmethod
    def state(generator: Any) -> Any:
        return generator.bit_generator.state

    @staticmethod
    def put(generator: Any, state: Any) -> None:
        generator.bit_generator.state = state

    @staticmethod
    def draw(generator: Any) -> int:
        return int.from_bytes(generator.bytes(8), "little")


class _TorchGenerator:
    """`torch.Generator`, the default one of the CPU included."""

    @staticmethod
    def seeder(generator: Any) -> Seeder:
        return generator.manual_seed  # type: ignore[no-any-return]

    @staticmethod
    def state(generator: Any) -> Any:
        return generator.get_state()

    @staticmethod
    def put(generator: Any, state: Any) -> None:
        generator.set_state(state)

    @staticmethod
    def draw(generator: Any) -> int:
        torch = sys.modules["torch"]
        drawn = torch.empty((), dtype=torch.int64, device=generator.device)
        return int(drawn.random_(generator=generator).item())


def _of_pcg64(state: dict[str, Any], value: int) -> dict[str, Any]:
    words = _words(value)
    inner = {"state": words[0] << 64 | words[1], "inc": words[2] << 64 | words[3] | 1}
    return {**state, "state": inner, "has_uint32": 0, "uinteger": 0}


def _of_philox(state: dict[str, Any], value: int) -> dict[str, Any]:
    inner = {"counter": (0, 0, 0, 0), "key": _words(value)[:2]}
    return {**state, "state": inner, "buffer_pos": 4, "has_uint32": 0, "uinteger": 0}


def _words(value: int) -> list[int]:
    """Four words of 64 bits (splitmix64)."""
    words = []
    for _ in range(4):
        value = (value + _GOLDEN) & _MASK
        word = ((value ^ (value >> 30)) * _MIX) & _MASK
        word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
        words.append(word ^ (word >> 31))
    return words


_STATES: dict[str, Callable[[dict[str, Any], int], dict[str, Any]]] = {
    "PCG64": _of_pcg64,
    "PCG64DXSM": _of_pcg64,
    "Philox": _of_philox,
}
_KINDS: tuple[tuple[str, str, Any], ...] = (
    ("random", "SystemRandom", None),  # keeps no state
    ("random", "Random", _Random),
    ("numpy.random", "RandomState", _RandomState),
    ("numpy.random", "Generator", _NumpyGenerator),
    ("numpy.random", "BitGenerator", _BitGenerator),
    ("torch", "Generator", _TorchGenerator),
)


def _kind_of(generator: object) -> Any:
    """How to deal with a generator; None for anything else."""
    for module, name, kind in _KINDS:
        cls = getattr(sys.modules.get(module), name, None)
        if cls is not None and isinstance(generator, cls):
            return kind
    return None


def _of_kind(generator: Any) -> Any:
    kind = _kind_of(generator)
    assert kind is not None, f"{generator!r} is no random generator"
    return kind
