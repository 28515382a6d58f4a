"""Named results: saved whole, read with suspicion, compared against the noise."""

import json
import math
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from amorsize import autotune, errors, history, tuned_map
from amorsize.history import Figure, Saved, store
from amorsize.history.compare import compared
from amorsize.history.result import students_t
from amorsize.policy.actions import Plan
from amorsize.policy.trace import ChunkTrace, Trace

TUNING = {
    "best_n_jobs": 2,
    "best_chunksize": 10,
    "best_time": 0.5,
    "best_speedup": 1.9,
    "serial_time": 0.95,
    "configurations_tested": 3,
    "executor_type": "process",
    "search_strategy": "grid",
    "n_items": 100,
    "function": "shop.parse",
    "all_results": [
        {"backend": "serial", "n_jobs": 1, "chunksize": 100, "time": 0.95, "low": 0.9, "high": 1.0},
        {"n_jobs": 2, "chunksize": 10, "time": 0.5, "low": 0.48, "high": 0.52, "n_runs": 3},
        {"n_jobs": 2, "chunksize": 50, "time": math.inf, "why": "timed out after 2 s"},
    ],
}


class Tuning:
    """What quick_tune gives, as far as it matters here."""

    def __init__(self, **changes):
        self.changes = changes

    def to_dict(self):
        return {**TUNING, **self.changes}


@autotune(backend="serial")
def double(x):
    return 2 * x


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Nobody else wants the cores, as far as results tell."""
    monkeypatch.setattr(os, "getloadavg", lambda: (0.1, 0.1, 0.1))


def path_of(home, name):
    return home / "history" / f"{store.stem(name)}.json"


# ---- Saving and reading ----


def test_a_call_is_saved_and_shown(home):
    """The last call of a tuned function: its plan, its times, its machine."""
    double(range(2000))

    saved = history.save("first", double, note="before the change")

    assert history.show("first") == saved
    assert (saved.kind, saved.n_items, saved.backend) == ("call", 2000, "serial")
    assert saved.function.endswith("double")
    assert saved.figure("total").time_s == double.explain().trace.makespan_s
    for words in ("first", "a call of", "before the change", "2000", "the loop", "n_cores = "):
        assert words in str(saved)


def test_what_tuned_map_ran_can_be_saved(home):
    """A plain function that was mapped in this process, and what explain() gave."""

    def triple(x):
        return 3 * x

    tuned_map(triple, range(100))
    double(range(100))

    assert history.save("plain", triple).n_items == 100
    assert history.save("explained", double.explain()).n_items == 100


def test_a_tuning_is_saved_with_an_interval_for_each_plan(home):
    """Anything with to_dict() is a tuning; what has no finite time has a reason instead."""
    history.save("tuned", Tuning(), func=double)

    saved = history.show("tuned")
    assert (saved.kind, saved.plan) == ("tuning", "process x 2, 10 a chunk")
    assert saved.function.endswith("double")
    assert saved.figure("total") == Figure(
        what="total", time_s=0.5, low_s=0.48, high_s=0.52, n_runs=3
    )
    assert saved.figure("loop").high_s == 1.0
    assert [plan.time_s for plan in saved.plans] == [0.5, 0.95, None]
    assert saved.speedup == 1.9
    assert saved.result["search_strategy"] == "grid"
    assert "timed out after 2 s" in str(saved)
    assert "process x 2, 10 a chunk: 500 ms (480 ms to 520 ms)" in str(saved)


def test_results_are_listed_the_latest_first(home):
    """Until they are deleted."""
    for name in ("a", "b", "c"):
        history.save(name, Tuning())

    assert [saved.name for saved in history.list()] == ["c", "b", "a"]
    assert history.delete("b") == 1
    assert [saved.name for saved in history.list()] == ["c", "a"]
    assert history.clear() == 2
    assert history.list() == []
    assert list((home / "history").iterdir()) == []


def test_looking_makes_no_folder(home):
    """Nothing is written before something is saved."""
    assert (history.list(), history.clear(), history.n_damaged()) == ([], 0, 0)
    assert not home.exists()


def test_a_name_is_not_overwritten_unless_asked_to(home):
    """A baseline is not lost to a mistyped command."""
    history.save("base", Tuning())
    with pytest.raises(errors.InvalidOptionError, match="named 'base' already"):
        history.save("base", Tuning(best_time=0.1))
    assert history.show("base").figure("total").time_s == 0.5

    history.save("base", Tuning(best_time=0.1), replace=True)

    assert history.show("base").figure("total").time_s == 0.1


def test_an_unknown_name_is_told_its_nearest(home):
    """For show, compare and delete; delete removes nothing then."""
    history.save("baseline", Tuning())

    for act in (history.show, history.delete, lambda name: history.compare("baseline", name)):
        with pytest.raises(errors.UnknownResultError, match="Nearest: 'baseline'"):
            act("baselin")
    with pytest.raises(errors.UnknownResultError):
        history.delete("baseline", "nothing")
    assert history.show("baseline").name == "baseline"


@pytest.mark.parametrize("result", [3, {}, {"n_jobs": 2}, lambda x: x, [Tuning()]])
def test_what_is_no_result_is_refused(home, result):
    """Numbers, dicts without a time, functions that were never called."""
    with pytest.raises(errors.WrongTypeError):
        history.save("x", result)
    assert not home.exists()


def test_switched_off_nothing_is_read_or_written(home, monkeypatch):
    """AMORSIZE_CACHE=off holds for results, too, and is told rather than obeyed in silence."""
    monkeypatch.setenv("AMORSIZE_CACHE", "off")

    for act in (history.list, history.clear, lambda: history.save("x", Tuning())):
        with pytest.raises(errors.HistoryError, match="AMORSIZE_CACHE=off"):
            act()
    assert not home.exists()


def test_clearing_the_cache_leaves_results(home):
    """They were saved on purpose."""
    from amorsize import cache

    history.save("kept", Tuning())
    cache.put("profile:a", {"name": "x"})
    cache.clear()

    assert [saved.name for saved in history.list()] == ["kept"]


# ---- Names are data ----


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../victim",
            "/etc/passwd",
            "~/x",
            "$HOME",
            "a/b",
            ".",
            "..",
            "con",
            "größe 文",
            "a.json",
        ),
        "x" * 100,
    ],
)
def test_a_name_is_never_a_path(home, name):
    """Whatever it looks like, one file with a digest for a name is made in the one folder."""
    before = set(home.parent.rglob("*"))

    history.save(name, Tuning())

    made = set(home.parent.rglob("*")) - before
    assert made == {home, home / "history", path_of(home, name)}
    assert history.show(name).name == name
    assert history.delete(name) == 1


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb", "\x1b[2J", "a\u202eb", "\ud800", 3, None])
def test_a_name_that_could_steer_a_terminal_is_refused(home, name):
    """Empty, too long, or not printable."""
    with pytest.raises(errors.InvalidOptionError, match="cannot be a result's name"):
        history.save(name, Tuning())


def test_what_is_in_a_result_cannot_steer_a_terminal(home):
    """Texts of a result are kept in one printable line each."""
    saved = history.save("x", Tuning(function="a\x1b[2J\nb\u202e"), note="c\x07")

    assert saved.function == "a\\x1b[2J\\nb\\u202e"
    assert history.show("x").note == "c\\x07"


# ---- Files are taken for forged ----


class Bomb:
    """Unpickling it creates a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def saved_document(home):
    history.save("x", Tuning())
    return json.loads(path_of(home, "x").read_text())


