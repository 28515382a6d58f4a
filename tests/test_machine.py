"""What this process may use of the host it runs on."""

import os
import sys

import pytest
from cgroup_trees import (
    DOCKER_V1,
    DOCKER_V2,
    DOCKER_V2_FOREIGN_PATH,
    GIB,
    HYBRID,
    HYBRID_QUOTA,
    KUBERNETES_V1,
    KUBERNETES_V2,
    KUBERNETES_V2_HALF_A_CPU,
    ODD_MOUNT_POINT,
    SLURM_V1,
    SLURM_V2,
    SYSTEMD_SCOPE,
    SYSTEMD_SESSION,
    TWO_MOUNTS,
    plant,
)
from hypothesis import given
from hypothesis import strategies as st

from amorsize._host import resources
from amorsize._host.cgroups import STALE_AFTER_S, Cgroups
from amorsize.errors import InvalidOptionError


def cpus_of(root, *, environ=None, affinity=16):
    """Ask for the CPUs of a recorded host, in an empty environment."""
    return resources.usable_cpus(root=root, environ=environ or {}, affinity=affinity)


class TestCpus:
    @pytest.mark.parametrize(
        ("tree", "quota", "n_cores"),
        [
            pytest.param(DOCKER_V1, 1.5, 2, id="docker-v1"),
            pytest.param(DOCKER_V2, 2.0, 2, id="docker-v2"),
            pytest.param(DOCKER_V2_FOREIGN_PATH, 2.0, 2, id="docker-v2-foreign-path"),
            pytest.param(KUBERNETES_V1, 3.0, 3, id="kubernetes-v1-limit-of-the-pod"),
            pytest.param(KUBERNETES_V2, 2.5, 3, id="kubernetes-v2-limit-of-the-pod"),
            pytest.param(KUBERNETES_V2_HALF_A_CPU, 0.5, 1, id="kubernetes-v2-half-a-cpu"),
            pytest.param(SYSTEMD_SCOPE, 3.5, 4, id="systemd-scope"),
            pytest.param(SYSTEMD_SESSION, None, 16, id="systemd-session"),
            pytest.param(SLURM_V1, None, 16, id="slurm-v1"),
            pytest.param(SLURM_V2, None, 16, id="slurm-v2"),
            pytest.param(HYBRID, None, 16, id="hybrid-without-cpu.max"),
            pytest.param(HYBRID_QUOTA, 1.2, 2, id="hybrid-quota-on-v1"),
            pytest.param(ODD_MOUNT_POINT, 2.0, 2, id="odd-mount-point"),
            pytest.param(TWO_MOUNTS, 1.0, 1, id="two-mounts"),
        ],
    )
    def test_the_tightest_quota_of_all_levels_counts(self, tmp_path, tree, quota, n_cores):
        """On every kind of host, the quota is found and a fraction of it is kept."""
        cpus = cpus_of(plant(tmp_path, tree))

        assert (cpus.quota, cpus.n_cores) == (quota, n_cores)

    def test_affinity_counts_where_it_is_the_least(self, tmp_path):
        """Slurm gives its jobs CPUs by cpuset, which the kernel shows as affinity."""
        cpus = cpus_of(plant(tmp_path, SLURM_V2), affinity=4)

        assert (cpus.n_cores, cpus.affinity, cpus.quota) == (4, 4, None)

    def test_a_quota_above_the_affinity_does_not_limit(self, tmp_path):
        """A quota of 3.5 CPUs is told, but does not make three of two."""
        cpus = cpus_of(plant(tmp_path, SYSTEMD_SCOPE), affinity=2)

        assert (cpus.n_cores, cpus.quota) == (2, 3.5)
        assert "quota" not in cpus.source

    def test_the_source_tells_where_the_limit_is_set(self, tmp_path):
        """Whoever wonders about too few cores is shown the directory to look at."""
        source = cpus_of(plant(tmp_path, KUBERNETES_V2)).source

        assert source.startswith("a quota of 2.5 CPUs (/sys/fs/cgroup/kubepods.slice/")
        assert source.endswith("-pod7.slice)")

    @pytest.mark.parametrize("affinity", [1, 2])
    def test_the_source_names_affinity_or_the_host(self, tmp_path, affinity):
        """Without any other limit it says whether the process is pinned."""
        source = cpus_of(plant(tmp_path, HYBRID), affinity=affinity).source

        pinned = affinity < (os.cpu_count() or 1)
        assert source.startswith("the CPU affinity" if pinned else "all CPUs")

    @pytest.mark.parametrize("variable", ["AMORSIZE_MAX_CPUS", "PYTHON_CPU_COUNT"])
    def test_the_environment_may_lower_the_number(self, tmp_path, variable):
        """Both variables limit, and are named as what limits."""
        cpus = cpus_of(plant(tmp_path, DOCKER_V2), environ={variable: "1"})

        assert (cpus.n_cores, cpus.source) == (1, f"{variable}=1")

    @pytest.mark.parametrize("variable", ["AMORSIZE_MAX_CPUS", "PYTHON_CPU_COUNT"])
    @pytest.mark.parametrize("value", ["64", ""])
    def test_the_environment_cannot_raise_the_number(self, tmp_path, variable, value):
        """A large or empty value changes nothing."""
        assert cpus_of(plant(tmp_path, DOCKER_V2), environ={variable: value}).n_cores == 2

    @pytest.mark.parametrize("value", ["0", "-1", "1.5", "all", "2 4", "²"])
    def test_a_wrong_cap_of_our_own_is_an_error_that_names_it(self, tmp_path, value):
        """A typo in a job script is told, not guessed at."""
        with pytest.raises(InvalidOptionError, match="AMORSIZE_MAX_CPUS") as caught:
            cpus_of(plant(tmp_path, HYBRID), environ={"AMORSIZE_MAX_CPUS": value})

        assert repr(value) in str(caught.value)

    @pytest.mark.parametrize("value", ["default", "0", "many"])
    def test_a_wrong_cap_of_pythons_is_pythons_business(self, tmp_path, value):
        """`default` is one of its values, and nonsense it reports itself from 3.13 on."""
        assert cpus_of(plant(tmp_path, HYBRID), environ={"PYTHON_CPU_COUNT": value}).n_cores == 16

    def test_this_host_has_at_least_one(self):
        """On whatever host the tests run, there is an answer that fits the kernel's."""
        cpus = resources.usable_cpus(environ={})

        assert 1 <= cpus.n_cores <= cpus.affinity
        if hasattr(os, "sched_getaffinity"):
            assert cpus.affinity == len(os.sched_getaffinity(0))


