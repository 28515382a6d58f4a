"""`amorsize tune|optimize|compare`: each flag told by what the function saw of being run."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from conftest import ROOT

from amorsize import cache, cli, history
from amorsize.tuning import TuningResult, search
from amorsize.tuning.session import Session

pytestmark = pytest.mark.usefixtures("fresh_cache")

WORK = '''
import os, threading, time

def log(x):
    """Says in a file where it runs, and on what."""
    file = os.open("calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{os.getpid()} {threading.get_ident()} {x}\\n".encode())
    os.close(file)
    time.sleep(0.002)
    return x

def hang_at_5(x):
    if x == 5: time.sleep(600)
    return log(x)

def die_at_5_in_a_worker(x):
    if x == 5 and os.getpid() != int(os.environ["CALLER"]): os._exit(3)
    return log(x)

def fail_at_5(x):
    if x == 5: raise ValueError("five")
    return log(x)

def meet(x):
    """Waits in a worker until another one has come; those of an earlier run are gone by then."""
    open(f"worker-{os.getpid()}", "w").close()
    until = time.monotonic() + 20
    while os.getpid() != int(os.environ["CALLER"]) and time.monotonic() < until:
        workers = [name for name in os.listdir() if name.startswith("worker-")]
        there = [name for name in workers if os.path.exists("/proc/" + name[7:])]
        if len(there) > 2: break  # the caller is one
        time.sleep(0.001)
    return log(x)

def talk(x):
    print("printed", x)
    return log(x)
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project of somebody else, with a function that tells where it was run."""
    (tmp_path / "work.py").write_text(WORK)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("CALLER", str(os.getpid()))
    yield tmp_path
    sys.modules.pop("work", None)


@pytest.fixture
def amorsize(folder, capsys):
    """Run a command with --json in this process: its status, document and stderr."""

    def run(*arguments, json_=True):
        status = cli.main([*arguments, *(["--json"] if json_ else [])])
        said = capsys.readouterr()
        document = json.loads(said.out) if json_ else said.out
        return status, document, said.err

    return run


@pytest.fixture
def calls(folder):
    """The calls since the last time this was asked: (process, thread, item) each."""

    def taken():
        path = folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [tuple(map(int, line.split())) for line in lines]

    return taken


GRID = ("--n-jobs-range", "2", "--chunksize-range", "3", "6", "--repeats", "1")
DATA = ("--data-range", "12")


def plans(document):
    return [(one["backend"], one["n_jobs"], one["chunksize"]) for one in document["configurations"]]


# ---- tune ----


@pytest.mark.forks
def test_a_grid_is_measured_cell_by_cell(amorsize, calls, monkeypatch):
    """All items in each cell and in the loop, with the jobs and chunks that were named."""
    monkeypatch.setattr(search, "LEAST_CUT_S", 3600.0)
    grid = ("--n-jobs-range", "2", "--chunksize-range", "1", "2", "--repeats", "1")
    status, document, _ = amorsize("tune", "work.meet", *DATA, *grid, "--no-optimizer-hint")

    ran = calls()
    assert status == 0
    assert plans(document) == [("process", 2, 1), ("process", 2, 2)]
    assert document["configurations_tested"] == 3
    assert Counter(item for _, _, item in ran) == dict.fromkeys(range(12), 3)
    assert sum(pid == os.getpid() for pid, _, _ in ran) == 12  # the loop
    assert len({pid for pid, _, _ in ran} - {os.getpid()}) == 4  # two workers a cell


def test_the_hint_costs_a_few_items(amorsize, calls):
    """Without --no-optimizer-hint some items are looked at first, and the result shows it."""
    _, without, _ = amorsize("tune", "work.log", *DATA, *GRID, "--no-optimizer-hint")
    n_without = len(calls())
    _, hinted, _ = amorsize("tune", "work.log", *DATA, *GRID)

    assert len(calls()) > n_without
    assert without["optimization_hint"] is None
    assert hinted["optimization_hint"]["n_sampled"] > 0


