"""A real call, saved and played on other hosts."""

import json
import math

import pytest
from witness import compute

from amorsize import tuned_map
from amorsize._host import costs
from amorsize.cli import main
from amorsize.simulate import TraceError, forecast, load, save


def work(item):
    compute(1e-3)
    return item


def never(item):
    return item


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    """The trace of a call of 150 items of 1 ms, on a host whose workers cost what most do."""
    path = tmp_path_factory.mktemp("traces") / "trace.json"
    tuned_map(work, range(150))
    with pytest.MonkeyPatch.context() as unlearned:
        unlearned.setattr(costs, "_HOST", costs.HostCosts())
        save(work, path)
    return path


def test_a_saved_call_keeps_its_items_and_their_cost(trace):
    """As many items as there were, and about the time they took."""
    world = load(trace)

    assert world.name == "work"
    assert len(world.costs_s) == 150
    assert 0.5 * 0.15 < sum(world.costs_s) < 5 * 0.15


def test_more_cores_are_quicker_and_the_limit_is_told(trace):
    """150 ms of work: several cores help, 64 no more than the few items allow."""
    few, many = forecast(load(trace), [1, 8])

    assert few.speedup < 1.1
    assert many.speedup > 2
    assert few.limit
    assert many.limit


def test_the_command_tells_it_as_a_table_and_as_json(trace, capsys):
    """One row for each number of cores asked for."""
    assert main(["simulate", str(trace), "--cores", "8", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["n_cores"] for one in told["forecasts"]] == [8]

    assert main(["simulate", str(trace), "--cores", "2", "--cores", "16"]) == 0
    shown = capsys.readouterr().out
    assert "150 items" in shown
    assert [line.split()[0] for line in shown.splitlines()[-2:]] == ["2", "16"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is no trace"),
        ("[1]", "does not say which version"),
        ('{"version": 99}', "version 99"),
        ('{"version": 1, "waits": false}', "is damaged"),
    ],
)
def test_what_is_no_trace_is_refused(content, words, tmp_path, capsys):
    """By `load`, and in one line by the command."""
    path = tmp_path / "trace.json"
    path.write_text(content)

    with pytest.raises(TraceError, match=words):
        load(path)
    assert main(["simulate", str(path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_trace_without_items_is_refused(trace, tmp_path):
    """Its first item has failed."""
    path, document = tmp_path / "trace.json", json.loads(trace.read_text())
    path.write_text(json.dumps({**document, "chunks": [[0, "process", 0, 1, 1, 1]]}))

    with pytest.raises(TraceError, match="no item was run"):
        load(path)


@pytest.mark.parametrize("lie", [{"a": 1}, [1], "1", -1, 1e300, math.nan], ids=repr)
def test_a_field_that_cannot_be_right_is_named(lie, trace, tmp_path):
    """Whatever is in it."""
    path, document = tmp_path / "trace.json", json.loads(trace.read_text())
    for name in document.keys() - {"version"}:
        if type(lie) is type(document[name]) is str:
            continue
        path.write_text(json.dumps({**document, name: lie}))
        with pytest.raises(TraceError, match=f"its {name} cannot be right"):
            load(path)


def test_a_file_that_is_not_there_is_told_of(tmp_path, capsys):
    """In one line."""
    assert main(["simulate", str(tmp_path / "none.json")]) == 1
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_a_function_that_was_not_called_has_no_trace(tmp_path):
    """There is nothing to save."""
    with pytest.raises(TraceError, match="never has not been called"):
        save(never, tmp_path / "trace.json")
