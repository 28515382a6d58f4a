"""The limits that control groups put on this process: containers, slices, batch jobs.

A process sits in one directory of every mounted hierarchy, and each directory up to the root may
hold a limit; the tightest counts. Which directory is in /proc/self/cgroup, where the hierarchies
are mounted in /proc/self/mountinfo. A file that is missing, empty or not understood sets no limit.
"""

from __future__ import annotations

from amorsize._host import procfs
from amorsize._host.mount_paths import unescaped
from amorsize._host.unpatched import monotonic
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds for which a quota is kept before it is read again.
STALE_AFTER_S = 1.0
#: From here on a limit means "unlimited": v1 writes 2**63, rounded down to a page.
NO_LIMIT_BYTES = 1 << 60
#: The period that the kernel uses if cpu.max names a quota alone.
_DEFAULT_PERIOD_US = "100000"


class CpuQuota(Value):
    """CPU time per wall time that a group of processes may use."""

    n_cpus: float
    where: str  # the directory that sets it


class MemoryLimit(Value):
    """What one control group leaves its processes."""

    limit_bytes: int
    available_bytes: int  # the limit less what is used and cannot be dropped at once
    where: str  # the directory that sets it


class Cgroups:
    """The control groups this process is in, as found below `root`."""

    def __init__(self, root: str = "/", *, now: Callable[[], float] = monotonic) -> None:
        self._root = root.rstrip("/")
        self._now = now
        self._membership: str | None = None
        self._directories: dict[str, tuple[str, ...]] = {}
        self._quota: CpuQuota | None = None
        self._quota_until_s = float("-inf")

    def cpu_quota(self) -> CpuQuota | None:
        """The tightest CPU quota, at most `STALE_AFTER_S` old; None: there is none."""
        now_s = self._now()
        if now_s >= self._quota_until_s:
            quotas = self._cpu_quotas()
            self._quota = min(quotas, key=lambda quota: quota.n_cpus, default=None)
            self._quota_until_s = now_s + STALE_AFTER_S
        return self._quota

    def memory_limits(self) -> list[MemoryLimit]:
        """All memory limits of this process, read now."""
        directories = self._current_directories()
        return [
            found
            for version, names in _MEMORY_FILES.items()
            for directory in directories.get(version, ())
            if (found := self._memory_limit(directory, *names)) is not None
        ]

    def n_oom_kills(self) -> int:
        """How often the kernel has killed a process of this group or of one above it for memory."""
        return sum(
            _stat(self._read(f"{directory}/{file}"), "oom_kill")
            for controller, file in _OOM_FILES.items()
            for directory in self._current_directories().get(controller, ())
        )

    def n_processes_left(self) -> int | None:
        """How many more processes and threads may start; None: no group limits them."""
        left = [
            most - (_bytes(self._read(f"{directory}/pids.current")) or 0)
            for controller in _PIDS_IN
            for directory in self._current_directories().get(controller, ())
            if (most := _bytes(self._read(f"{directory}/pids.max"))) is not None
        ]
        return min(left, default=None)

    def _cpu_quotas(self) -> list[CpuQuota]:
        directories = self._current_directories()
        found = [
            (directory, _cpus(*self._read(f"{directory}/cpu.max").split()))
            for directory in directories.get("", ())
        ]
        for directory in directories.get("cpu", ()):
            quota_us = self._read(f"{directory}/cpu.cfs_quota_us").strip()
            if quota_us and not quota_us.startswith("-"):
                period_us = self._read(f"{directory}/cpu.cfs_period_us").strip()
                found.append((directory, _cpus(quota_us, period_us)))
        return [CpuQuota(n_cpus=cpus, where=where) for where, cpus in found if cpus is not None]

    def _memory_limit(
        self, directory: str, limits: tuple[str, ...], usage: str, droppable: str
    ) -> MemoryLimit | None:
        bounds = [_bytes(self._read(f"{directory}/{name}")) for name in limits]
        limit = min((bound for bound in bounds if bound is not None), default=None)
        if limit is None:
            return None
        used = _bytes(self._read(f"{directory}/{usage}")) or 0
        # Pages of files not used lately are dropped before anything is killed
        cached = _stat(self._read(f"{directory}/memory.stat"), droppable)
        available = max(0, limit - max(0, used - cached))
        return MemoryLimit(limit_bytes=limit, available_bytes=available, where=directory)

    def _current_directories(self) -> dict[str, tuple[str, ...]]:
        """The directories from this process's group up, by v1 controller ("" for v2)."""
        membership = self._read("/proc/self/cgroup")
        if membership != self._membership:  # mounts are slow to read and rarely change
            self._directories = _directories(membership, self._read("/proc/self/mountinfo"))
            self._membership = membership
        return self._directories

    def _read(self, path: str) -> str:
        return procfs.read(self._root + path)


