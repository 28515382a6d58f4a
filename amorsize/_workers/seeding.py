"""Gives each item its own random streams, which depend on the item's index alone.

`seeded(function, seed, generators)` seeds every generator before each item, from the seed, the
index of the item and the position of the generator in the list. A generator is either named by its
place in each process, such as "random:_inst", or a `Reached`: an object that the function refers
to. Without a list, all of `PROCESS_WIDE` are seeded: `random` at once, the others once their
libraries are loaded.

The seed is one number for all generators or one for each. `implicit_seeds(generators)` draws one
from each generator of the caller: a program that seeds its generators gets the same streams again.
`KeptStreams(generators)` restores the states of the caller's generators. Made after that draw, it
leaves them one number further on than before the call.
"""

from __future__ import annotations

import sys

from amorsize._host.unpatched import perf_counter
from amorsize._workers.random_generators import can_be_seeded, of_kind
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from amorsize._workers.random_generators import Seeder

OF_RANDOM = "random:_inst"
OF_NUMPY = "numpy.random.mtrand:_rand"
OF_TORCH = "torch.random:default_generator"
PROCESS_WIDE = (OF_RANDOM, OF_NUMPY, OF_TORCH)

_GOLDEN, _MIX, _MASK = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, (1 << 64) - 1
#: The increment between the 64-bit words of a larger state.
_SEEDED_ANEW = 0xD1B54A32D192ED03


class Reached(Value):
    """A generator of this process that a function refers to."""

    generator: Any


def seeded(
    function: Callable[[Any], Any],
    seed: int | tuple[int, ...],
    generators: tuple[Any, ...] | None = None,
) -> Callable[[tuple[int, Any]], Any]:
    """A function of (index, item) that seeds the generators before each item."""
    generators = PROCESS_WIDE if generators is None else generators
    if OF_RANDOM in generators:
        import random  # noqa: F401 - the first item that loads it would draw unseeded
    begin = _Streams(seed, generators).begin

    def with_streams(indexed: tuple[int, Any]) -> Any:
        index, item = indexed
        begin(index)
        return function(item)

    return with_streams


def begin_s(seed: int | tuple[int, ...] | None, generators: tuple[Any, ...]) -> float:
    """Seconds that seeding for one item takes now, on this host under its load."""
    begin, took_s = _Streams(seed or 0, generators).begin, float("inf")
    for _ in range(5):
        began = perf_counter()
        begin(0)
        took_s = min(took_s, perf_counter() - began)
    return took_s


def implicit_seeds(generators: tuple[Any, ...]) -> tuple[int, ...]:
    """One number drawn from each generator; 0 where its library is not loaded yet."""
    return tuple(
        0 if (found := _here(one)) is None else of_kind(found).draw(found) for one in generators
    )


class KeptStreams:
    """The states of the caller's generators, restored after a call that seeds them."""

    def __init__(self, generators: tuple[Any, ...] | None = None) -> None:
        self._generators = PROCESS_WIDE if generators is None else generators
        self._states: list[Any] = []
        self.keep()

    def keep(self) -> None:
        """Save the states now."""
        self._states = [
            None if (found := _here(one)) is None else (found, of_kind(found).state(found))
            for one in self._generators
        ]

    def put_back(self) -> None:
        """Restore the states once; seed generators loaded since as their library does."""
        states, self._states = self._states, []
        for one, kept in zip(self._generators, states, strict=False):
            if kept is not None:
                generator, state = kept
                of_kind(generator).put(generator, state)
            elif (found := _here(one)) is not None:
                of_kind(found).seeder(found)(int.from_bytes(_random_bytes(), "little"))


def _random_bytes() -> bytes:
    import os

    return os.urandom(8)


class _Streams:
    """Seeds generators by the index of an item, each from when its library is loaded."""

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
        """Seed the generators for the item with this index."""
        if self._late:
            self._late = [(one, base) for one, base in self._late if not self._add(one, base)]
        for seed, base in self._ready:
            value = (base + (index + 1) * _MIX) & _MASK  # the finaliser of splitmix64
            value = ((value ^ (value >> 30)) * _MIX) & _MASK
            seed(value ^ (value >> 31))

    def _add(self, one: Any, base: int) -> bool:
        generator = _here(one)
        if generator is not None:
            self._ready.append((of_kind(generator).seeder(generator), base))
        return generator is not None


def _salt(one: Any, number: int) -> int:
    """A number that differs per generator: equal seeds would give equal streams."""
    return PROCESS_WIDE.index(one) if one in PROCESS_WIDE else len(PROCESS_WIDE) + number


def _folded(seed: int) -> int:
    """A number of any size as 64 bits; smaller ones stay unchanged."""
    while seed > _MASK:
        seed = (seed & _MASK) ^ _spread(seed >> 64)
    return seed


def _spread(value: int) -> int:
    """Mix the bits of a number of 64 bits or more."""
    value = (value * _GOLDEN + _SEEDED_ANEW) & (value | _MASK)
    return value ^ (value >> 32)


# -- where generators are -------------------------------------------------------------------------


def _here(one: Any) -> Any:
    """The generator meant, in this process; None where its library is not loaded."""
    if not isinstance(one, str):
        return one.generator
    if one == OF_NUMPY:
        # numpy loads its generators when they are first named: an item must not find them unseeded.
        getattr(sys.modules.get("numpy"), "random", None)
    module_name, _, name = one.partition(":")
    module = sys.modules.get(module_name)
    generator = vars(module).get(name) if module is not None else None
    return generator if can_be_seeded(generator) else None
