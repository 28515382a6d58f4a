"""Workers watch their first items: what one does that belongs to the caller ends the sharing."""

import contextvars
import os
import threading
import time
import warnings

import pytest
from conftest import another_thread

from amorsize import AmorsizeWarning, autotune
from amorsize._profiles import disk_store, memory_store
from amorsize._workers.first_items import FirstItems, plain
from amorsize._workers.processes.fork_pool import ForkPool
from amorsize._workers.protocol import Chunk, ChunkDone, Noticed, Task, Watch
from amorsize._workers.thread_pool import ThreadPool
from amorsize.policy.profile import MOST_REASON_CHARS

HOME = os.getpid()
variable = contextvars.ContextVar("step", default=0)
TABLE: dict[str, int] = {}


def burn(item, seconds=2e-3):
    until_s = time.perf_counter() + seconds
    while time.perf_counter() < until_s:
        pass
    return item


def in_worker():
    """An item cannot know whether its neighbours run elsewhere; a test can have it know."""
    return os.getpid() != HOME or threading.current_thread() is not threading.main_thread()


def change_folder(item):
    getattr(os, "chdir" if in_worker() else "listdir")("/")
    return burn(item)


def set_environment(item):
    if in_worker():
        setter = getattr(os, "".join(("env", "iron")))  # not to be read in the code
        setter["AMORSIZE_TEST_STEP"] = str(item)
    return burn(item)


def mark_row(row):
    if in_worker():
        getattr(row, "".join(("up", "date")))(done=True)  # not to be read in the code
    return burn(len(row), 2e-3 if in_worker() else 20e-3)  # so that sharing pays on any host


def count_in_table(item):
    TABLE["n"] = TABLE.get("n", 0) + 1
    return item


def set_variable(item):
    variable.set(variable.get() + 1)
    return item


def look_around(item):
    os.getcwd()
    return burn(item)


# -- one pool -------------------------------------------------------------------------------


def told_by(pool, n_items=20, items=None):
    """What a pool of one worker tells of one chunk."""
    pool.start(0)
    events, sent = [], False
    until_s = time.monotonic() + 20
    try:
        while time.monotonic() < until_s:
            events.extend(pool.wait(0.1))
            if not sent and events:
                data = (items or range(n_items),)
                pool.send(
                    0, Chunk(start=0, stop=n_items, items=data), time_budget_s=9.0, flush_s=9.0
                )
                sent = True
            if any(isinstance(one, ChunkDone) and one.last for one in events):
                break
        return events
    finally:
        pool.close(at_once=False)


def noticed(events):
    return [one.why for one in events if isinstance(one, Noticed)]


@pytest.mark.forks
@pytest.mark.parametrize(
    ("function", "told"),
    [
        (change_folder, "the current folder"),
        (set_environment, "os.environ"),
        (set_variable, "step"),
    ],
)
def test_a_forked_worker_tells_what_its_first_item_did(function, told):
    """With the report of the chunk, whose rest it hands back."""
    events = told_by(ForkPool(Task(function, watch=Watch()), n_workers=1))

    (why,) = noticed(events)
    (done,) = [one for one in events if isinstance(one, ChunkDone)]
    assert told in why
    assert 1 <= len(done.results) < 20
    assert done.back == (len(done.results), 20)


@pytest.mark.forks
def test_an_item_that_is_changed_in_a_fork_is_told():
    """The caller's own item stays as it was: the change is lost."""
    rows = [{"n": n} for n in range(20)]
    task = Task(mark_row, watch=Watch())

    assert "dict" in noticed(told_by(ForkPool(task, n_workers=1), items=rows))[0]


@pytest.mark.forks
def test_what_the_function_reaches_is_told_by_its_name():
    """Handed in with the task, as it was before the fork."""
    task = Task(count_in_table, watch=Watch(mutables={"TABLE": TABLE}))

    (why,) = noticed(told_by(ForkPool(task, n_workers=1)))

    assert why == "an item changed TABLE, which the function reaches"


