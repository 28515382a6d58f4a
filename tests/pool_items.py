"""What workers run in the tests of pools; imports little, because new interpreters import it."""

import os
import signal
import threading
import time
from pathlib import Path

HOOKS: list[str] = []


def double(x: int) -> int:
    """Twice the item."""
    return 2 * x


def slow_double(x: int) -> int:
    """Twice the item, after 10 ms."""
    time.sleep(0.01)
    return 2 * x


def wait(seconds: float) -> float:
    """The item, after that many seconds."""
    time.sleep(seconds)
    return seconds


_stored = 0


def stored_and_read(x: int) -> int:
    """The item by way of a global, which another item would overwrite meanwhile."""
    global _stored
    _stored = x
    time.sleep(0.002)
    return _stored


def wait_noted(item: tuple[Path, float]) -> float:
    """The seconds of the item, after so many; its path is there once it has begun."""
    path, seconds = item
    path.touch()
    return wait(seconds)


def slow_double_noted(item: tuple[Path, int]) -> int:
    """Twice the number of the item, after 10 ms; its path is there once it has begun."""
    path, x = item
    path.touch()
    return slow_double(x)


def fail_at_3(x: int) -> int:
    """The item, but 3 fails."""
    if x == 3:
        raise ValueError("three")
    return x


def megabyte(x: int) -> bytes:
    """A result that fills many pipes."""
    return bytes([x]) * 1_000_000


def fifty_megabytes(x: int) -> bytes:
    """A result that takes a while to write."""
    return bytes([x]) * 50_000_000


def spin_for_ever(path: str) -> None:
    """Tell the process id, then compute and look at nothing."""
    Path(path).write_text(str(os.getpid()))
    while True:
        pass


def say(x: int) -> int:
    """Print the item, without the end of its line until the second print."""
    print("item", end=" ")
    print(x)
    return x


def where(_: int) -> tuple[int, int]:
    """Process and thread that run the item."""
    return os.getpid(), threading.get_ident()


def not_sendable_at_1(x: int) -> object:
    """Item 1 gives what cannot be pickled."""
    return threading.Lock() if x == 1 else x


def killed_at_2(x: int) -> int:
    """Item 2 kills the process that runs it."""
    if x == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def killed_with_child(path: str) -> None:
    """Leave a child behind that holds every descriptor open, then be killed."""
    pid = os.fork()
    if not pid:
        time.sleep(3)
        os._exit(0)
    Path(path).write_text(str(pid))
    os.kill(os.getpid(), signal.SIGKILL)


def set_up() -> None:
    """Remember that this process was set up."""
    HOOKS.append(f"up in {os.getpid()} {threading.get_ident()}")


def hooks(_: int) -> list[str]:
    """What hooks have run in this process and, if they tell, this thread."""
    return [hook for hook in HOOKS if hook.endswith(str(threading.get_ident()))]


def failing_set_up() -> None:
    """A setup that does not work."""
    raise RuntimeError("no model here")


def echo(value):
    return value


def length(value):
    return len(value)
