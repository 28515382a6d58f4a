"""What clean workers run in the tests of what they take over from their caller."""

import gc
import logging
import os
import sys
import threading
import time
import warnings

SCALE = 1
TABLE = {"offset": 0}
LOCK = threading.Lock()
MARKER = object()


class Settings:
    """A global that is an instance."""

    def __init__(self) -> None:
        self.depth = 1


SETTINGS = Settings()


class Limits:
    """A class with an attribute to set."""

    most = 10


def helper(x: int) -> int:
    """Called by `calls_helper`."""
    return x + 1


def scaled(x: int) -> int:
    """Reads a constant and a table."""
    return x * SCALE + TABLE["offset"]


def calls_helper(x: int) -> int:
    """Calls a function of the same module."""
    return helper(x)


def settings(x: int) -> tuple[int, int]:
    """Reads an instance and a class."""
    return SETTINGS.depth, min(x, Limits.most)


def is_default(_: int, marker: object = MARKER) -> bool:
    """Compares a default with the global it was made from."""
    return marker is MARKER


def locked(x: int) -> int:
    """Uses a lock of its module, of which each process has its own."""
    with LOCK:
        return x


def imports_inside(x: int) -> int:
    """Imports a module of the project when it is called."""
    import clean_items

    return clean_items.SCALE * x


def pid(_: int) -> int:
    """The process that runs the item."""
    return os.getpid()


def umask(_: int) -> int:
    """What is taken from the mode of a new file."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def cores(_: int) -> list[int]:
    """Where the item may run."""
    return sorted(os.sched_getaffinity(0))


def core_limit(_: int) -> int:
    """How large a core file may be."""
    import resource

    return resource.getrlimit(resource.RLIMIT_CORE)[0]


def folder_and_variable(_: int) -> tuple[str, str | None]:
    """The current folder and an environment variable."""
    return os.getcwd(), os.environ.get("AMORSIZE_TEST_VARIABLE")


def variable(name: str) -> str | None:
    """An environment variable."""
    return os.environ.get(name)


def log(x: int) -> int:
    """Log an item."""
    logging.getLogger("clean_items").info("item %d", x)
    return x


def spoil(x: int) -> int:
    """Change all that a call should find unchanged."""
    global SCALE
    SCALE = 1000
    TABLE["offset"] = 1000
    os.chdir("/")
    os.environ["AMORSIZE_TEST_VARIABLE"] = "spoiled"
    sys.path.insert(0, "/nowhere")
    return x


class Counter:
    """An object whose bound method is mapped."""

    def __init__(self) -> None:
        self.offset = 1

    def add(self, x: int) -> int:
        """The item and what the object has."""
        return x + self.offset


def idle_since(_):
    """Since when this worker had waited for the call, by its own clock."""
    workers = [one for one in gc.get_objects() if type(one).__name__ == "PersistentWorker"]
    return max(one._idle_since for one in workers)


def waits_with_a_setting(_):
    """Threads would share the filters of warnings."""
    time.sleep(6e-3)
    with warnings.catch_warnings():
        return os.getpid()


def is_loaded(name: str) -> bool:
    """Tells what this process has imported."""
    return name in sys.modules