@pytest.mark.forks
def test_a_file_that_was_open_before_the_fork_is_told(tmp_path):
    """Its offset is the caller's as well; one that setup= opens is the worker's own."""
    (tmp_path / "table").write_bytes(bytes(100_000))
    with (tmp_path / "table").open("rb", buffering=0) as file:
        task = Task(lambda _: file.read(10), watch=Watch(handles={"table": file}))

        assert "offset" in noticed(told_by(ForkPool(task, n_workers=1)))[0]

    own = []
    task = Task(
        lambda _: own[0].read(10),
        setup=lambda: own.append((tmp_path / "table").open("rb", buffering=0)),
        watch=Watch(),
    )
    events = told_by(ForkPool(task, n_workers=1))

    assert noticed(events) == []
    assert sum(len(one.results) for one in events if isinstance(one, ChunkDone)) == 20


@pytest.mark.parametrize("pool_of", [lambda t: ForkPool(t, n_workers=1), ThreadPool])
def test_items_that_do_nothing_are_all_run(pool_of):
    """Nothing is told, nothing handed back, and the cost told is the items' own."""
    events = told_by(pool_of(Task(look_around, watch=Watch())))
    (done,) = [one for one in events if isinstance(one, ChunkDone)]

    assert noticed(events) == []
    assert done.results == list(range(20))
    assert done.back is None
    assert done.wall_s >= 0.9 * 20 * 2e-3


def test_a_thread_tells_what_its_first_item_did(monkeypatch):
    """Process-wide, so everybody's at once."""
    monkeypatch.setitem(os.environ, "AMORSIZE_TEST_STEP", "before")
    events = told_by(ThreadPool(Task(set_environment, watch=Watch())))

    assert "AMORSIZE_TEST_STEP" in noticed(events)[0]


def test_a_thread_is_not_blamed_for_what_it_shares_on_purpose():
    """Items are the caller's own objects in threads: what they change there is changed."""
    rows = [{"n": n} for n in range(20)]

    assert noticed(told_by(ThreadPool(Task(mark_row, watch=Watch())), items=rows)) == []
    assert all(row["done"] for row in rows)


def test_beside_a_thread_of_the_program_nothing_is_blamed_on_items(monkeypatch):
    """What that thread does to the process is none of an item's doing."""
    monkeypatch.setitem(os.environ, "AMORSIZE_TEST_STEP", "before")
    with another_thread():
        events = told_by(ThreadPool(Task(set_environment, watch=Watch())))

    assert noticed(events) == []


@pytest.mark.forks
def test_a_file_that_the_data_may_come_from_is_no_matter_in_a_fork(tmp_path):
    """While data is read in the caller, nobody can tell who has moved an offset that both share."""
    (tmp_path / "table").write_bytes(bytes(100_000))
    with (tmp_path / "table").open("rb", buffering=0) as file:
        watch = Watch(handles={"table": file}, beside_program=True)

        assert (
            noticed(told_by(ForkPool(Task(lambda _: file.read(10), watch=watch), n_workers=1)))
            == []
        )


def test_code_of_the_program_beside_items_in_threads_is_not_blamed_on_them(monkeypatch):
    """As that of other threads: it may have set what is found set."""
    monkeypatch.setitem(os.environ, "AMORSIZE_TEST_STEP", "before")
    task = Task(set_environment, watch=Watch(beside_program=True))

    assert noticed(told_by(ThreadPool(task))) == []


def test_an_item_that_raises_is_watched_to_its_end():
    """What it did before it failed is found."""
    first_items = FirstItems(Watch(), {"item"})

    def failing(row):
        row["done"] = True
        raise LookupError

    with pytest.raises(LookupError):
        first_items.watched(failing)({})

    assert first_items.has_news
    assert first_items.news() == "an item (dict) was changed in place"
    assert first_items.news() is None


def test_only_the_first_items_are_watched():
    """Two, and none once something was found; afterwards nobody wraps the function."""
    first_items = FirstItems(Watch(), {"item"})
    function = first_items.watched(len)
    for _ in range(5):
        function([])

    assert not first_items.is_open
    assert first_items.spent_s > 0


@pytest.mark.parametrize("text", ["a" * 1000, "a\x1b[2Jb", "a\nb", "\u202ea", "\ud800"])
def test_a_text_may_be_kept_and_shown(text):
    """Names of files and types may be anything."""
    assert plain(text).isprintable()
    assert 0 < len(plain(text)) <= MOST_REASON_CHARS


# -- a whole call ---------------------------------------------------------------------------