class TestProcesses:
    @pytest.mark.parametrize(
        ("files", "n_left"),
        [
            ({}, None),
            ({"pids.max": "max\n", "pids.current": "12\n"}, None),
            ({"pids.max": "100\n", "pids.current": "12\n"}, 88),
        ],
    )
    def test_a_group_may_limit_them(self, tmp_path, files, n_left):
        tree = {f"/sys/fs/cgroup/{name}": text for name, text in files.items()}
        root = plant(tmp_path, {**DOCKER_V2, **tree})

        assert resources.n_processes_left(root=root) == n_left

    def test_they_have_a_hierarchy_of_their_own_on_older_hosts(self, tmp_path):
        mount = DOCKER_V1["/proc/self/mountinfo"].replace("memory", "pids")
        member = DOCKER_V1["/proc/self/cgroup"].replace("memory", "pids")
        tree = {"/proc/self/mountinfo": mount, "/proc/self/cgroup": member}
        files = {"/sys/fs/cgroup/pids/pids.max": "50\n", "/sys/fs/cgroup/pids/pids.current": "8\n"}
        root = plant(tmp_path, {**DOCKER_V1, **tree, **files})

        assert resources.n_processes_left(root=root) == 42


class TestDamagedTrees:
    @pytest.mark.parametrize(
        "text", ["", "\n", "max", "max 100000", "-1 100000", "0 100000", "1000 0", "a b", "1 2 3 4"]
    )
    def test_a_quota_that_is_none_or_nonsense_limits_nothing(self, tmp_path, text):
        """Only a positive quota over a positive period is one."""
        cpus = cpus_of(plant(tmp_path, {**DOCKER_V2, "/sys/fs/cgroup/cpu.max": text}))

        if text == "1 2 3 4":  # a later kernel may append words
            assert cpus.quota == 0.5
        else:
            assert (cpus.n_cores, cpus.quota) == (16, None)

    def test_a_quota_without_a_period_has_the_kernels_default(self, tmp_path):
        """The kernel's default period is 100 ms."""
        root = plant(tmp_path, {**DOCKER_V2, "/sys/fs/cgroup/cpu.max": "150000\n"})

        assert cpus_of(root).quota == 1.5

    @pytest.mark.parametrize("missing", ["/proc/self/cgroup", "/proc/self/mountinfo"])
    def test_without_the_kernels_tables_there_is_no_quota(self, tmp_path, missing):
        """A sandbox may hide either."""
        root = plant(tmp_path, {path: DOCKER_V2[path] for path in DOCKER_V2 if path != missing})

        assert cpus_of(root).n_cores == 16

    def test_a_directory_in_the_place_of_a_file_is_no_limit(self, tmp_path):
        """What cannot be read is passed over."""
        root = plant(tmp_path, DOCKER_V2)
        (tmp_path / "sys/fs/cgroup/cpu.max").unlink()
        (tmp_path / "sys/fs/cgroup/cpu.max").mkdir()

        assert cpus_of(root).n_cores == 16

    @given(st.text(max_size=200), st.text(max_size=200))
    def test_no_text_in_the_tables_raises(self, tmp_path_factory, membership, mounts):
        """Whatever a kernel to come writes, there is an answer."""
        folder = tmp_path_factory.mktemp("tree")
        tree = {"/proc/self/cgroup": f"0::/{membership}", "/proc/self/mountinfo": mounts}
        (folder / "proc/self").mkdir(parents=True)
        for path, text in tree.items():
            (folder / path.lstrip("/")).write_text(text, errors="surrogatepass")

        assert Cgroups(str(folder)).cpu_quota() is None