def forged(document, path, value):
    """The document with the field at this path changed."""
    copy = json.loads(json.dumps(document))
    *way, last = path
    place = copy
    for step in way:
        place = place[step]
    place[last] = value
    return json.dumps(copy)


FORGERIES = [
    *((["n_jobs"], value) for value in (10**9, 0, -1, True, "2", 1.5, None)),
    *((["saved_at_s"], value) for value in (-1, 1e300, "now", None)),
    *((["figures", 0, "time_s"], value) for value in (-1, 1e300, "1", [1])),
    *((["figures", 0], value) for value in (None, [], {}, 7)),
    *((["name"], value) for value in ("y", "x\x1b[2J", 7, "x" * 600)),
    *((["machine"], value) for value in (None, [], {"a": [1]}, {"a\n": 1}, {"a": "\x07"})),
    (["kind"], "order"),
    (["version"], 2),
    (["format"], "other"),
    (["function"], ["f"]),
    (["result"], None),
    (["figures"], [{}] * 3000),
]


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_where_nothing_more_can_be_written_that_is_told(home):
    """The system names no file then."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(errors.HistoryError, match=r"File too large\. To keep them elsewhere"):
            history.save("x", Tuning())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert history.list() == []


def test_a_result_is_replaced_or_added_to():
    history.save("x", Tuning())
    with pytest.raises(errors.InvalidOptionError, match="exclude each other"):
        history.save("x", Tuning(), replace=True, add=True)
    assert history.show("x").n_added == 1


@pytest.mark.parametrize(("path", "value"), FORGERIES, ids=str)
def test_a_forged_field_is_not_believed(home, path, value):
    """Any one field that cannot be right makes it no result: counted, not listed, not shown."""
    text = forged(saved_document(home), path, value)
    path_of(home, "x").write_text(text)

    with pytest.raises(errors.HistoryError, match="damaged"):
        history.show("x")
    assert (history.list(), history.n_damaged()) == ([], 1)
    history.save("x", Tuning(), replace=True)
    assert history.show("x").n_items == 100


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[1]", b"null", b'{"a": NaN}', b'{"a": 1e999}', b"\xff\xfe", b"[" * 60_000),
        *(b'{"a": 1} {}', b'{"a": "' + b"x" * 2**20 + b'"}', '{"a": "ü"}'.encode()),
        pickle.dumps(Bomb(Path("exploded"))),
    ],
    ids=lambda content: f"{content!r:.20}",
)
def test_what_is_no_sane_json_is_no_result(home, content):
    """Neither loaded nor listed; a pickle does not run."""
    saved_document(home)
    path_of(home, "x").write_bytes(content)

    with pytest.raises(errors.HistoryError, match="refused|damaged"):
        history.show("x")
    assert (history.list(), history.n_damaged()) == ([], 1)
    assert not Path("exploded").exists()
    assert history.delete("x") == 1


def test_a_link_in_its_place_is_not_followed(home):
    """What it leads to is neither read nor changed, whatever is done."""
    document = saved_document(home)
    victim = home.parent / "victim.json"
    victim.write_text(json.dumps(document))
    path_of(home, "x").unlink()
    path_of(home, "x").symlink_to(victim)

    with pytest.raises(errors.HistoryError, match="refused"):
        history.show("x")
    history.save("x", Tuning(), replace=True)
    path_of(home, "x").unlink()
    path_of(home, "x").symlink_to(victim)
    assert history.clear() == 1
    assert json.loads(victim.read_text()) == document


def test_a_pipe_in_its_place_does_not_block(home):
    """It is no plain file."""
    saved_document(home)
    path_of(home, "x").unlink()
    os.mkfifo(path_of(home, "x"))

    with pytest.raises(errors.HistoryError, match="refused, as it was not a plain file"):
        history.show("x")
    assert history.n_damaged() == 1


@pytest.mark.parametrize("where", ["", "history"])
@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_can_write_is_refused(home, where, mode):
    """Neither read nor written, and the error says what to do."""
    history.save("x", Tuning())
    (home / where).chmod(mode)

    for act in (lambda: history.save("y", Tuning()), history.list, lambda: history.show("x")):
        with pytest.raises(errors.HistoryError, match=r"other users.*AMORSIZE_HOME"):
            act()


def test_a_linked_folder_is_refused(home, tmp_path):
    """It could lead anywhere."""
    (tmp_path / "elsewhere").mkdir()
    home.mkdir(0o700)
    (home / "history").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(errors.HistoryError, match="symbolic link"):
        history.save("x", Tuning())
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_full_grid_fits_and_no_more(home):
    """A thousand plans are stored; a result beyond all reason is refused with its size."""
    plans = [{"n_jobs": n, "chunksize": 10, "time": 0.5} for n in range(1, 1001)]
    history.save("grid", Tuning(all_results=plans))

    assert len(history.show("grid").plans) == 1000
    with pytest.raises(errors.HistoryError, match="more than the"):
        history.save("huge", Tuning(blob="x" * 2**20))


def test_a_writer_killed_half_way_leaves_the_old_result(home):
    """Whatever moment a save is ended at, the name has one whole result."""
    history.save("x", Tuning())
    script = f"""
