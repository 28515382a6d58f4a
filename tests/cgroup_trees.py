"""What /proc and /sys hold about control groups on hosts of several kinds.

Each tree maps paths to texts as such a host shows them to a process in it, trimmed to the
lines and files that matter, with the identifiers shortened.
"""

from pathlib import Path

UNLIMITED_V1 = "9223372036854771712\n"
GIB = 1024**3

MEMINFO_64_GIB = {
    "/proc/meminfo": f"MemTotal:       {64 * GIB // 1024} kB\n"
    f"MemFree:        {10 * GIB // 1024} kB\n"
    f"MemAvailable:   {48 * GIB // 1024} kB\n"
    "Buffers:          241840 kB\nHugePages_Total:       0\n"
}


def plant(folder: Path, tree: dict[str, str]) -> str:
    """Write the tree below a folder, and return the folder as a root."""
    for path, text in {**MEMINFO_64_GIB, **tree}.items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return str(folder)


def _v1_mounts(path: str, *, cpu: str = "cpu,cpuacct") -> str:
    return (
        "620 619 0:54 / /sys/fs/cgroup rw,nosuid,nodev,noexec - tmpfs tmpfs rw,mode=755\n"
        f"621 620 0:29 {path} /sys/fs/cgroup/systemd ro,nosuid,nodev,noexec,relatime master:9"
        " - cgroup cgroup rw,xattr,name=systemd\n"
        f"622 620 0:32 {path} /sys/fs/cgroup/{cpu} ro,nosuid,nodev,noexec,relatime master:15"
        f" - cgroup cgroup rw,{cpu}\n"
        f"623 620 0:35 {path} /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:18"
        " - cgroup cgroup rw,memory\n"
        f"624 620 0:36 {path} /sys/fs/cgroup/cpuset ro,nosuid,nodev,noexec,relatime master:19"
        " - cgroup cgroup rw,cpuset\n"
    )


def _v2_mount(path: str = "/", *, point: str = "/sys/fs/cgroup") -> str:
    return (
        "23 28 0:22 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw\n"
        f"34 24 0:29 {path} {point} rw,nosuid,nodev,noexec,relatime shared:10"
        " - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
    )


_DOCKER_ID = "4f797c539e6c745de61a93ca3ff892358ecbcaccd8414d5db545c38428142970"

# docker run --cpus=1.5 --memory=2g, cgroup v1: the container's own groups are mounted, but the
# paths in /proc/self/cgroup are the host's.
DOCKER_V1 = {
    "/proc/self/cgroup": (
        f"12:cpuset:/docker/{_DOCKER_ID}\n"
        f"9:memory:/docker/{_DOCKER_ID}\n"
        f"4:cpu,cpuacct:/docker/{_DOCKER_ID}\n"
        f"1:name=systemd:/docker/{_DOCKER_ID}\n"
        "0::/system.slice/containerd.service\n"
    ),
    "/proc/self/mountinfo": _v1_mounts(f"/docker/{_DOCKER_ID}"),
    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": f"{2 * GIB}\n",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes": f"{GIB}\n",
    "/sys/fs/cgroup/memory/memory.stat": (
        f"cache {GIB // 2}\ninactive_file 1\ntotal_cache {GIB // 2}\n"
        f"total_inactive_file {GIB // 4}\n"
    ),
}

# docker run --cpus=2 --memory=4g, cgroup v2 with its private namespace.
DOCKER_V2 = {
    "/proc/self/cgroup": "0::/\n",
    "/proc/self/mountinfo": _v2_mount(),
    "/sys/fs/cgroup/cpu.max": "200000 100000\n",
    "/sys/fs/cgroup/memory.max": f"{4 * GIB}\n",
    "/sys/fs/cgroup/memory.high": "max\n",
    "/sys/fs/cgroup/memory.current": f"{3 * GIB}\n",
    "/sys/fs/cgroup/memory.stat": f"anon {GIB}\nfile {2 * GIB}\ninactive_file {2 * GIB}\n",
}

# Entered with nsenter: the path of the group is outside the namespace of the mount.
DOCKER_V2_FOREIGN_PATH = {
    **DOCKER_V2,
    "/proc/self/cgroup": "0::/../../user.slice/user-0.slice/session-3.scope\n",
}

