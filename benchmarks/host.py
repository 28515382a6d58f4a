"""Which machine the figures are of, and whether its cores were ours while they were taken."""

import os
import platform
import re
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from statistics import median

VERSIONS_OF = ("amorsize", "joblib", "loky", "mpire", "numpy")
SPIN_TURNS = 5_000_000  # about 0.2 s: a new process may share a core for its first 20 ms


def facts() -> dict[str, object]:
    """What a reader needs to know of this machine to compare it with theirs."""
    return {
        "cpu": cpu_model(),
        "n_cores": n_cores(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": versions(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def n_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0))


def cpu_model() -> str:
    """As /proc/cpuinfo names it, else the architecture."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def versions() -> dict[str, str]:
    """Of amorsize and the peers; those that are not installed are left out."""
    known = {}
    for name in VERSIONS_OF:
        try:
            known[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return known


def slug(machine: dict[str, object]) -> str:
    """A short name of the machine, fit for a file."""
    words = f"{machine['cpu']} {machine['n_cores']} cores".lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")


def cores_that_are_ours(n_processes: int | None = None, *, n_times: int = 5) -> float:
    """How much more work that many processes do at once than one does alone: 2.0 on two free cores.

    The median of several times; each compares one spinning process with all of them at once.
    """
    n_processes = n_processes or n_cores()
    alone_and_together = ((_spin_s(1), _spin_s(n_processes)) for _ in range(n_times))
    return median(
        n_processes * serial_item_s / all_s for serial_item_s, all_s in alone_and_together
    )


def _spin_s(n_processes: int) -> float:
    """Seconds until all of them have done the same work."""
    started_s = time.perf_counter()
    _wait_for([_spinning() for _ in range(n_processes)])
    return time.perf_counter() - started_s


def _spinning() -> int:
    child = os.fork()
    if not child:
        turns = 0
        while turns < SPIN_TURNS:
            turns += 1
        os._exit(0)
    return child


def _wait_for(children: Iterable[int]) -> None:
    for child in children:
        os.waitpid(child, 0)