def test_threads_instead_of_processes(amorsize, calls):
    """With --threads all runs in this process, in more threads than one."""
    amorsize("tune", "work.log", *DATA, *GRID)
    processes = {pid for pid, _, _ in calls()}
    amorsize("tune", "work.log", *DATA, *GRID, "--threads")
    threads = calls()

    assert len(processes) > 1
    assert {pid for pid, _, _ in threads} == {os.getpid()}
    assert len({thread for _, thread, _ in threads}) > 1


def test_backends_are_obeyed(amorsize):
    """Both, where both are named."""
    _, document, _ = amorsize("tune", "work.log", *DATA, *GRID, "--backends", "thread", "process")

    assert {backend for backend, _, _ in plans(document)} == {"thread", "process"}


def test_repeats_are_counted(amorsize, calls):
    """Each cell and the loop so many times."""
    grid = (*GRID[:-1], "3", "--no-optimizer-hint")
    amorsize("tune", "work.log", *DATA, *grid)

    assert Counter(item for _, _, item in calls()) == dict.fromkeys(range(12), 9)


def test_quick_runs_less(amorsize, calls):
    """A job of few items is told to be too short, after far fewer calls than a grid makes."""
    status, document, _ = amorsize("tune", "work.log", "--data-range", "40", "--quick")
    n_quick = len(calls())
    amorsize("tune", "work.log", "--data-range", "40", *GRID)

    assert status == 0
    assert "too short to tune" in document["verdict"]
    assert n_quick < len(calls()) / 2


def test_the_strategy_is_that_which_was_named(amorsize, calls):
    """Halving gives most plans a part of the data only; the grid gives each of them all."""
    grid = ("--n-jobs-range", "2", "--chunksize-range", "1", "2", "4", "8", "--no-optimizer-hint")
    amorsize("tune", "work.log", "--data-range", "200", *grid, "--repeats", "1")
    n_grid = len(calls())
    _, document, _ = amorsize(
        "tune", "work.log", "--data-range", "200", *grid, "--strategy", "halving"
    )

    assert document["search_strategy"] == "halving"
    assert n_grid == 200 * 5
    assert len(calls()) < n_grid


def test_a_seed_repeats_the_order_of_runs(amorsize, calls):
    """Blocks after the first run in an order of chance; that goes by what the loop has taken."""
    sizes = ("1", "2", "3", "4", "6", "12")

    def order(seed):
        grid = ("--n-jobs-range", "2", "--chunksize-range", *sizes, "--repeats", "2")
        _, _, told = amorsize("tune", "work.log", *DATA, *grid, "--seed", seed, "--verbose")
        lines = [line.split(":")[0] for line in told.splitlines()]
        told = [line for line in lines if line.startswith("  process n_jobs=2 ")]
        assert sorted(told[: len(sizes)]) == sorted(told[len(sizes) :])
        return told[len(sizes) :]

    assert order("1") == order("1") != order("2")
    assert len(calls()) > 12 * 3 * 2 * len(sizes)


def test_a_configuration_that_hangs_is_ended(amorsize, calls):
    """Inside an item, at its time; nothing runs in this process then, and nothing was measured."""
    how = (*GRID, "--timeout-per-config", "0.3")
    status, document, _ = amorsize("tune", "work.hang_at_5", *DATA, *how)

    assert status == 1
    assert {one["status"] for one in document["configurations"]} == {"timed out"}
    assert os.getpid() not in {pid for pid, _, _ in calls()}


def test_a_budget_ends_the_search(amorsize):
    """What had no turn is listed as that."""
    grid = ("--n-jobs-range", "2", "--chunksize-range", *map(str, range(1, 30)), "--repeats", "9")
    _, document, _ = amorsize("tune", "work.log", *DATA, *grid, "--budget", "0.4")

    assert "budget" in document["verdict"]
    assert "not measured" in {one["status"] for one in document["configurations"]}


def test_a_dead_worker_is_listed(amorsize):
    """With the reason; the tuning goes on, and the loop wins."""
    status, document, _ = amorsize("tune", "work.die_at_5_in_a_worker", *DATA, *GRID)

    assert status == 0
    assert {one["status"] for one in document["configurations"]} == {"failed"}
    assert document["backend"] == "serial"