_POD = "/kubepods/burstable/pod74c13223-5a00-11e9"
# The pod may use 3 CPUs and 8 GiB, this container of it has no limit of its own. Seen by a
# privileged container with the host's /sys, so that the levels above are visible.
KUBERNETES_V1 = {
    "/proc/self/cgroup": f"10:memory:{_POD}/34dc0b5e\n4:cpuacct,cpu:{_POD}/34dc0b5e\n",
    "/proc/self/mountinfo": _v1_mounts("/", cpu="cpuacct,cpu"),
    f"/sys/fs/cgroup/cpuacct,cpu{_POD}/34dc0b5e/cpu.cfs_quota_us": "-1\n",
    f"/sys/fs/cgroup/cpuacct,cpu{_POD}/34dc0b5e/cpu.cfs_period_us": "100000\n",
    f"/sys/fs/cgroup/cpuacct,cpu{_POD}/cpu.cfs_quota_us": "300000\n",
    f"/sys/fs/cgroup/cpuacct,cpu{_POD}/cpu.cfs_period_us": "100000\n",
    "/sys/fs/cgroup/cpuacct,cpu/kubepods/burstable/cpu.cfs_quota_us": "-1\n",
    "/sys/fs/cgroup/cpuacct,cpu/kubepods/cpu.cfs_quota_us": "-1\n",
    "/sys/fs/cgroup/cpuacct,cpu/cpu.cfs_quota_us": "-1\n",
    f"/sys/fs/cgroup/memory{_POD}/34dc0b5e/memory.limit_in_bytes": UNLIMITED_V1,
    f"/sys/fs/cgroup/memory{_POD}/memory.limit_in_bytes": f"{8 * GIB}\n",
    f"/sys/fs/cgroup/memory{_POD}/memory.usage_in_bytes": f"{6 * GIB}\n",
    f"/sys/fs/cgroup/memory{_POD}/memory.stat": f"total_inactive_file {GIB}\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": UNLIMITED_V1,
}

_SLICE = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod7.slice"
# Container: 4 CPUs, 16 GiB, of which 10 are used; pod: 2.5 CPUs, 12 GiB, of which 11 are used.
KUBERNETES_V2 = {
    "/proc/self/cgroup": f"0::{_SLICE}/cri-containerd-84ad.scope\n",
    "/proc/self/mountinfo": _v2_mount(),
    f"/sys/fs/cgroup{_SLICE}/cri-containerd-84ad.scope/cpu.max": "400000 100000\n",
    f"/sys/fs/cgroup{_SLICE}/cpu.max": "250000 100000\n",
    "/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/cpu.max": "max 100000\n",
    "/sys/fs/cgroup/kubepods.slice/cpu.max": "max 100000\n",
    f"/sys/fs/cgroup{_SLICE}/cri-containerd-84ad.scope/memory.max": f"{16 * GIB}\n",
    f"/sys/fs/cgroup{_SLICE}/cri-containerd-84ad.scope/memory.current": f"{10 * GIB}\n",
    f"/sys/fs/cgroup{_SLICE}/memory.max": f"{12 * GIB}\n",
    f"/sys/fs/cgroup{_SLICE}/memory.current": f"{11 * GIB}\n",
    f"/sys/fs/cgroup{_SLICE}/memory.stat": f"inactive_file {GIB // 2}\n",
    "/sys/fs/cgroup/kubepods.slice/memory.max": "max\n",
}

# The usual pod: a private namespace shows the container's own group alone, here half a CPU.
KUBERNETES_V2_HALF_A_CPU = {
    **DOCKER_V2,
    "/proc/self/mountinfo": _v2_mount().replace("rw,nosuid", "ro,nosuid"),
    "/sys/fs/cgroup/cpu.max": "50000 100000\n",
}

# systemd-run --scope -p CPUQuota=350% --slice=batch.slice, where the slice has MemoryHigh=6G.
SYSTEMD_SCOPE = {
    "/proc/self/cgroup": "0::/batch.slice/run-r1f.scope\n",
    "/proc/self/mountinfo": _v2_mount(),
    "/sys/fs/cgroup/batch.slice/run-r1f.scope/cpu.max": "350000 100000\n",
    "/sys/fs/cgroup/batch.slice/cpu.max": "max 100000\n",
    "/sys/fs/cgroup/batch.slice/run-r1f.scope/memory.max": "max\n",
    "/sys/fs/cgroup/batch.slice/memory.max": "max\n",
    "/sys/fs/cgroup/batch.slice/memory.high": f"{6 * GIB}\n",
    "/sys/fs/cgroup/batch.slice/memory.current": f"{2 * GIB}\n",
    "/sys/fs/cgroup/batch.slice/memory.stat": "inactive_file 0\n",
}