class TestStaleness:
    def test_a_quota_is_read_once_a_second_at_most(self, tmp_path):
        """Calls in quick succession do not touch the disk; a changed quota is seen soon."""
        now = [0.0]
        groups = Cgroups(plant(tmp_path, DOCKER_V2), now=lambda: now[0])
        before = groups.cpu_quota()
        (tmp_path / "sys/fs/cgroup/cpu.max").write_text("100000 100000\n")

        now[0] = STALE_AFTER_S * 0.9
        assert groups.cpu_quota() is before
        now[0] = STALE_AFTER_S
        assert groups.cpu_quota().n_cpus == 1.0

    def test_a_process_moved_to_another_group_is_seen(self, tmp_path):
        """systemd and Slurm move processes that run already."""
        now = [0.0]
        groups = Cgroups(plant(tmp_path, SYSTEMD_SCOPE), now=lambda: now[0])
        assert groups.cpu_quota().n_cpus == 3.5

        (tmp_path / "proc/self/cgroup").write_text("0::/batch.slice\n")
        now[0] = STALE_AFTER_S
        assert groups.cpu_quota() is None


class TestMemory:
    @pytest.mark.parametrize(
        ("tree", "limit_bytes", "available_bytes"),
        [
            pytest.param(DOCKER_V1, 2 * GIB, 1.25 * GIB, id="docker-v1"),
            pytest.param(DOCKER_V2, 4 * GIB, 3 * GIB, id="docker-v2-file-cache-is-free"),
            pytest.param(KUBERNETES_V1, 8 * GIB, 3 * GIB, id="kubernetes-v1-limit-of-the-pod"),
            pytest.param(KUBERNETES_V2, 12 * GIB, 1.5 * GIB, id="kubernetes-v2-pod-is-full"),
            pytest.param(SYSTEMD_SCOPE, 6 * GIB, 4 * GIB, id="systemd-memory-high"),
            pytest.param(SYSTEMD_SESSION, None, 48 * GIB, id="systemd-session"),
            pytest.param(SLURM_V1, 8 * GIB, 5 * GIB, id="slurm-v1-other-steps-use-some"),
            pytest.param(SLURM_V2, 4194304000, 3900000000, id="slurm-v2"),
            pytest.param(HYBRID, None, 48 * GIB, id="hybrid"),
        ],
    )
    def test_the_tightest_level_counts(self, tmp_path, tree, limit_bytes, available_bytes):
        """A limit, and what is left of one, may be set at different levels."""
        memory = resources.memory(root=plant(tmp_path, tree))

        assert memory.total_bytes == 64 * GIB
        assert memory.limit_bytes == limit_bytes
        assert memory.available_bytes == available_bytes
        assert memory.usable_bytes == (limit_bytes or 64 * GIB)

    def test_a_host_that_is_fuller_than_the_limit_counts(self, tmp_path):
        """A container may be promised more than its host has left."""
        meminfo = f"MemTotal: {64 * GIB // 1024} kB\nMemAvailable: {GIB // 1024} kB\n"
        memory = resources.memory(
            root=plant(tmp_path, {**DOCKER_V2, "/proc/meminfo": meminfo}),
        )

        assert memory.available_bytes == GIB

    def test_a_limit_beyond_the_host_is_none(self, tmp_path):
        """A limit of 100 GiB on a host with 64 limits nothing."""
        tree = {**DOCKER_V2, "/sys/fs/cgroup/memory.max": f"{100 * GIB}\n"}

        assert resources.memory(root=plant(tmp_path, tree)).limit_bytes is None

    def test_more_used_than_allowed_leaves_nothing(self, tmp_path):
        """Usage may exceed a limit that was lowered; there is no negative memory."""
        tree = {**DOCKER_V2, "/sys/fs/cgroup/memory.current": f"{60 * GIB}\n"}

        assert resources.memory(root=plant(tmp_path, tree)).available_bytes == 0

    def test_an_old_kernel_without_memavailable(self, tmp_path):
        """Free memory and page cache stand in for it."""
        meminfo = "MemTotal: 1000 kB\nMemFree: 200 kB\nCached: 300 kB\n"
        root = plant(tmp_path, {**HYBRID, "/proc/meminfo": meminfo})

        assert resources.memory(root=root).available_bytes == 500 * 1024

    def test_without_meminfo_the_system_is_asked(self, tmp_path):
        """Where /proc is hidden there is still an answer."""
        memory = resources.memory(root=str(tmp_path))

        assert 0 < memory.available_bytes <= memory.total_bytes

    def test_this_host_agrees_with_psutil(self):
        """The host's total is the one that psutil finds."""
        psutil = pytest.importorskip("psutil")

        assert resources.memory().total_bytes == psutil.virtual_memory().total


