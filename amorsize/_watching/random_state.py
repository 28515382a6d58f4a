"""Reads the states of random generators."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def of_program() -> dict[str, Any]:
    """The global generators of loaded libraries, by the names that users know."""
    found: dict[str, Any] = {}
    for name, module, attribute in (
        ("random", "random", "_inst"),
        ("numpy.random", "numpy.random.mtrand", "_rand"),
        ("torch", "torch.random", "default_generator"),
    ):
        generator = getattr(sys.modules.get(module), attribute, None)
        if generator is not None:
            found[name] = generator
    return found


def is_generator(value: Any) -> bool:
    """Whether this is a random generator whose state can be read."""
    names = {f"{base.__module__}.{base.__qualname__}" for base in type(value).__mro__}
    return not names.isdisjoint(_KINDS)


_KINDS = frozenset(
    {
        *("_random.Random", "numpy.random.mtrand.RandomState", "torch._C.Generator"),
        *("numpy.random._generator.Generator", "numpy.random.bit_generator.BitGenerator"),
    }
)


def state_of(generator: Any) -> Any:
    """The state that determines its next numbers, in a form that compares and hashes.

    None: it has no state of its own, such as `random.SystemRandom`.
    """
    if (bits := getattr(generator, "bit_generator", None)) is not None:  # numpy's `Generator`
        return _plain(bits.state)
    if hasattr(generator, "getstate"):
        try:
            return generator.getstate()
        except NotImplementedError:
            return None
    if hasattr(generator, "state"):
        return _plain(generator.state)
    if hasattr(generator, "get_state"):
        state = generator.get_state()
        return state.numpy().tobytes() if hasattr(state, "numpy") else _plain(state)
    return None


def _plain(state: Any) -> Any:
    """A state in tuples, with its arrays as bytes."""
    if isinstance(state, dict):
        return tuple((name, _plain(value)) for name, value in state.items())
    if isinstance(state, tuple):
        return tuple(map(_plain, state))
    return state.tobytes() if hasattr(state, "tobytes") else state