def test_the_winner_is_kept_unless_that_is_refused(amorsize):
    """With --no-save nothing is remembered; without, what was decided is."""
    amorsize("tune", "work.log", "--data-range", "40", *GRID, "--no-save")
    assert cache.entries() == []
    _, document, _ = amorsize("tune", "work.log", "--data-range", "40", *GRID[:-2])

    assert [one["name"] for one in cache.entries()] == ["work.log"] * document["is_saved"]


def test_verbose_tells_on_stderr(amorsize):
    """And stdout stays one document."""
    _, _, quiet = amorsize("tune", "work.log", *DATA, *GRID)
    _, _, told = amorsize("tune", "work.log", *DATA, *GRID, "--verbose")

    assert "Benchmarking" not in quiet
    assert "Benchmarking serial execution" in told
    assert "process n_jobs=2 chunksize=3" in told


def test_the_result_can_be_kept_twice(amorsize, folder):
    """Under a name for `history`, and in a file for `load_config`."""
    keeping = ("--save-result", "monday", "--save-config", "monday.json")
    _, document, _ = amorsize("tune", "work.log", *DATA, *GRID, *keeping)

    saved = history.show("monday")
    assert saved.function == "work.log"
    assert (saved.kind, saved.n_items) == ("tuning", 12)
    assert saved.figure("total").time_s == document["best_time"]
    assert saved.figure("loop").low_s == document["serial"]["low_s"]
    assert len(saved.plans) == 3
    loaded = TuningResult.load_config(folder / "monday.json")
    assert loaded.to_dict() == document

    status, refused, _ = amorsize("tune", "work.log", *DATA, *GRID, *keeping)
    assert status == 1
    assert "named 'monday' already" in refused["error"]
    assert amorsize("tune", "work.log", *DATA, *GRID, *keeping, "--add")[0] == 0
    assert history.show("monday").n_added == 2
    assert history.compare("monday", "monday").changes[0].factor == 1.0


def test_what_could_not_be_kept_is_told_first(amorsize, calls):
    """No measuring for minutes, only to find that there is no such folder."""
    status, document, _ = amorsize("tune", "work.log", *DATA, *GRID, "--save-config", "no/x.json")

    assert (status, calls()) == (1, [])
    assert "no such folder" in document["error"]


def test_in_columns(amorsize):
    """The plans side by side, then what to make of them."""
    _, text, _ = amorsize("tune", "work.log", *DATA, *GRID, json_=False)

    header, *lines = text.splitlines()
    assert header.split()[:4] == ["backend", "n_jobs", "chunksize", "takes"]
    assert sorted(line.split()[0] for line in lines[:3]) == ["process", "process", "the"]
    assert {"best", "verdict", "measured", "predicted", "kept"} <= {
        line.split()[0] for line in lines[3:]
    }


@pytest.mark.parametrize(
    ("words", "told", "expected"),
    [
        (["--data-range", "0"], "empty dataset", 1),
        (["--data-range", "9", "--n-jobs-range", "0"], "only numbers from 1 on", 1),
        (["--data-range", "9", "--quick", "--repeats", "3"], "leave out --repeats", 2),
        (["--data-range", "9", "--threads", "--backends", "process"], "exclude each other", 1),
        ([], "--data-range N", 2),
    ],
)
def test_a_wrong_call_is_one_line(amorsize, words, told, expected):
    """With what to do instead."""
    status, document, stderr = amorsize("tune", "work.log", *words)

    assert status == expected
    assert told in document["error"]
    assert stderr.count("\n") == 1


def test_an_item_that_fails_is_named(amorsize):
    """The loop has no result then, and neither has the tuning."""
    status, document, stderr = amorsize("tune", "work.fail_at_5", *DATA, *GRID)

    assert status == 1
    assert "ValueError: five" in document["error"]
    assert "Traceback" not in stderr


