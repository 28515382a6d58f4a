"""`amorsize report` writes one page, about a call that it makes or about what is remembered."""

import json
import subprocess
import sys

import pytest

from amorsize import cache, cli, tuned_map

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
pytestmark = pytest.mark.usefixtures("fresh_cache", "writes_at_once")


@pytest.fixture
def amorsize(tmp_path, monkeypatch, capsys):
    """Run a command in this process and in a folder with `reported.py`."""
    (tmp_path / "reported.py").write_text(
        "def price(n):\n    return sum(i * i for i in range(20_000 + n))\n"
        "def fails(n):\n    return 1 // (n - 3)\n"
        "def stops(n):\n    if n == 3:\n        raise KeyboardInterrupt\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def run(*arguments):
        status = cli.main(arguments)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, said.out, said.err)

    yield run
    sys.modules.pop("reported", None)


def test_a_call_is_made_and_told(amorsize, tmp_path):
    """With data, the function runs over all of it; the page is of that call."""
    done = amorsize("report", "reported.price", "--data-range", "40", "-o", "call.html")

    assert done.returncode == 0
    assert done.stdout.splitlines()[0].startswith("price: 40 items in")
    assert done.stdout.splitlines()[1] == str(tmp_path / "call.html")
    html = (tmp_path / "call.html").read_text(encoding="utf-8")
    assert "price: 40 items in" in html
    assert "What to try next" in html


def test_options_of_a_call_are_obeyed(amorsize, tmp_path):
    """The backend, the number of jobs and the chunksize, as with `run`; the page is report.html."""
    done = amorsize(
        *("report", "reported.price", "--data-range", "40", "--json"),
        *("--backend", "thread", "--n-jobs", "2", "--chunksize", "5"),
    )

    told = json.loads(done.stdout)
    assert told["page"] == str(tmp_path / "report.html")
    assert told["n_results"] == 40
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "2 threads, 5 items in a full chunk" in html


def test_without_data_it_tells_what_is_remembered(amorsize, tmp_path):
    """And what the next call would make of it, played in virtual time; nothing is run."""
    import reported

    tuned_map(reported.price, range(40))
    cache.close()

    done = amorsize("report", "reported.price")

    assert done.returncode == 0
    assert "what is remembered of reported.price" in done.stdout
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "The next call, of 40 such items" in html
    assert "played in virtual time" in html


def test_what_cannot_be_told_is_said_in_a_line(amorsize, tmp_path):
    """An unknown function, a failing item, a name that is none of a page: no page is written."""
    unknown = amorsize("report", "reported.price")
    failing = amorsize("report", "reported.fails", "--data-range", "9")
    no_page = amorsize("report", "reported.price", "--data-range", "9", "-o", "page.txt")

    assert "nothing is remembered" in unknown.stderr
    assert "ZeroDivisionError" in failing.stderr
    assert "3 results came before" in failing.stderr
    assert "ends with .html" in no_page.stderr
    assert {unknown.returncode, failing.returncode, no_page.returncode} == {1}
    assert not [*tmp_path.glob("*.html"), *tmp_path.glob("*.txt")]


def test_ctrl_c_ends_it_without_a_page(amorsize, tmp_path):
    """With the status of an interrupt, and a line that says how much had come."""
    done = amorsize("report", "reported.stops", "--data-range", "9", "--backend", "serial")

    assert done.returncode == 130
    assert "3 results came before. There is no page." in done.stderr
    assert not [*tmp_path.glob("*.html")]


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_what_is_missing_is_said_before_the_call(amorsize, tmp_path, monkeypatch, package):
    """Nobody waits for a page that cannot be written."""
    monkeypatch.setitem(sys.modules, package, None)

    done = amorsize("report", "reported.fails", "--data-range", "9")

    assert done.returncode == 1
    assert "pip install 'amorsize[plot]'" in done.stderr
    assert "ZeroDivisionError" not in done.stderr