#: By hierarchy: the files with limits, the file with the usage, and the field of memory.stat that
#: counts what the kernel drops first. memory.high counts as a limit: above it a process is stalled.
_MEMORY_FILES = {
    "": (("memory.max", "memory.high"), "memory.current", "inactive_file"),
    "memory": (("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_inactive_file"),
}

_PIDS_IN = ("", "pids")
_OOM_FILES = {"": "memory.events", "memory": "memory.oom_control"}


def _directories(membership: str, mountinfo: str) -> dict[str, tuple[str, ...]]:
    """This process's directory and those above it, for each hierarchy with limits."""
    mounts = _mounts(mountinfo)
    found = {}
    for line in membership.splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        for controller in controllers.split(","):
            if path and controller in mounts:
                found[controller] = _upwards(path.removesuffix(" (deleted)"), mounts[controller])
    return found


def _mounts(mountinfo: str) -> dict[str, list[tuple[str, str]]]:
    """The mounted group and its mount point, the newest last, by controller ("" for v2)."""
    mounts: dict[str, list[tuple[str, str]]] = {}
    for line in mountinfo.splitlines():
        mount, found, file_system = line.partition(" - cgroup")
        fields, options = mount.split(" "), file_system.split(" ")
        if not found or len(fields) < 5:
            continue
        controllers = {"2": {""}, "": {"cpu", "memory", "pids"} & {*options[-1].split(",")}}
        for controller in controllers.get(options[0], ()):
            entry = (unescaped(fields[3]), unescaped(fields[4]))
            mounts.setdefault(controller, []).append(entry)
    return mounts


def _upwards(path: str, mounts: list[tuple[str, str]]) -> tuple[str, ...]:
    """The visible directories of the group `path` and its parents.

    In a cgroup namespace (Docker, Kubernetes) the path may not exist under the mount. The mounted
    group is then this process's own, or the nearest one that is visible.
    """
    inside = [(top, point) for top, point in mounts if _is_within(path, top)]
    # Of several mounts the one with the highest top shows the most limits
    top, point = min(inside, key=lambda mount: len(mount[0])) if inside else mounts[-1]
    below = path[len(top.rstrip("/")) :].strip("/") if inside else ""
    parts = below.split("/") if below else []
    point = point.rstrip("/")
    return tuple("/".join([point, *parts[:n]]) for n in range(len(parts), -1, -1))


def _is_within(path: str, top: str) -> bool:
    if ".." in path.split("/"):  # outside this process's namespace
        return False
    return path == top or path.startswith(top.rstrip("/") + "/")


def _cpus(quota_us: str = "", period_us: str = _DEFAULT_PERIOD_US, *_rest: str) -> float | None:
    if not (quota_us.isdecimal() and period_us.isdecimal()):  # "max", "-1", "", nonsense
        return None
    quota, period = int(quota_us), int(period_us)
    return quota / period if quota > 0 and period > 0 else None


def _bytes(text: str) -> int | None:
    text = text.strip()
    if not text.isdecimal():
        return None
    count = int(text)
    return count if 0 < count < NO_LIMIT_BYTES else None


def _stat(text: str, field: str) -> int:
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == field:
            return _bytes(value) or 0
    return 0
