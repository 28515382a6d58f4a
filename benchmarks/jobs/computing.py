"""Jobs of pure Python arithmetic: they hold the GIL, and their items are small.

How long an item takes is a number of turns fixed here, never a reading of the clock. One turn takes
about 85 ns on the machine the numbers were chosen on (AMD EPYC, CPython 3.11).
"""

from benchmarks.jobs.draws import uniform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MODULUS = 0x7FFFFFFF


def churn(n_turns: int) -> int:
    """Turn a congruential generator `n_turns` times."""
    x = n_turns
    for _ in range(n_turns):
        x = (x * 1103515245 + 12345) & MODULUS
    return x


def remainder(x: int) -> int:
    """About 0.1 us."""
    return (x * 31 + 7) % 1009


def ten_us(x: int) -> int:
    """About 10 us."""
    for _ in range(115):
        x = (x * 1103515245 + 12345) & MODULUS
    return x


def sixty_us(x: int) -> int:
    """About 60 us."""
    for _ in range(700):
        x = (x * 1103515245 + 12345) & MODULUS
    return x


def n_primes(limit: int) -> int:
    """Count the primes below `limit`; about 0.5 ms at 60,000."""
    flags = bytearray([1]) * limit
    for n in range(2, int(limit**0.5) + 1):
        if flags[n]:
            flags[n * n :: n] = bytes(len(range(n * n, limit, n)))
    return sum(flags) - 2


def four_hundred_thousand() -> range:
    return range(400_000)


def sixty_thousand() -> range:
    return range(60_000)


def thirty_thousand() -> range:
    return range(30_000)


def prime_limits() -> list[int]:
    """1200 items of nearly the same size."""
    return [60_000 + i % 7 for i in range(1200)]


def three_decades() -> list[int]:
    """120 items from 0.07 to 70 ms, 10 ms in the mean, in no order."""
    return [int(800 * 1000**u) for u in uniform(seed=7, n_draws=120)]


def six_big() -> list[int]:
    """Six items of about 0.25 s."""
    return [2_900_000 + i for i in range(6)]


def big_ones_last() -> list[int]:
    """300 items whose sizes have a heavy (Pareto) tail, in ascending order; 1.2 s in all."""
    return sorted(int(9_000 / (1.001 - u) ** 0.8) for u in uniform(seed=11, n_draws=300))


def sixty_ms_in_all() -> list[int]:
    """100 items of about 0.6 ms."""
    return [7_000 + i for i in range(100)]


def generated() -> "Iterator[int]":
    """3000 items of about 0.3 ms, from a generator: their number is not known."""
    return (3_500 + i % 11 for i in range(3000))