import os, sys
sys.path.insert(0, {str(ROOT)!r})
from amorsize import history
from amorsize.history import store
os.fsync = lambda file: os._exit(9)
history.save("x", {{"best_time": 0.1, "all_results": []}}, replace=True)
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=30).returncode == 9

    assert history.show("x").figure("total").time_s == 0.5
    assert [saved.name for saved in history.list()] == ["x"]
    assert history.clear() == 1
    assert list((home / "history").iterdir()) == []


# ---- Comparing ----


def call(*chunk_costs_s, n_items=100, makespan_s=None):
    """A trace of a call with chunks of 10 items at these costs."""
    chunks = tuple(
        ChunkTrace(
            worker=0, backend="process", n_items=10, wall_s=10 * cost, cpu_s=10 * cost, now_s=1.0
        )
        for cost in chunk_costs_s
    )
    work_s = sum(chunk.wall_s for chunk in chunks)
    return Trace(
        name="parse",
        n_items=n_items,
        makespan_s=makespan_s or work_s / 2,
        n_cores=2,
        plan=Plan(backend="process", n_jobs=2, chunksize=10),
        profile=None,
        known=None,
        known_from=None,
        known_fits=None,
        notes=(),
        chunks=chunks,
        n_started={"process": 2},
        n_repeated=0,
        rejected=(),
        warnings=(),
    )


