"""What runs on the workers of other people's engines, which import this."""

import os
import random
import time
from contextvars import ContextVar
from decimal import Decimal, getcontext
from pathlib import Path
from typing import Any

_stored: Any = None
_n_setups = 0
_numbers = random.Random(3)
caller = ContextVar("caller", default="nobody")


def noted(item: tuple[str, int]) -> int:
    """The number of the item, after a line in a file that tells where it ran."""
    path, number = item
    line = f"{number} {os.getpid()}\n".encode()
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line)  # in one piece, whoever else writes
    finally:
        os.close(file)
    return number


def noted_slowly(item: tuple[str, int]) -> int:
    """The same, which takes 20 ms."""
    time.sleep(0.02)
    return noted(item)


def ends_its_worker_at_7(item: tuple[str, int]) -> int:
    """The same, but the seventh ends the process it is in."""
    noted(item)
    if item[1] == 7:
        os._exit(3)
    return item[1]


def fails_at_7(item: tuple[str, int]) -> int:
    """The same, but the seventh raises."""
    noted(item)
    if item[1] == 7:
        raise ValueError("seven")
    time.sleep(0.01)
    return item[1]


def fails_late_at_0(item: tuple[str, int]) -> int:
    """The same, which takes 0.1 s; the first raises after a while."""
    noted(item)
    time.sleep(0.1)
    if item[1] == 0:
        time.sleep(0.5)
        raise ValueError("zero")
    return item[1]


def stored_and_read(number: int) -> Any:
    """The item by way of a global, which another beside it would overwrite."""
    global _stored
    _stored = number
    time.sleep(0.002)
    return _stored


def pid_after_a_while(seconds: float) -> int:
    """Where it ran."""
    time.sleep(seconds)
    return os.getpid()


def set_up() -> None:
    """What is done once in each process."""
    global _n_setups
    _n_setups += 1


def after_setups(number: int) -> tuple[int, int]:
    """The item, with how often this process has been set up."""
    time.sleep(0.002)
    return number, _n_setups


def number_after_a_while(number: int) -> int:
    """The item, which takes 50 ms."""
    time.sleep(0.05)
    return number


def doubled_in_place(table: Any) -> float:
    """What it writes into the item."""
    table *= 2
    return float(table.max())


def cut_in_place(text: bytearray) -> int:
    """The length of the item, after it was cut to one byte."""
    del text[1:]
    return len(text)


def pid_beside(pid: int) -> tuple[int, int]:
    """Where the item came to be, and where it was used."""
    return pid, os.getpid()


def pid_beside_after_a_while(pid: int) -> tuple[int, int]:
    """The same, of an item that takes longer than its way."""
    time.sleep(0.03)
    return pid, os.getpid()


def inverse(number: int) -> float:
    """What fails for 0."""
    return 1 / number


def scaled(value: float, number: int) -> float:
    """Both together."""
    return value * number


def added(text: bytes, number: int) -> int:
    """Both together."""
    return len(text) + number


def pids_of_a_map_inside(_: int) -> tuple[int, set[int]]:
    """Where it ran, and where the items of a map in it did."""
    from amorsize import tuned_map

    return os.getpid(), set(tuned_map(pid_after_a_while, [0.001] * 10))


def megabyte(number: int) -> bytes:
    """A result that takes room."""
    return bytes([number % 256]) * 1_000_000


def drawn(_: int) -> float:
    """A number from the global generator."""
    return random.random()


def drawn_from_its_own(_: int) -> float:
    """A number from a generator of this module."""
    time.sleep(0.002)
    return _numbers.random()


def begin_numbers() -> None:
    """Seed the generator of this module."""
    _numbers.seed(3)


def third(_: int) -> tuple[str, str]:
    """A third with as many digits as the context has, and who has called."""
    time.sleep(0.002)
    return str(Decimal(1) / 3), caller.get()


def set_digits() -> None:
    """What is done once in each thread."""
    getcontext().prec = 7


def printed(number: int) -> int:
    """The item, which it prints."""
    print("item", number)
    return number


def runs_of(path: str | Path) -> list[int]:
    """The numbers of the items that have run, each as often as it did."""
    if not os.path.exists(path):
        return []
    return [int(line.split()[0]) for line in Path(path).read_text().splitlines()]
