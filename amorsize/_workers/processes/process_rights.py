"""Reads what a process inherits at its start: user, umask, cores, limits.

A warm worker keeps the rights that it started with. If a program drops some later, such as root,
its items must not have them either. So both are compared before a warm worker is used.
"""

from __future__ import annotations

import os
import sys

from amorsize._host import procfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Files that tell the rights of a thread. Reading both takes 60 us.
_STATUS, _LIMITS = "/proc/thread-self/status", "/proc/self/limits"
_FIELDS = (
    *("Umask:", "Uid:", "Gid:", "Groups:"),
    *("CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"),
    *("NoNewPrivs:", "Seccomp:", "Seccomp_filters:"),
    *("Cpus_allowed:", "Mems_allowed:"),
)


def rights() -> tuple[Any, ...]:
    """The rights that a worker started by this thread would have; only to be compared."""
    found = os.stat("/")  # shows a chroot
    root = found.st_dev, found.st_ino
    return root, tracker(), _nice(), _of_linux() or _of_posix()


def tracker() -> int | None:
    """The descriptor of multiprocessing's resource tracker; None: it was not started.

    A worker with a tracker of its own would remove shared memory that its items only attach to.
    """
    found = sys.modules.get("multiprocessing.resource_tracker")
    descriptor: int | None = None if found is None else found._resource_tracker._fd
    return descriptor


def _nice() -> int | None:
    return os.nice(0) if hasattr(os, "nice") else None


def _of_linux() -> tuple[Any, ...] | None:
    status, limits = procfs.read(_STATUS), procfs.read(_LIMITS)
    if not status or not limits:
        return None
    return (*(line for line in status.splitlines() if line.startswith(_FIELDS)), limits)


def _of_posix() -> tuple[Any, ...]:
    """The same without the umask, which cannot be read without setting it for all threads."""
    asked = ("getuid", "geteuid", "getgid", "getegid", "getgroups")
    ids = [getattr(os, name)() for name in asked if hasattr(os, name)]
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    return (ids, cores, _limits())


def _limits() -> list[tuple[int, int]]:
    try:
        import resource
    except ImportError:  # Windows
        return []
    numbers = {value for name, value in vars(resource).items() if name.startswith("RLIMIT_")}
    return [resource.getrlimit(number) for number in sorted(numbers)]
