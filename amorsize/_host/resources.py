"""Tells what this process may use of its host.

`fork_safety` tells how it may start workers, and `costs` what they cost. This module exports both.
"""

from __future__ import annotations

import os
import sys

from amorsize._host import procfs
from amorsize._host.cgroups import Cgroups
from amorsize._host.costs import (
    Costs,
    costs,
    costs_as_dict,
    costs_from_dict,
    doubt_costs,
    learn_costs,
    measure_costs,
)
from amorsize._host.fork_safety import start_method, why_not_fork
from amorsize.errors import InvalidOptionError
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MAX_CPUS_VARIABLE",
    "Costs",
    "Cpus",
    "Memory",
    "costs",
    "costs_as_dict",
    "costs_from_dict",
    "cpu_model",
    "doubt_costs",
    "host_facts",
    "host_fingerprint",
    "learn_costs",
    "measure_costs",
    "memory",
    "start_method",
    "usable_cpus",
    "why_not_fork",
]

MAX_CPUS_VARIABLE = "AMORSIZE_MAX_CPUS"
_PYTHON_VARIABLE = "PYTHON_CPU_COUNT"
_KIB = 1024
_GIB = 1024**3


class Cpus(Value):
    """How many CPUs this process may keep busy."""

    n_cores: int  # to plan with: a whole number from 1; a quota of 1.5 gives 2
    affinity: int  # CPUs that the kernel may schedule it on
    quota: float | None  # CPU time per wall time in its control groups; None: no limit
    source: str  # what limits `n_cores`, in words


class Memory(Value):
    """How much memory this process may use, and how much is free."""

    total_bytes: int  # of the host
    limit_bytes: int | None  # of the tightest control group; None: no limit
    available_bytes: int  # that can be had without swapping or being killed

    @property
    def usable_bytes(self) -> int:
        """What this process could use if no other process used any."""
        return min(self.total_bytes, self.limit_bytes or self.total_bytes)


class _Host:
    """Facts about the host that cannot change while this process runs."""

    def __init__(self) -> None:
        self.cgroups = Cgroups()
        self.cpu_model: str | None = None
        self.fingerprints: dict[tuple[object, ...], str] = {}
        self.n_cpus: int | None = None


_HOST = _Host()