@pytest.fixture
def fresh(fresh_cache, monkeypatch):
    """A process that knows nothing, and stays where it is."""
    monkeypatch.setenv("AMORSIZE_TEST_STEP", "before")


def run(function, data, **options):
    """Results, and what was warned of."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        results = function(data, **options)
    return results, [str(one.message) for one in seen if one.category is AmorsizeWarning]


@pytest.mark.forks
def test_a_finding_ends_the_sharing_and_is_told_once(fresh):
    """The caller does the rest; the next call shares nothing and says why in explain()."""
    mapped = autotune(set_environment)

    results, warned = run(mapped, range(200))
    again, warned_again = run(mapped, range(200))

    assert results == again == list(range(200))
    assert len(warned) == 1
    assert "os.environ" in warned[0]
    assert "backend='process'" in warned[0]
    assert warned_again == []
    told = str(mapped.explain())
    assert "an earlier call has seen in a worker that an item changed" in told
    assert "os.environ" in told
    assert os.environ["AMORSIZE_TEST_STEP"] == "before"


@pytest.mark.forks
def test_other_kinds_of_items_of_the_function_stay_here_too(fresh):
    """It is the function that does it."""
    mapped = autotune(set_environment)
    run(mapped, range(200))

    results, warned = run(mapped, [str(number) for number in range(200)])

    assert warned == []
    assert "has seen in a worker" in str(mapped.explain())
    assert len(results) == 200


@pytest.mark.forks
def test_the_next_process_knows_it(fresh, monkeypatch):
    """It is in the record on disk; `retune` asks again."""
    mapped = autotune(set_environment)
    run(mapped, range(200))
    memory_store.write()
    monkeypatch.setattr(memory_store, "_memory", None)

    _, warned = run(mapped, range(200))
    assert warned == []
    assert "has seen in a worker" in str(mapped.explain())

    _, warned = run(mapped.using(retune=True), range(200))
    assert len(warned) == 1


@pytest.mark.forks
def test_forget_forgets_it(fresh):
    """As all else that is remembered of a function."""
    mapped = autotune(set_environment)
    run(mapped, range(200))
    mapped.forget()

    assert memory_store.memory().caller_reason(memory_store.identity_of(set_environment)) is None
    assert disk_store.newest(set_environment) is None


@pytest.mark.forks
def test_who_asks_for_processes_gets_them(fresh):
    """backend="process" shields the program from what items do: nothing is watched."""
    results, warned = run(autotune(backend="process")(set_environment), range(100))

    assert results == list(range(100))
    assert warned == []


@pytest.mark.forks
def test_rows_that_workers_change_are_told(fresh):
    """What was not changed in the caller's own list is lost, and said so."""
    rows = [{"n": number} for number in range(60)]
    results, warned = run(autotune(mark_row), rows)

    assert len(results) == 60
    assert "changed in place" in warned[0]


def wait_a_moment(line):
    time.sleep(1e-3)
    return len(line)


def test_items_that_wait_are_not_blamed_for_the_file_that_they_come_from(fresh, tmp_path):
    """The caller goes on reading it while threads run their first items."""
    (tmp_path / "lines").write_text(("x" * 99 + "\n") * 6000)
    with (tmp_path / "lines").open() as file:
        results, warned = run(autotune(wait_a_moment), (line for line in file))

    assert results == [100] * 6000
    assert warned == []


def test_workers_from_a_clean_start_watch_as_well(run_script):
    """Beside another thread of the program nothing is forked."""
    done = run_script(
        """
import os, sys, threading, time, warnings
from amorsize import tuned_map
over = threading.Event()
other = threading.Thread(target=over.wait, args=(60,), daemon=True)
other.start()
HOME = os.getpid()

def item(number):
    # Long in the caller: then new interpreters pay, however late they come.
    until_s = time.thread_time() + (0.02 if os.getpid() == HOME else 0.002)
    while time.thread_time() < until_s:
        pass
    if os.getpid() != HOME:
        getattr(sys, ''.join(('ar', 'gv'))).append(str(number))
    return number

with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    assert tuned_map(item, range(120)) == list(range(120))
print([str(one.message) for one in seen])
""",
        environ={"AMORSIZE_MAX_CPUS": "2"},
        timeout_s=55.0,
    )

    assert "sys.argv" in done.stdout