# A login session on a desktop: nothing is limited, some controllers are not even on.
SYSTEMD_SESSION = {
    "/proc/self/cgroup": "0::/user.slice/user-1000.slice/session-2.scope\n",
    "/proc/self/mountinfo": _v2_mount(),
    "/sys/fs/cgroup/user.slice/user-1000.slice/memory.max": "max\n",
    "/sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
}

# A Slurm job with 4 of the node's CPUs through cpuset (it shows as affinity) and 8 GiB.
SLURM_V1 = {
    "/proc/self/cgroup": (
        "11:memory:/slurm/uid_1000/job_42/step_0/task_0\n"
        "7:cpuset:/slurm/uid_1000/job_42/step_0\n"
        "4:cpuacct,cpu:/\n"
        "1:name=systemd:/system.slice/slurmd.service\n"
    ),
    "/proc/self/mountinfo": _v1_mounts("/", cpu="cpuacct,cpu"),
    "/sys/fs/cgroup/cpuset/slurm/uid_1000/job_42/step_0/cpuset.cpus": "0-3\n",
    "/sys/fs/cgroup/memory/slurm/uid_1000/job_42/step_0/task_0/memory.limit_in_bytes": UNLIMITED_V1,
    "/sys/fs/cgroup/memory/slurm/uid_1000/job_42/step_0/memory.limit_in_bytes": f"{8 * GIB}\n",
    "/sys/fs/cgroup/memory/slurm/uid_1000/job_42/step_0/memory.usage_in_bytes": f"{GIB}\n",
    "/sys/fs/cgroup/memory/slurm/uid_1000/job_42/memory.limit_in_bytes": f"{8 * GIB}\n",
    "/sys/fs/cgroup/memory/slurm/uid_1000/job_42/memory.usage_in_bytes": f"{3 * GIB}\n",
}

_JOB = "/system.slice/slurmstepd.scope/job_4749"
SLURM_V2 = {
    "/proc/self/cgroup": f"0::{_JOB}/step_0/user/task_0\n",
    "/proc/self/mountinfo": _v2_mount(),
    f"/sys/fs/cgroup{_JOB}/step_0/user/task_0/memory.max": "max\n",
    f"/sys/fs/cgroup{_JOB}/step_0/user/memory.max": "4194304000\n",
    f"/sys/fs/cgroup{_JOB}/step_0/user/memory.current": "194304000\n",
    f"/sys/fs/cgroup{_JOB}/memory.max": "4194304000\n",
    f"/sys/fs/cgroup{_JOB}/memory.current": "294304000\n",
    f"/sys/fs/cgroup{_JOB}/cpuset.cpus.effective": "2-5\n",
}

# A small virtual machine: every v1 controller on a mount of its own, and beside them a v2
# hierarchy without controllers, hence without cpu.max.
HYBRID = {
    "/proc/self/cgroup": (
        "9:name=systemd:/\n4:memory:/agents/bceff231\n3:cpuset:/\n2:cpuacct:/\n1:cpu:/\n0::/\n"
    ),
    "/proc/self/mountinfo": (
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
        "33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
        "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    ),
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes": UNLIMITED_V1,
    "/sys/fs/cgroup/memory/agents/bceff231/memory.limit_in_bytes": UNLIMITED_V1,
    "/sys/fs/cgroup/unified/cgroup.controllers": "",
}

# As above, with the cpu controller's quota set on v1.
HYBRID_QUOTA = {**HYBRID, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "120000\n"}

# cgroup v2 mounted elsewhere, in a folder with a space in its name.
ODD_MOUNT_POINT = {
    "/proc/self/cgroup": "0::/job:7/a\n",
    "/proc/self/mountinfo": _v2_mount(point=r"/mnt/control\040groups"),
    "/mnt/control groups/job:7/cpu.max": "100000 50000\n",
}

# One mount shows the process's own group alone, a second one the whole hierarchy.
TWO_MOUNTS = {
    "/proc/self/cgroup": "0::/outer/inner\n",
    "/proc/self/mountinfo": _v2_mount() + _v2_mount("/outer/inner", point="/run/cgroup2"),
    "/sys/fs/cgroup/outer/cpu.max": "100000 100000\n",
    "/run/cgroup2/cpu.max": "800000 100000\n",
}
