"""`amorsize explain`: what is remembered, and the next call played with it by the very tuner."""

import json
import subprocess
import sys

import pytest

from amorsize import cache, cli, tuned_map

pytestmark = pytest.mark.usefixtures("fresh_cache", "writes_at_once")


@pytest.fixture
def amorsize(tmp_path, monkeypatch, capsys):
    """Run a command in this process and a folder with `shop.py`, whose function was called."""
    (tmp_path / "remembered.py").write_text(
        "def price(n):\n    return sum(i * i for i in range(20_000 + n))\n"
        "def other(n):\n    return n\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import remembered

    tuned_map(remembered.price, range(40))
    cache.close()

    def run(*arguments):
        status = cli.main(arguments)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, said.out, said.err)

    yield run
    del sys.modules["remembered"]


@pytest.mark.parametrize("name", ["price", "remembered.price", "rem*.price", "remembered:price"])
def test_what_is_remembered_is_told(amorsize, name):
    """By its name as in `cache show`, or by where it is."""
    result = amorsize("explain", name)

    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("remembered.price, items of type int\n")
    for words in ("learned", "just now on this host", "measured", "served best", "next call"):
        assert words in result.stdout
    assert "of 40 such items, played on this host" in result.stdout


def test_the_plan_follows_from_the_number_of_items(amorsize, monkeypatch):
    """One item is the loop; many are worth workers, where there are cores for them."""
    monkeypatch.setattr("amorsize._host.resources._affinity", lambda: 8)

    def plan(n):
        document = json.loads(amorsize("explain", "price", "--n-items", str(n), "--json").stdout)
        return document["functions"][0]["next_call"]

    one, many = plan(1), plan(20_000)
    assert one["plan"]["backend"] == "serial"
    assert many["plan"]["n_jobs"] > 1
    assert many["makespan_s"] < many["loop_s"]
    assert many["why"]


def test_changed_code_is_told(amorsize, tmp_path):
    """What was learned of other code is no promise; only a name that is imported can tell."""
    (tmp_path / "remembered.py").write_text("def price(n):\n    return n + 1\n")
    del sys.modules["remembered"]

    result = amorsize("explain", "./remembered.py:price")

    assert result.returncode == 0
    assert "of other code than this function has now" in result.stdout
    assert "of other code" not in amorsize("explain", "price").stdout
    document = json.loads(amorsize("explain", "remembered:price", "--json").stdout)
    assert document["functions"][0]["of_this_code"] is False


@pytest.mark.parametrize("name", ["nothing", "remembered:other"])
def test_nothing_remembered_is_a_failure(amorsize, name):
    """One line that says what to do."""
    result = amorsize("explain", name)

    assert (result.returncode, result.stdout) == (1, "")
    assert "nothing is remembered of" in result.stderr
    assert result.stderr.count("\n") == 1