class TestFingerprint:
    def test_it_is_sixteen_hex_digits_and_stable(self):
        """Asked twice, in whatever order, it is the same."""
        first = resources.host_fingerprint()

        assert len(first) == 16
        assert int(first, 16) >= 0
        assert resources.host_fingerprint(resources.usable_cpus()) == first

    def test_it_is_the_same_in_another_process(self):
        """No hash seed and no process number goes into it."""
        import subprocess

        command = "from amorsize._host.resources import host_fingerprint; print(host_fingerprint())"
        other = subprocess.run(
            [sys.executable, "-c", command],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": "7"},
        )

        assert other.stdout.strip() == resources.host_fingerprint()

    def test_it_depends_on_cores_and_quota_that_bind(self):
        """Half the cores are another host; a quota above the cores is not."""
        cpus = resources.usable_cpus(environ={}).replace(n_cores=8, affinity=8, quota=None)
        seen = {
            resources.host_fingerprint(other)
            for other in (cpus, cpus.replace(n_cores=4), cpus.replace(quota=7.5))
        }

        assert len(seen) == 3
        assert resources.host_fingerprint(cpus.replace(quota=9.0)) in seen

    def test_it_depends_on_how_workers_start(self, monkeypatch):
        """Costs of forked workers say nothing about those of new interpreters."""
        if resources.start_method() == "clean":
            pytest.skip("no other way to start workers here")
        forked = resources.host_fingerprint()
        monkeypatch.setenv("AMORSIZE_START", "clean")

        assert resources.host_fingerprint() != forked

    def test_the_facts_behind_it_are_readable_and_nameless(self):
        """They can be shown and stored as JSON, and do not betray the host's name."""
        import json
        import socket

        facts = resources.host_facts()

        assert json.loads(json.dumps(facts)) == facts
        assert facts["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
        assert facts["cpu_model"] == resources.cpu_model() != ""
        assert socket.gethostname() not in facts.values()
