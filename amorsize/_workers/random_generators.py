"""The operations that seeding needs on each kind of random generator."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Seeder = Callable[[int], object]  # takes 64 bits

_GOLDEN, _MIX, _MASK = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, (1 << 64) - 1


def can_be_seeded(generator: object) -> bool:
    """Whether it is a generator whose state can be saved and restored."""
    return _kind_of(generator) is not None


def of_kind(generator: Any) -> Any:
    """The functions for a generator of this kind."""
    kind = _kind_of(generator)
    assert kind is not None, f"{generator!r} is no random generator"
    return kind


def _kind_of(generator: object) -> Any:
    for module, name, kind in _KINDS:
        cls = getattr(sys.modules.get(module), name, None)
        if cls is not None and isinstance(generator, cls):
            return kind
    return None


class _Random:
    """`random.Random`, with the generator behind the module."""

    @staticmethod
    def seeder(generator: Any) -> Seeder:
        import random

        if type(generator).seed is not random.Random.seed:  # a subclass with its own way to seed
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
    """numpy's older `RandomState`, with the generator behind `numpy.random.rand`."""

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
    """numpy's bit generators. To set a state takes a tenth of the time of seeding."""

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
    """numpy's `Generator`, whose only state is that of its bit generator."""

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
    """`torch.Generator`, with the default one of the CPU."""

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
