"""Repeatable numbers without importing `random`, whose import every contender would pay for."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def uniform(seed: int, n_draws: int) -> "Iterator[float]":
    """Yield numbers from 0 up to 1, the same ones for the same seed.

    Source:
        The 64-bit linear congruential generator of Knuth, MMIX; its upper 53 bits.
    """
    state = seed
    for _ in range(n_draws):
        state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        yield (state >> 11) / (1 << 53)
