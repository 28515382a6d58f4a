"""`amorsize history ...`: what was saved, listed, shown, compared and removed from a shell."""

import json
import os
import subprocess
import sys

import pytest
from conftest import ROOT

from amorsize import cli, history

TUNING = {"best_time": 0.5, "best_n_jobs": 2, "best_chunksize": 10, "serial_time": 1.0}
PLAN = {"n_jobs": 2, "chunksize": 10, "time": 0.5, "low": 0.49, "high": 0.51}


@pytest.fixture
def two_results(monkeypatch):
    """`before` and a twice as quick `after`, on a machine that nobody else uses."""
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.1, 0.1))
    history.save("before", {**TUNING, "function": "shop.parse", "all_results": [PLAN]})
    quick = {**PLAN, "time": 0.2, "low": 0.19, "high": 0.21}
    history.save(
        "after", {**TUNING, "function": "shop.parse", "best_time": 0.2, "all_results": [quick]}
    )


@pytest.fixture
def amorsize(capsys):
    """Run a command in this process."""

    def run(*arguments):
        status = cli.main(arguments)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, said.out, said.err)

    return run


def test_as_a_process(two_results, tmp_path):
    """What a shell sees: columns on stdout, nothing on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "amorsize", "history", "list"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (done.returncode, done.stderr) == (0, "")
    header, first, second = done.stdout.splitlines()
    assert header.split() == ["name", "of", "a", "function", "plan", "takes", "speedup", "saved"]
    assert first.startswith("after   tuning  shop.parse  process x 2, 10 a chunk  200 ms (190 ms")
    assert second.startswith("before  tuning")


def test_list_as_json(amorsize, two_results):
    """One document, with what tells the results apart."""
    document = json.loads(amorsize("history", "list", "--json").stdout)

    assert [result["name"] for result in document["results"]] == ["after", "before"]
    assert document["n_damaged"] == 0


def test_nothing_saved_is_no_failure(amorsize):
    """And what would save something is said."""
    result = amorsize("history", "list")

    assert (result.returncode, result.stderr) == (0, "")
    assert "--save-result NAME" in result.stdout


def test_show(amorsize, two_results):
    """The plan, the times, the machine; the whole document with --json."""
    assert "process x 2, 10 a chunk: 500 ms" in amorsize("history", "show", "before").stdout
    document = json.loads(amorsize("history", "show", "before", "--json").stdout)
    assert document["result"]["best_time"] == 0.5


def test_compare(amorsize, two_results):
    """Both in columns, and what to make of it in a sentence."""
    result = amorsize("history", "compare", "before", "after")

    assert result.returncode == 0
    assert result.stdout.splitlines()[0].split() == ["before", "after"]
    assert "The whole: 2.50 x as quick, beyond the noise" in result.stdout
    document = json.loads(amorsize("history", "compare", "before", "after", "--json").stdout)
    assert document["exceeds_noise"] is True


def test_an_unknown_name(amorsize, two_results):
    """One line with the nearest; also as JSON."""
    for words in (["show", "befor"], ["compare", "befor", "after"], ["delete", "befor"]):
        result = amorsize("history", *words, "--json")
        assert result.returncode == 1
        assert "Nearest: 'before'" in json.loads(result.stdout)["error"]
        assert result.stderr.count("\n") == 1
    assert len(history.list()) == 2


def test_delete_and_clear(amorsize, two_results):
    """What is named goes at once; everything only when that is confirmed."""
    assert amorsize("history", "delete", "after").stdout == "Removed 1 result.\n"
    refused = amorsize("history", "clear")
    assert (refused.returncode, len(history.list())) == (2, 1)
    assert "--yes" in refused.stderr
    assert amorsize("history", "clear", "--yes").stdout == "Removed 1 result.\n"
    assert history.list() == []


def test_a_damaged_result_is_counted(amorsize, two_results, home):
    """The others are listed."""
    next(iter((home / "history").iterdir())).write_text("{")

    result = amorsize("history", "list")

    assert "1 result cannot be read" in result.stdout
    assert len(result.stdout.splitlines()) == 3


def test_switched_off(amorsize, two_results, monkeypatch):
    """It says so, rather than that there is nothing."""
    monkeypatch.setenv("AMORSIZE_CACHE", "off")

    result = amorsize("history", "list")

    assert result.returncode == 1
    assert "AMORSIZE_CACHE=off" in result.stderr
