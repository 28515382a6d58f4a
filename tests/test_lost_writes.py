"""Items that write into a table which workers share: as in the loop, or told, never just lost.

What the code shows is kept in the caller before anything is shared. Here nobody reads it: there
will always be ways to write that reading misses. Nobody has watched the items either; all is
beside a thread.
"""

import os
import time

import pytest

from amorsize import autotune, tuned_map
from amorsize._engine.caller import inline
from amorsize._engine.costs import spawn_costs
from amorsize._engine.starting import new_interpreters
from amorsize._engine.state import call
from amorsize._function.changes import mutations
from amorsize._workers.processes.start_ahead import start_ahead
from amorsize._workers.tasks import shared_data
from amorsize.errors import AmorsizeWarning

np = pytest.importorskip("numpy")
pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="tested on Linux")

N, WRITER = 130, 80  # items, and the one that writes


pytestmark = pytest.mark.usefixtures("beside_a_thread")


def compute():
    until = time.thread_time() + 3e-3
    while time.thread_time() < until:
        pass


class Sheet:
    """Gives a part of its numbers."""

    def __init__(self, numbers):
        self.numbers = numbers

    def column(self, k):
        return np.lib.stride_tricks.as_strided(self.numbers[k % 16 :], (16384,), (128,))


def through_a_part(sheet, k):
    np.trim_zeros(sheet.numbers)[k % 16 * 16384] = -1.0


def through_rows(sheet, k):
    for number in np.nditer(sheet.numbers[:64], op_flags=["readwrite"]):
        number[...] = -2.0


def through_a_column(sheet, k):
    sheet.column(k)[3:6] -= 7.0


def through_memory(sheet, k):
    np.require(sheet.numbers)[k] = -3.0


def through_out(sheet, k):
    part = np.real(sheet.numbers)[k % 16 * 16384 :][:3]
    np.sqrt(part, part)


WAYS = [through_a_part, through_rows, through_a_column, through_memory, through_out]


def looking_up(sheet, write, compute=compute):
    """A function that reads what the writer has changed, if that has come before."""

    def item(k):
        compute()
        if k == WRITER:
            write(sheet, k)
        return k, float(sheet.numbers[:256].sum())

    return item


def by_loop(sheet, write):
    """What a loop gives, without the time that items take."""
    item = looking_up(sheet, write, compute=lambda: None)
    return [item(k) for k in range(N)]


def sheet():
    return Sheet(np.arange(1 << 18, dtype=float) + 1.0)


@pytest.fixture
def unread(monkeypatch):
    """The code shows no change, and new interpreters are worth their start."""
    monkeypatch.setattr(mutations.Reader, "changes", lambda *_: iter(()))
    monkeypatch.setattr(new_interpreters.NewInterpreters, "_why_not_worth_starting", lambda _: None)
    if spawn_costs.n_warm_interpreters() < 2:
        start_ahead(2)


def ran_in_workers(tuned):
    return any(one.backend == "process" for one in tuned.explain().trace.chunks)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize("write", WAYS, ids=lambda one: one.__name__)
def test_results_and_table_are_the_loops_or_it_is_told(write):
    """Whoever ran the writer: the caller, a worker, early or late."""
    expected = sheet()
    found = by_loop(expected, write)

    mine, told = sheet(), []
    tuned = autotune(looking_up(mine, write), cache=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(call.Recorder, "warn", lambda _, text, **__: told.append(text))
        try:
            results = tuned(range(N))
        except shared_data.WrittenInto:
            return  # which says so
        is_same = results == found and np.array_equal(mine.numbers, expected.numbers)
        assert is_same or any("changed a large array" in one for one in told)


@pytest.fixture
def only_workers_write(monkeypatch):
    """The caller waits for its workers once there are some."""
    run_inline = inline.InlineItems.run_inline

    def patient(items, n_items, time_budget_s):
        if items._call.pools and not items._call.work.failure:
            items._workers.wait(0.01)
        else:
            run_inline(items, n_items, time_budget_s)

    monkeypatch.setattr(inline.InlineItems, "run_inline", patient)


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize("write", WAYS, ids=lambda one: one.__name__)
def test_what_a_worker_has_written_is_made_good(write, only_workers_write):
    """The caller runs again what began after it, so that all see it; later calls stay there."""
    expected, mine = sheet(), sheet()
    tuned = autotune(looking_up(mine, write), cache=False)

    assert tuned(range(N)) == by_loop(expected, write)
    assert ran_in_workers(tuned)
    assert np.array_equal(mine.numbers, expected.numbers)
    assert tuned(range(N)) == by_loop(expected, write)
    assert np.array_equal(mine.numbers, expected.numbers)


@pytest.mark.usefixtures("unread")
def test_what_cannot_be_run_twice_is_refused(only_workers_write, capsys):
    """Its lines may be out by then: the error names what was lost, and which item that was.

    Where the host is too busy for workers, the caller has run them all.
    """
    mine, notes = sheet(), []

    def item(k):
        compute()
        print(k)
        if k == WRITER:
            through_memory(mine, k)
        return k

    try:
        autotune(item, cache=False)(range(N))
    except shared_data.WrittenInto as error:
        notes += error.__notes__
    printed = capsys.readouterr().out.split()

    is_lost = mine.numbers[WRITER] != -3.0
    assert is_lost == any("item" in note for note in notes)
    assert len(set(printed)) == len(printed)


def test_who_asks_for_processes_is_told():
    """The items are shielded from one another, as asked for; that it matters is said."""
    mine = sheet()

    with pytest.warns(AmorsizeWarning, match="that worker process alone has it so"):
        tuned_map(lambda k: through_rows(mine, k), range(4), backend="process", n_jobs=2)
    assert mine.numbers[0] == 1.0


# -- how it is seen --------------------------------------------------------------------------


@pytest.fixture
def parts():
    return [memoryview(bytearray(b"x" * 300_000)), memoryview(bytearray(b"y" * 5))]


def test_reading_is_no_writing(parts):
    lender = shared_data.Lent(parts)
    borrowed = shared_data.Borrowed(lender.location)

    assert bytes(borrowed.parts[0]) == bytes(parts[0])
    assert not borrowed.is_written()
    lender.close()


@pytest.mark.parametrize("place", [0, 150_000, 299_999])
def test_one_byte_is_seen_once_it_is_written(parts, place):
    lender = shared_data.Lent(parts)
    borrowed = shared_data.Borrowed(lender.location)
    assert not borrowed.is_written()

    borrowed.parts[0][place] = 0

    assert borrowed.is_written()
    assert not lender.has_changed()
    lender.close()


def test_the_callers_own_change_is_seen(parts):
    lender = shared_data.Lent(parts)
    assert not lender.has_changed()

    parts[1][4] = 0

    assert lender.has_changed()
    lender.close()


def test_where_the_system_does_not_tell_nothing_is_seen(parts, monkeypatch):
    """As in a container that shows no pages: what is written is the worker's own."""
    lender = shared_data.Lent(parts)
    borrowed = shared_data.Borrowed(lender.location)
    borrowed.parts[0][7] = 0

    def refused(_):
        raise PermissionError("/proc/self/pagemap")

    monkeypatch.setattr(shared_data.Borrowed, "_has_copies", refused)

    assert not borrowed.is_written()
    lender.close()
