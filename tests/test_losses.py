"""What the loss of workers costs: named items, fewer workers where memory is short, no more."""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from amorsize import ItemTimeout, SerializationError, WorkerDied, autotune, tuned_map
from amorsize._engine.serving.retries import WorkerDeaths
from amorsize._host import resources


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
    n_items = 12 if retries < 9 else 5  # each try ends a process
    found = tuned_map(
        kills_itself, range(n_items), backend="process", retries=retries, return_exceptions=True
    )

    assert [type(one) for one in found] == [WorkerDied] * n_items
    for index, error in enumerate(found):
        assert f"item {index} " in str(error)
        assert "SIGKILL" in str(error)
        assert ("retries=0" if retries == 0 else f"tried {retries + 1} times") in str(error)


@pytest.fixture
def counted(monkeypatch):
    """What the kernel says it has killed for want of memory: one more each time it is asked."""
    counts = iter(range(3, 100))
    monkeypatch.setattr(resources, "n_oom_kills", lambda: next(counts))
    monkeypatch.setattr(WorkerDeaths, "n_oom_kills", None)


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
    monkeypatch.setattr(WorkerDeaths, "n_oom_kills", None)
    monkeypatch.setattr(resources, "n_oom_kills", lambda: 3)
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

    assert resources.n_oom_kills(root=f"{tmp_path}/") == 6
    assert resources.n_oom_kills() >= 0


@pytest.fixture
def small_group():
    """A control group of 200 MB inside our own; the file to join it, and what counts its kills."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            top = Path("/sys/fs/cgroup") / controllers
            group = top / path.strip("/") / f"amorsize-{os.getpid()}"
            limit = group / ("memory.limit_in_bytes" if controllers else "memory.max")
            try:
                group.mkdir()
            except OSError:
                continue
            try:
                limit.write_text("200000000")
            except OSError:
                group.rmdir()
                continue
            yield (
                group / "cgroup.procs",
                group / ("memory.oom_control" if controllers else "memory.events"),
            )
            group.rmdir()
            return
    pytest.skip("no control group can be made here")


OUT_OF_MEMORY = """
import os, sys, time
from pathlib import Path
from amorsize import WorkerDied, autotune
Path(sys.argv[1]).write_text(str(os.getpid()))

def work(index):
    time.sleep(0.002)
    if index == 37 and (sys.argv[2] == "always" or not Path("once").exists()):
        Path("once").touch()
        hoard = [b"1" * 50_000_000 for _ in range(20)]
    return index

if __name__ == "__main__":
    tuned = autotune(work, backend="process", n_jobs=2)
    try:
        print(tuned(range(100)) == list(range(100)))
    except WorkerDied as error:
        print(error)
    print(tuned.explain())
"""


@pytest.mark.parametrize("how_often", ["once", "always"])
def test_the_kernel_kills_for_want_of_memory(how_often, small_group, run_script):
    """A worker is killed as it takes more than there is: tried again, named, told of."""
    procs, events = small_group

    done = run_script(OUT_OF_MEMORY, str(procs), how_often)

    n_kills = int(re.search(r"oom_kill (\d+)", events.read_text())[1])
    assert n_kills == (1 if how_often == "once" else 2)
    if how_often == "once":
        assert done.stdout.startswith("True")
    else:
        assert "ran item 37 ended by signal 9 (SIGKILL); the item was tried 2 times" in done.stdout
    assert "a worker was killed and the kernel reports a lack of memory" in done.stdout


class Trap:
    """An item that does something while it is rebuilt in a worker."""

    def __init__(self, deed, marker=None):
        self.deed, self.marker, self.home = deed, marker, os.getpid()

    def __setstate__(self, state):
        self.__dict__.update(state)
        if os.getpid() == self.home:
            return
        if self.deed == "die" or (self.deed == "die once" and not os.path.exists(self.marker)):
            if self.marker:
                os.mkdir(self.marker)
            os.kill(os.getpid(), signal.SIGKILL)
        if self.deed == "raise":
            raise LookupError("will not be rebuilt")
        if self.deed == "sleep":
            time.sleep(30)


def kind_of(item):
    return type(item).__name__


START = pytest.mark.parametrize("start", ["fork", "clean"])


def trapped(place, trap):
    """Twenty numbers, one of which is no number."""
    return iter([*range(place), trap, *range(place + 1, 20)])


@START
@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.parametrize("place", [0, 7, 19])
def test_an_item_that_kills_who_rebuilds_it_is_named(place, retries, start, monkeypatch):
    """It may be any of its chunk, so each is sent alone: none but it is lost."""
    monkeypatch.setenv("AMORSIZE_START", start)

    found = tuned_map(
        kind_of,
        trapped(place, Trap("die")),
        backend="process",
        n_jobs=2,
        chunksize=10,
        retries=retries,
        return_exceptions=True,
    )

    assert isinstance(found[place], WorkerDied)
    assert f"item {place} " in str(found[place])
    assert found[:place] + found[place + 1 :] == ["int"] * 19


@START
def test_one_that_kills_once_is_forgiven(start, monkeypatch, tmp_path):
    """And it did: its mark is there."""
    monkeypatch.setenv("AMORSIZE_START", start)
    trap = Trap("die once", str(tmp_path / "marker"))

    found = tuned_map(kind_of, trapped(7, trap), backend="process", n_jobs=2, chunksize=10)

    assert (tmp_path / "marker").exists()
    assert found == ["int"] * 7 + ["Trap"] + ["int"] * 12


@START
def test_one_that_cannot_be_rebuilt_is_named(start, monkeypatch):
    """Whichever of its chunk it is; where processes were not asked for it runs in the caller."""
    monkeypatch.setenv("AMORSIZE_START", start)

    with pytest.raises(SerializationError, match="data of item 7 .*will not be rebuilt"):
        tuned_map(kind_of, trapped(7, Trap("raise")), backend="process", n_jobs=2, chunksize=10)


def test_one_that_takes_too_long_to_rebuild_is_named():
    """That is part of its time."""
    found = tuned_map(
        kind_of,
        trapped(7, Trap("sleep")),
        backend="process",
        n_jobs=2,
        chunksize=5,
        timeout=0.3,
        return_exceptions=True,
    )

    assert isinstance(found[7], ItemTimeout)
    assert "item 7 " in str(found[7])
    assert found[:7] + found[8:] == ["int"] * 19
