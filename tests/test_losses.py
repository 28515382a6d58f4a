"""What the loss of workers costs: named items, fewer workers where memory is short, no more."""

import os
import signal
import time

import pytest

from amorsize import WorkerDied, _machine, autotune, tuned_map
from amorsize._losses import Losses


def kills_itself(index):
    os.kill(os.getpid(), signal.SIGKILL)


def killed_once(index, marker):
    time.sleep(2e-3)  # the caller waits for its workers, and asks what the kernel has counted
    if index == 20 and not os.path.exists(marker):
        os.mkdir(marker)
        os.kill(os.getpid(), signal.SIGKILL)
    return index


@pytest.mark.parametrize("retries", [0, 1, 9])
def test_where_every_item_kills_each_is_named(retries):
    """However many in a row: it is the items that are to blame, and each is told."""
    found = tuned_map(
        kills_itself, range(12), backend="process", retries=retries, return_exceptions=True
    )

    assert [type(one) for one in found] == [WorkerDied] * 12
    for index, error in enumerate(found):
        assert f"item {index} " in str(error)
        assert "SIGKILL" in str(error)
        assert ("retries=0" if retries == 0 else f"tried {retries + 1} times") in str(error)


@pytest.fixture
def counted(monkeypatch):
    """What the kernel says it has killed for want of memory: one more each time it is asked."""
    counts = iter(range(3, 100))
    monkeypatch.setattr(_machine, "n_oom_kills", lambda: next(counts))
    monkeypatch.setattr(Losses, "n_oom_kills", None)


@pytest.mark.usefixtures("counted")
def test_a_lack_of_memory_is_told_and_fewer_go_on(tmp_path):
    """A worker was killed, and the kernel has counted one: the rest is done by those left."""
    tuned = autotune(killed_once, backend="process", n_jobs=3, chunksize=1)

    assert tuned(range(60), marker=str(tmp_path / "marker")) == list(range(60))

    told = str(tuned.explain())
    assert "2 workers and no more" in told
    assert "lack of memory" in told


def test_a_kill_with_memory_to_spare_is_told_of_nothing(tmp_path, monkeypatch):
    """The kernel has counted none: another worker takes the place of the one that died."""
    monkeypatch.setattr(Losses, "n_oom_kills", None)
    monkeypatch.setattr(_machine, "n_oom_kills", lambda: 3)
    tuned = autotune(killed_once, backend="process", n_jobs=3, chunksize=1)

    assert tuned(range(60), marker=str(tmp_path / "marker")) == list(range(60))

    assert "memory" not in str(tuned.explain())


def test_kills_for_want_of_memory_are_read_where_the_kernel_tells_them(tmp_path):
    """Of the host, and of the control groups this process is in."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/vmstat").write_text("nr_free_pages 5\noom_kill 4\n")
    (tmp_path / "proc/self/cgroup").write_text("0::/box\n")
    (tmp_path / "proc/self/mountinfo").write_text(
        "30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
    )
    group = tmp_path / "sys/fs/cgroup/box"
    group.mkdir(parents=True)
    (group / "memory.events").write_text("low 0\noom 2\noom_kill 2\n")

    assert _machine.n_oom_kills(root=f"{tmp_path}/") == 6
    assert _machine.n_oom_kills() >= 0
