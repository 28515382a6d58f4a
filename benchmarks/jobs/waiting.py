"""Jobs that wait as for a disk or a network, alone or with some arithmetic."""

from time import sleep

from benchmarks.jobs.computing import churn


def wait_8_ms(x: int) -> int:
    sleep(0.008)
    return x


def wait_40_ms(x: int) -> int:
    sleep(0.040)
    return x


def wait_then_compute(x: int) -> int:
    """Wait 5 ms, as for an answer, then work on it for about 1 ms."""
    sleep(0.005)
    return churn(12_000 + x)


def wait_then_parse(x: int) -> int:
    """Wait 15 ms, as for an answer, then work on it for about 10 ms."""
    sleep(0.015)
    return churn(120_000 + x)


def wait_100_ms(x: int) -> int:
    sleep(0.1)
    return x


def wait_200_ms(x: int) -> int:
    sleep(0.2)
    return x


def wait_500_ms(x: int) -> int:
    sleep(0.5)
    return x


def four() -> range:
    return range(4)


def eight() -> range:
    return range(8)


def twenty() -> range:
    return range(20)


def thirty_two() -> range:
    return range(32)


def three_hundred() -> range:
    return range(300)


def two_hundred() -> range:
    return range(200)