EVEN = [1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.1, 0.9, 1.05, 0.95]


def test_a_change_beyond_the_noise_is_told(home):
    """Items that cost twice as much, with chunks that agree."""
    history.save("before", call(*EVEN))
    history.save("after", call(*[2 * cost for cost in EVEN]))

    comparison = history.compare("before", "after")

    assert comparison.exceeds_noise is True
    assert comparison.changes[0].factor == pytest.approx(2.0)
    assert "2.00 x as long, beyond the noise" in comparison.verdict
    assert comparison.differences == ()


def test_a_change_within_the_noise_is_told(home):
    """3 % is nothing where chunks scatter by 7 %, and the other way round is no better."""
    history.save("before", call(*EVEN))
    history.save("after", call(*[1.03 * cost for cost in EVEN]))

    assert history.compare("before", "after").exceeds_noise is False
    assert "within the noise" in history.compare("after", "before").verdict
    assert "Add up 3 or more" in history.compare("after", "before").verdict


@pytest.mark.parametrize("factor", [1.3, 1.5])
def test_intervals_that_are_apart_are_not_called_noise(home, factor):
    """One process each proves nothing, but the words do not contradict the table beside them."""
    history.save("before", call(*[1.0] * 10))
    history.save("after", call(*[factor] * 10))

    there, back = history.compare("before", "after"), history.compare("after", "before")

    for comparison in (there, back):
        assert comparison.exceeds_noise is False
        assert "within the noise" not in str(comparison)
        assert "from one process to the next" in comparison.verdict
        assert "Add up 3 or more" in comparison.verdict


def test_a_loop_has_no_speedup(home):
    """What it took to begin and end a call is no way of running its items."""
    loop = Plan(backend="serial", n_jobs=1, chunksize=100)
    saved = history.save("loop", call(*EVEN).replace(plan=loop))

    assert saved.speedup is None
    assert "speedup" not in str(saved)


def test_a_busy_machine_hides_a_change(home):
    """2 x is a change, and none where more processes wanted the cores than there were."""
    before = history.save("before", call(*EVEN))
    after = history.save("after", call(*[2 * cost for cost in EVEN]))
    for load, exceeds in ((0.1, True), (3.0, False), (None, True)):
        then = {**before.machine, "load": load, "n_cores": 2}

        assert (
            compared(before.replace(machine=then), after.replace(machine=then)).exceeds_noise
            is exceeds
        )


def test_scattered_chunks_hide_a_change(home):
    """The same 2 x is noise where chunks differ by a factor of 50."""
    wild = [0.05, 2.5] * 3
    history.save("before", call(*wild))
    history.save("after", call(*[2 * cost for cost in wild]))

    assert history.compare("before", "after").exceeds_noise is False


def test_where_nobody_can_tell_nobody_does(home):
    """One chunk shows no scatter: no verdict on noise, rather than a guess."""
    history.save("before", call(1.0))
    history.save("after", call(9.0))

    comparison = history.compare("before", "after")

    assert comparison.exceeds_noise is None
    assert "too few measurements" in comparison.verdict


def test_other_numbers_of_items_are_compared_per_item(home):
    """Twice the items in twice the time is no change."""
    history.save("before", call(*EVEN, n_items=100))
    history.save("after", call(*EVEN, *EVEN, n_items=200))

    comparison = history.compare("before", "after")

    assert "per item" in comparison.changes[0].what
    assert comparison.changes[0].factor == pytest.approx(1.0)
    assert [one.what for one in comparison.differences] == ["items"]


