"""The tests of several processes are all tests, each of them once."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import side_by_side
from conftest import ROOT


def collected(path, n_tests, scope):
    """As pytest collects them; each uses a fixture of that scope."""
    info = SimpleNamespace(name2fixturedefs={"one": [SimpleNamespace(scope=scope)]})
    return [
        SimpleNamespace(path=path, nodeid=f"{path}::{number}", _fixtureinfo=info)
        for number in range(n_tests)
    ]


def test_each_group_is_taken_by_one_process(tmp_path):
    """However the turns of two processes fall."""
    items = [
        *collected("a", 50, "function"),
        *collected("b", 3, "function"),
        *collected("c", 20, "function"),
    ]
    first, second = side_by_side.taken(items, tmp_path), side_by_side.taken(items, tmp_path)
    found = [*next(first), *next(second), *next(second), *next(first)]
    found += [item for group in first for item in group]

    assert sorted(item.nodeid for item in found) == sorted(item.nodeid for item in items)
    assert list(second) == []


def test_what_its_process_has_not_run_to_the_end_is_named(tmp_path):
    """It has died, whatever its status; what nobody has taken is named as well."""
    items = [*collected("a", 3, "function"), *collected("b", 2, "function")]
    died, other = side_by_side.taken(items, tmp_path), side_by_side.taken(items, tmp_path)
    next(died)
    assert side_by_side.left_out(items, tmp_path) == [item.nodeid for item in items]

    assert [item.path for group in other for item in group] == ["b", "b"]
    assert side_by_side.left_out(items, tmp_path) == ["a::0", "a::1", "a::2"]

    assert list(died) == []
    assert side_by_side.left_out(items, tmp_path) == []


def test_a_process_that_takes_every_interrupt_is_killed(monkeypatch):
    """So that the tests end, whatever one of them does."""
    monkeypatch.setattr(side_by_side, "TO_CLEAN_UP_S", 0.02)
    monkeypatch.setattr(side_by_side, "TO_HAVE_HEARD_S", 0.02)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not (pid := os.fork()):
        time.sleep(30)
        os._exit(0)
    signal.signal(signal.SIGINT, before)
    process = side_by_side.Forked(pid)
    side_by_side.end([process])
    until_s = time.monotonic() + 3.0
    while process.poll() is None and time.monotonic() < until_s:
        time.sleep(0.01)

    assert process.returncode == -signal.SIGKILL
    assert signal.getsignal(signal.SIGINT) is before


def test_a_process_that_hangs_is_not_waited_for_for_ever(monkeypatch):
    """Where the bound of the test itself does not end it."""
    monkeypatch.setattr(side_by_side, "MOST_S", 0.01)
    running = {side_by_side.Forked(os.getpid()): None}
    monkeypatch.setattr(side_by_side.Forked, "poll", lambda _: None)

    assert side_by_side.worst_of(running) == 0
    assert len(running) == 1


def test_a_group_is_of_one_file():
    """So that a failure shows beside which tests it came."""
    found = side_by_side.groups([*collected("a", 11, "function"), *collected("b", 2, "function")])

    assert [[item.path for item in group] for group in found] == [["a"] * 8, ["a"] * 3, ["b"] * 2]


def test_a_fixture_of_the_module_is_set_up_once():
    """Tests that share one stay in one process."""
    (group,) = side_by_side.groups(collected("a", 30, "module"))

    assert len(group) == 30


@pytest.mark.parametrize(("statuses", "worst"), [([0, 0], 0), ([0, 1], 1), ([5, 0], 5)])
def test_the_worst_status_counts(statuses, worst, capfd):
    """And what each process said is shown, be it text or not."""
    running = {}
    for status in statuses:
        output = side_by_side.file_for_output()
        ends = f"import os; os.write(1, b'\\xff ends with {status}\\n'); raise SystemExit({status})"
        running[subprocess.Popen([sys.executable, "-c", ends], stdout=output)] = output

    assert side_by_side.worst_of(running) == worst
    said = capfd.readouterr().out.splitlines()
    assert sorted(said) == [f"\ufffd ends with {n}" for n in sorted(statuses)]


def test_the_largest_group_comes_first():
    """One that is begun last would run on alone, whatever the name of its file."""
    found = side_by_side.groups([*collected("a", 9, "function"), *collected("z", 30, "module")])

    assert [len(group) for group in found] == [30, 8, 1]


TESTS = """
import os, pathlib
PID = os.getpid()

def test_passes(): assert os.getpid() == PID
def test_fails(): assert False
def test_ends_all(): os._exit(0)
def test_fails_once():
    seen = pathlib.Path(__file__).with_name("seen")
    is_first = not seen.exists()
    seen.touch()
    assert not is_first
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run tests of a file as one of several processes does; which of them it noted as failed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))
    (tmp_path / "test_them.py").write_text(TESTS)

    def run(*names):
        words = ["-p", "conftest", "--claims=.", "--processes=2"]
        command = [sys.executable, "-m", "pytest", *words, *(f"test_them.py::{n}" for n in names)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=50)
        noted = tmp_path / side_by_side.FAILED
        failed = noted.read_text().split() if noted.exists() else []
        assert done.returncode == bool(failed), done.stdout
        assert sum(line.count(" passed in") for line in done.stdout.splitlines()) <= 1
        return failed

    return run


def test_what_failed_beside_others_and_passes_alone_is_told(run, tmp_path, capfd):
    """It is no failure; that it came is said all the same."""
    assert run("test_passes", "test_fails_once") == ["test_them.py::test_fails_once"]

    assert not side_by_side.failed_alone(tmp_path)
    said = capfd.readouterr().out
    assert "Once more, alone: test_them.py::test_fails_once" in said
    assert "1 passed" in said


def test_what_fails_alone_as_well_is_a_failure(run, tmp_path):
    """One that passes does not make up for another."""
    assert len(run("test_fails", "test_fails_once")) == 2

    assert side_by_side.failed_alone(tmp_path)


def test_a_process_that_ends_amid_its_tests_is_no_success(run):
    """Its status may be that of one."""
    with pytest.raises(AssertionError, match="test_them.py::test_ends_all\\n"):
        run("test_passes", "test_ends_all")


@pytest.mark.parametrize("n_tests", [0, side_by_side.MOST_REPEATED + 1])
def test_many_failures_are_not_tried_again(n_tests, tmp_path, capfd):
    """With so many something is wrong; and where none was noted, it was no test that failed."""
    if n_tests:
        side_by_side.note_failed(tmp_path, "test_them.py::test_passes")
        for number in range(n_tests - 1):
            side_by_side.note_failed(tmp_path, f"test_them.py::test_{number}")

    assert side_by_side.failed_alone(tmp_path)
    assert capfd.readouterr().out == ""