def usable_cpus(
    *, root: str = "/", environ: Mapping[str, str] | None = None, affinity: int | None = None
) -> Cpus:
    """How many CPUs this process may use now: the tightest limit counts.

    Args:
        root: The folder with /proc and /sys; another folder may hold those of another host.
        environ: The environment variables; None: those of this process.
        affinity: How many CPUs the kernel may schedule it on; None: ask the kernel.

    Returns:
        The CPUs. Affinity and environment are read now; a quota may be a second old.

    Raises:
        InvalidOptionError: `AMORSIZE_MAX_CPUS` is not a whole number above 0.
    """
    environ = os.environ if environ is None else environ
    affinity = affinity or _affinity()
    quota = (_HOST.cgroups if root == "/" else Cgroups(root)).cpu_quota()
    n_cores, source = affinity, None
    if quota and quota.n_cpus < n_cores:
        n_cores = int(-(-quota.n_cpus // 1))
        source = f"a quota of {quota.n_cpus:g} CPUs ({quota.where})"
    for variable, cap in (
        (_PYTHON_VARIABLE, _python_cap(environ)),
        (MAX_CPUS_VARIABLE, _own_cap(environ)),
    ):
        if cap and cap < n_cores:
            n_cores, source = cap, f"{variable}={cap}"
    return Cpus(
        n_cores=n_cores,
        affinity=affinity,
        quota=quota.n_cpus if quota else None,
        source=source or _affinity_in_words(affinity),
    )


def memory(*, root: str = "/") -> Memory:
    """The memory of this process, read now at every level of control groups."""
    total_bytes, available_bytes = _host_memory_bytes(root)
    limits = (_HOST.cgroups if root == "/" else Cgroups(root)).memory_limits()
    limits = [limit for limit in limits if limit.limit_bytes < total_bytes]
    return Memory(
        total_bytes=total_bytes,
        limit_bytes=min((limit.limit_bytes for limit in limits), default=None),
        available_bytes=min([available_bytes, *(limit.available_bytes for limit in limits)]),
    )


def n_oom_kills(*, root: str = "/") -> int:
    """How often the kernel has killed a process of these control groups for memory."""
    by_host = 0
    for line in procfs.read(root + "proc/vmstat").splitlines():
        name, _, count = line.partition(" ")
        if name == "oom_kill" and count.isdecimal():
            by_host = int(count)
    return by_host + (_HOST.cgroups if root == "/" else Cgroups(root)).n_oom_kills()


def n_processes_left(*, root: str = "/") -> int | None:
    """How many more processes and threads control groups allow; None: no group limits them."""
    return (_HOST.cgroups if root == "/" else Cgroups(root)).n_processes_left()


def cpu_model() -> str:
    """The processor's name, or whatever distinguishes it from others; read once."""
    if _HOST.cpu_model is None:
        _HOST.cpu_model = _cpu_model()
    return _HOST.cpu_model


def host_facts(cpus: Cpus | None = None) -> dict[str, str | int | float | bool | None]:
    """What a measured cost depends on, in readable form; without the host's name.

    `cpus` are the usable ones if the caller has just read them.
    """
    cpus = cpus or usable_cpus()
    return {
        "cpu_model": cpu_model(),
        "n_cores": cpus.n_cores,
        "quota": _binding_quota(cpus),
        "memory_log2_gib": _log2_gib(memory().usable_bytes),
        "os": sys.platform,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "implementation": sys.implementation.name,
        "gil": _gil_enabled(),
        "start_method": start_method(),
    }


def host_fingerprint(cpus: Cpus | None = None) -> str:
    """16 hex digits, the same for all hosts on which a measured cost means the same.

    `cpus` are the usable ones if the caller has just read them. Takes 2 us, unless they or the
    start method have changed.
    """
    cpus = cpus or usable_cpus()
    key = (cpus.n_cores, _binding_quota(cpus), start_method())
    if key not in _HOST.fingerprints:
        facts = sorted(host_facts(cpus).items())
        _HOST.fingerprints[key] = _blake2b(repr(facts).encode(errors="replace"))
    return _HOST.fingerprints[key]


def _log2_gib(n_bytes: int) -> int:
    from math import log2  # takes 1 ms, which short calls save

    return round(log2(max(1, n_bytes) / _GIB))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return getattr(os, "process_cpu_count", os.cpu_count)() or 1


def _affinity_in_words(affinity: int) -> str:
    if _HOST.n_cpus is None:
        _HOST.n_cpus = os.cpu_count() or 1
    if affinity < _HOST.n_cpus:
        return f"the CPU affinity of this process ({affinity} of {_HOST.n_cpus} CPUs)"
    return "all CPUs of this host"


def _python_cap(environ: Mapping[str, str]) -> int | None:
    """The CPU count that Python was given, read as Python 3.13 does; invalid values are ignored."""
    told = sys._xoptions.get("cpu_count") or environ.get(_PYTHON_VARIABLE, "")
    return int(told) if isinstance(told, str) and told.isdecimal() and int(told) > 0 else None


def _own_cap(environ: Mapping[str, str]) -> int | None:
    told = environ.get(MAX_CPUS_VARIABLE, "").strip()
    if not told:
        return None
    if not told.isdecimal() or int(told) < 1:
        raise InvalidOptionError(
            f"{MAX_CPUS_VARIABLE}={told!r} in the environment is not a number of CPUs. "
            "Set it to a whole number above 0, or unset it to use all that this process may."
        )
    return int(told)


def _binding_quota(cpus: Cpus) -> float | None:
    return cpus.quota if cpus.quota is not None and cpus.quota < cpus.n_cores else None


def _host_memory_bytes(root: str) -> tuple[int, int]:
    """Bytes of the whole host: the total, and what is free or can be freed at once."""
    table = procfs.read(f"{root.rstrip('/')}/proc/meminfo")
    lines = (line.split() for line in table.splitlines())
    found = {words[0]: int(words[1]) * _KIB for words in lines if len(words) == 3}
    total_bytes = found.get("MemTotal:", 0)
    if total_bytes:
        guess_bytes = found.get("MemFree:", 0) + found.get("Cached:", 0)  # for Linux before 3.14
        return total_bytes, found.get("MemAvailable:", guess_bytes)
    if "SC_AVPHYS_PAGES" in getattr(os, "sysconf_names", ()):  # Linux without /proc
        page_bytes = os.sysconf("SC_PAGE_SIZE")
        return os.sysconf("SC_PHYS_PAGES") * page_bytes, os.sysconf("SC_AVPHYS_PAGES") * page_bytes
    import psutil  # type: ignore[import-untyped,unused-ignore]

    seen = psutil.virtual_memory()
    return seen.total, seen.available


def _cpu_model() -> str:
    # The first CPU is enough. On a host with hundreds, the whole file takes milliseconds.
    table = procfs.read("/proc/cpuinfo", at_most_bytes=2048)
    lines = (line.partition(":") for line in table.splitlines())
    found = {name.strip(): value.strip() for name, _, value in reversed([*lines])}
    for names in (("model name",), ("cpu",), ("CPU implementer", "CPU part", "CPU variant")):
        if all(found.get(name) for name in names):  # x86; POWER; ARM, which gives numbers
            return " ".join(found[name] for name in names)
    import platform  # 11 ms

    return platform.processor() or platform.machine() or "unknown"


def _gil_enabled() -> bool:
    enabled = getattr(sys, "_is_gil_enabled", None)
    return enabled is None or bool(enabled())


def _blake2b(text: bytes) -> str:
    try:
        from _blake2 import blake2b  # hashlib brings OpenSSL along: 4 ms
    except ImportError:
        from hashlib import blake2b
    return blake2b(text, digest_size=8).hexdigest()