def test_results_that_are_added_up_show_what_they_differ_by(home):
    """Three calls whose chunks are wild but whose times agree to a percent: 10 % is a change."""
    wild = [0.5, 2.0] * 5
    for n in range(4):
        history.save("before", call(*wild, makespan_s=10 + 0.1 * n), add=True)
        history.save("after", call(*wild, makespan_s=11.5 + 0.1 * n), add=True)
    history.save("once", call(*wild, makespan_s=11.5))

    assert history.show("before").n_added == 4
    assert history.show("before").figure("total").time_s == pytest.approx(10.15, rel=1e-3)
    assert history.compare("before", "after").exceeds_noise is True
    assert history.compare("before", "once").exceeds_noise is False


def test_only_the_same_work_is_added_up(home):
    """Another number of items, another function or another kind of result is another result."""
    history.save("x", call(*EVEN, n_items=100))

    for other in (call(*EVEN, n_items=99), call(*EVEN, n_items=100).replace(name="load"), Tuning()):
        with pytest.raises(errors.InvalidOptionError, match="of another"):
            history.save("x", other, add=True)
    assert history.show("x").n_added == 1


@pytest.mark.parametrize(
    ("n_free", "table"), [(2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042), (1e6, 1.96)]
)
def test_students_t(n_free, table):
    """The approximation is within 4 % of the table."""
    assert students_t(n_free) == pytest.approx(table, rel=0.04)


def test_the_machines_differences_are_told(home):
    """What host, what Python, what cores; a load that is about the same is none."""
    before = history.save("before", call(*EVEN))
    elsewhere = {**before.machine, "n_cores": 64, "cpu_model": "other", "load": None}

    comparison = compared(before, before.replace(name="after", machine=elsewhere))

    assert {one.what for one in comparison.differences} >= {"n_cores", "cpu_model"}
    assert "So do the machines" in comparison.verdict
    near = before.replace(machine={**before.machine, "load": (before.machine["load"] or 0) + 0.1})
    assert compared(before, near).differences == ()


def test_changed_code_is_told(home):
    """A function of the same name whose code is another."""
    double(range(10))
    before = history.save("before", double)

    comparison = compared(before, before.replace(code="0123456789abcdef"))

    assert [one.what for one in comparison.differences] == ["code"]
    assert "The work differs as well (code)" in comparison.verdict


def test_plans_measured_in_both_are_set_side_by_side(home):
    """A tuning again on the same grid: each plan's change, with its own intervals."""
    history.save("before", Tuning())
    faster = [
        dict(entry, time=entry["time"] / 2, low=0.2, high=0.3)
        for entry in TUNING["all_results"][1:2]
    ]
    history.save("after", Tuning(best_time=0.25, all_results=faster))

    comparison = history.compare("before", "after")

    assert [change.what for change in comparison.changes] == [
        *("the whole", "the loop", "process x 2, 10 a chunk")
    ]
    assert comparison.changes[2].exceeds_noise
    assert json.loads(json.dumps(comparison.to_dict()))["exceeds_noise"] is True
    assert "2.00 x as quick" in str(comparison)


# ---- Laws ----

texts = st.text("ab:\x1b\u202e\ud800ü", max_size=9)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(TUNING)), anything))
def test_whatever_a_tuning_says_it_is_stored_or_refused(changes):
    """What is made from any to_dict() is stored as JSON, believed when read, and can be shown."""
    from amorsize.history import build

    try:
        saved = build.saved("x", Tuning(**changes), None, "")
    except errors.WrongTypeError:
        return
    stored = json.loads(json.dumps(saved.as_document(), allow_nan=False))

    read = Saved.from_document(stored)
    assert read == saved
    assert str(compared(read, read))
    assert str(read)
    assert read._repr_html_()


def test_the_loop_of_two_tunings_is_compared_once(home):
    """It is a plan like the others, and the time that speedups are told by."""
    history.save("before", Tuning())
    history.save("after", Tuning())

    told = [change.what for change in history.compare("before", "after").changes]
    assert told == ["the whole", "the loop", *dict.fromkeys(told[2:])]
    assert told.count("the loop") == 1


@given(st.floats(0.01, 100), st.floats(0.01, 0.5))
def test_comparing_the_other_way_round_is_the_inverse(factor, scatter):
    """The factor is inverted, and the verdict on noise is the same."""
    costs = [1.0, 1 + scatter, 1 / (1 + scatter)] * 4
    from amorsize.history import build

    a = build.saved("a", call(*costs), None, "")
    b = build.saved("b", call(*[factor * cost for cost in costs]), None, "")
    there, back = compared(a, b).changes[0], compared(b, a).changes[0]

    assert there.factor * back.factor == pytest.approx(1.0)
    assert there.exceeds_noise == back.exceeds_noise