@pytest.mark.parametrize("json_", [False, True])
def test_ctrl_c_gives_what_there_is(folder, json_):
    """Status 130, the best so far on stdout, one line on stderr, and no worker left."""
    grid = ("--n-jobs-range", "2", "--chunksize-range", "1", "2", "3", "--repeats", "5000")
    command = ["tune", "work.log", *DATA, *grid, *(["--json"] if json_ else [])]
    process = subprocess.Popen(
        [sys.executable, "-m", "amorsize", *command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        until_s = time.monotonic() + 20
        calls = folder / "calls"
        while not calls.exists() or calls.stat().st_size < 4000:
            assert time.monotonic() < until_s
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=20)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()

    assert process.returncode == 130
    assert stderr.startswith("amorsize: interrupted; ")
    assert stderr.count("\n") == 1
    if json_:
        assert json.loads(stdout)["serial_time"] > 0
    else:
        assert "the loop" in stdout
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_ctrl_c_before_anything_was_measured(amorsize, monkeypatch):
    """There is nothing to show then, and that is said."""

    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "_search", interrupted)
    status, document, stderr = amorsize("tune", "work.log", *DATA, *GRID)

    assert status == 130
    assert document == {"error": "interrupted before anything was measured."}
    assert stderr == "amorsize: interrupted before anything was measured.\n"


def test_what_the_function_prints_is_no_part_of_the_answer(folder):
    """As a process: one document on stdout, all else on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "amorsize", "tune", "work.py:talk", *DATA, *GRID, "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.returncode == 0
    assert json.loads(done.stdout)["function"].endswith("talk")
    assert "printed 3" in done.stderr


# ---- compare ----


def test_named_plans_are_measured_side_by_side(amorsize, calls):
    """Those, the loop, and nothing else; threads where they are named."""
    words = ("2,3", "2,6,thread", "--repeats", "1")
    status, document, _ = amorsize("compare", "work.log", *words, *DATA)

    ran = calls()
    assert status == 0
    assert plans(document) == [("process", 2, 3), ("thread", 2, 6)]
    assert Counter(item for _, _, item in ran) == dict.fromkeys(range(12), 3)
    assert sum(pid == os.getpid() for pid, _, _ in ran) == 24  # the loop, and the threads
    assert document["is_saved"] is False


@pytest.mark.parametrize("plan", ["3", "0,3", "2,0", "2,3,fork", "a,b", "2,3,", "-1,3", ""])
def test_a_plan_that_is_none(folder, plan, capsys):
    """What a plan looks like: status 2."""
    assert cli.main(["compare", "work.log", plan, *DATA]) == 2

    assert "compare" in capsys.readouterr().err


# ---- optimize ----


def test_a_prediction_runs_a_few_items(amorsize, calls):
    """As many as it is told, and shows what follows."""
    _, document, _ = amorsize("optimize", "work.log", "--data-range", "500")
    few = {item for _, _, item in calls()}
    amorsize("optimize", "work.log", "--data-range", "500", "--sample-size", "9")
    more = {item for _, _, item in calls()}

    assert (len(few), len(more)) == (5, 9)
    assert document["n_items"] == 500
    assert document["n_sampled"] == 5
    assert document["item_s"] > 0.001


def test_a_prediction_obeys_its_options(amorsize):
    """The length of chunks, the workers, how many."""
    base = ("optimize", "work.log", "--data-range", "500")
    _, short, _ = amorsize(*base, "--target-chunk-duration", "0.01", "--backend", "thread")
    _, long, _ = amorsize(*base, "--target-chunk-duration", "0.1", "--backend", "thread")
    _, three, _ = amorsize(*base, "--n-jobs", "3", "--backend", "thread")

    assert long["chunksize"] > short["chunksize"]
    assert {one["backend"] for one in (short, long, three)} == {"thread"}
    assert three["n_jobs"] <= 3


def test_a_prediction_in_words(amorsize):
    """What was seen, what follows and why."""
    _, text, _ = amorsize("optimize", "work.log", "--data-range", "500", json_=False)

    assert {"plan", "seen", "why", "speedup"} <= {line.split()[0] for line in text.splitlines()}


def test_a_prediction_of_nothing_warns(amorsize):
    """No items, no plan: and that is said."""
    status, document, _ = amorsize("optimize", "work.log", "--data-range", "0")

    assert status == 0
    assert document["n_jobs"] == 1
    assert document["warnings"]
