"""What `progress=` shows: in a terminal, in a pipe, in a notebook and to a function."""

import os
import random
import re
import threading
import time

import pytest
from terminal import Terminal, drawings, python, seen
from witness import compute

import amorsize
from amorsize import AmorsizeWarning, Progress, autotune, tuned_map


def test_growing_items_are_foretold_in_a_call():
    """A call over `range` whose items cost what they count: half of the items is no half."""
    seen_by = []

    def work(n):
        time.sleep(n * 1e-3)
        return n

    tuned_map(work, range(80), backend="serial", progress=seen_by.append)

    middle = min(seen_by, key=lambda one: abs(one.n_done - 45))
    assert middle.done_share < 0.8 * middle.n_done / middle.n_items


# ---- Told to a function ----


@pytest.mark.parametrize("backend", ["auto", "serial", "thread", "process"])
def test_a_function_is_told(backend):
    """Frozen values, in the calling thread, never going back, and once at the end."""
    told, threads = [], set()

    def tell(progress):
        told.append(progress)
        threads.add(threading.get_ident())

    def work(index):
        compute(2e-3)
        return index

    assert tuned_map(work, range(200), backend=backend, progress=tell) == list(range(200))

    assert threads == {threading.get_ident()}
    assert all(type(one) is Progress and one.name == "work" for one in told)
    assert [one.n_done for one in told] == sorted(one.n_done for one in told)
    assert [one.is_over for one in told] == [*([False] * (len(told) - 1)), True]
    assert (told[-1].n_done, told[-1].n_items, told[-1].done_share) == (200, 200, 1.0)
    assert len(told) > 1
    with pytest.raises(AttributeError):
        told[-1].n_done = 0


def test_workers_are_told(tmp_path):
    """As many as there are at that moment."""
    told = []

    def work(index):
        compute(3e-3)
        return os.getpid()

    tuned_map(work, range(200), backend="process", n_jobs=2, progress=told.append)

    assert max(one.n_workers for one in told) == 2
    assert {one.backend for one in told if one.n_workers} == {"process"}


def test_retries_and_failures_are_told(tmp_path):
    """An item whose worker died ran again; exceptions that were kept are counted."""
    told = []

    def work(index):
        if index == 7 and not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os._exit(3)
        if index % 10 == 0:
            raise ValueError(index)
        return index

    tuned_map(work, range(50), backend="process", return_exceptions=True, progress=told.append)

    assert told[-1].n_retried >= 1
    assert told[-1].n_failed == 5
    assert told[-1].n_done == 50


@pytest.mark.parametrize("data", [[], (), range(0), iter(())])
def test_no_items_are_told_as_well(data):
    """Once: whoever counts calls gets an end for each."""
    told = []
    tuned_map(abs, data, progress=told.append)

    assert [(one.n_done, one.n_items, one.is_over) for one in told] == [(0, 0, True)]


def test_an_error_is_told_as_an_end():
    """Before all items are done; the error is the item's."""
    told = []

    def work(index):
        if index == 30:
            raise ValueError("thirty")
        return index

    with pytest.raises(ValueError, match="thirty"):
        tuned_map(work, range(100), progress=told.append)

    assert told[-1].is_over
    assert told[-1].n_done < 100


def test_a_function_that_fails_costs_a_warning():
    """Results come first; it is not called again."""
    told = []

    def tell(progress):
        told.append(progress)
        return 1 / 0

    def work(index):
        compute(2e-3)
        return index

    with pytest.warns(AmorsizeWarning, match="progress= of work raised ZeroDivisionError") as seen_:
        assert tuned_map(work, range(200), progress=tell) == list(range(200))
    assert (len(told), len(seen_)) == (1, 1)


class Mute(Exception):
    """Has no text: asking for it raises."""

    def __str__(self):
        raise RuntimeError("no text")


def test_a_function_whose_error_has_no_text_costs_no_result_either():
    """The warning has its type."""

    def show(_):
        raise Mute

    with pytest.warns(AmorsizeWarning, match=r"progress= of abs raised .*Mute"):
        assert tuned_map(abs, range(300), progress=show) == list(range(300))


def test_what_is_interrupted_in_it_is_interrupted():
    """Ctrl-C while a progress is shown ends the call as it would between two items."""

    def tell(progress):
        if not progress.is_over:
            raise KeyboardInterrupt

    def work(index):
        compute(2e-3)
        return index

    with pytest.raises(KeyboardInterrupt):
        tuned_map(work, range(200), progress=tell)


def test_what_it_draws_is_not_taken_from_the_items():
    """A function that draws random numbers changes no result."""

    def work(index):
        compute(2e-3)
        return random.random()

    def run(progress):
        random.seed(5)
        return tuned_map(work, range(150), seed=1, progress=progress)

    assert run(lambda _: random.random()) == run(False)


def test_a_stream_is_told():
    """Of unknown length until its data has ended; also when nobody takes the rest."""
    told, rest = [], []

    def work(index):
        compute(2e-3)
        return index

    assert list(autotune(work, progress=told.append).stream(iter(range(150)))) == list(range(150))
    assert told[0].n_items is None
    assert (told[-1].n_items, told[-1].n_done, told[-1].is_over) == (150, 150, True)

    stream = autotune(work, progress=rest.append).stream(iter(range(1000)))
    assert [next(stream) for _ in range(5)] == list(range(5))
    stream.close()
    assert rest[-1].is_over
    assert rest[-1].n_items is None


def test_other_values_are_refused():
    """With what there may be."""
    with pytest.raises(amorsize.WrongTypeError, match="a function of one parameter, the Progress"):
        tuned_map(abs, [1], progress="yes")


# ---- In a terminal ----


WORK = """
import os, random, signal, sys, threading, time
from amorsize import autotune, tuned_map

def work(x):
    time.sleep(0.01)
    return x

def talk(x):
    time.sleep(0.01)
    if x % 20 == 0:
        print("item", x, "speaks")
        print("item", x, "complains", file=sys.stderr)
    return x

def crunch(x):
    return sum(range(200_000))
"""


@pytest.fixture
def terminal(tmp_path):
    """Run a script in a terminal of its own."""
    opened = []

    def run(text, **options):
        script = tmp_path / "script.py"
        script.write_text(WORK + text, encoding="utf-8")
        opened.append(Terminal(python(script), cwd=tmp_path, **options))
        return opened[-1]

    yield run
    for one in opened:
        one.close()


def test_one_line_is_written_over_and_stays_at_the_end(terminal):
    """Count, share, rate, time left and workers; drawn in one piece each, at its own place."""
    run = terminal("tuned_map(work, range(300), n_jobs=2, progress=True)")

    assert run.end() == 0
    drawn = list(drawings(run.text))
    assert len(drawn) > 2
    assert all(re.match(r"work  .*\d+%  +\d+/300 ", one) for one in drawn)
    assert any(re.search(r"\d+/s  \d+ s left", one) for one in drawn)
    assert len(run.lines) == 1
    assert re.fullmatch(r"work: 300 items in [\d.]+ s, \d+/s", run.lines[0])
    assert "\n" not in run.text.rstrip("\r\n")


@pytest.mark.parametrize(
    "call",
    [
        "tuned_map(abs, range(2000), progress=True)",
        "tuned_map(work, [], progress=True)",
        "tuned_map(work, range(3), backend='serial', progress=True)",
        "list(autotune(abs, progress=True).stream(range(50)))",
        "try: tuned_map(int, ['x'], progress=True)\nexcept ValueError: pass",
    ],
)
def test_nothing_flashes(terminal, call):
    """What is over at once leaves no sign in the terminal."""
    run = terminal(call)

    assert run.end() == 0
    assert run.drawn == b""


@pytest.mark.parametrize("how", ["backend='serial'", "backend='thread', n_jobs=2", "n_jobs=2"])
def test_what_items_print_stands_whole_above_the_line(terminal, how):
    """Wherever the items run; no piece of the line is left among it."""
    run = terminal(f"tuned_map(talk, range(150), {how}, progress=True)")

    assert run.end() == 0
    said = [line for line in run.lines if "item" in line and not line.startswith("talk:")]
    wanted = [f"item {x} {what}" for x in range(0, 150, 20) for what in ("speaks", "complains")]
    assert sorted(said) == sorted(wanted)
    assert len(run.lines) == len(wanted) + 1
    assert run.lines[-1].startswith("talk: 150 items in ")


def test_a_line_that_an_item_has_begun_is_left_alone(terminal):
    """Dots of an item go on in their line."""
    run = terminal(
        "def dot(x):\n    time.sleep(0.01)\n    print('.', end='', flush=True)\n"
        "tuned_map(dot, range(100), backend='serial', progress=True)"
    )

    assert run.end() == 0
    assert "." * 100 in "".join(run.lines)


def test_a_narrow_terminal_gets_a_short_line(terminal):
    """40 columns: it never wraps."""
    run = terminal("tuned_map(work, range(300), n_jobs=2, progress=True)", n_columns=40)

    assert run.end() == 0
    assert all(len(one) < 40 for one in drawings(run.text))
    assert any("/300" in one and "left" in one for one in drawings(run.text))


def test_a_terminal_that_knows_no_such_letters(terminal):
    """The name of a function is shown as far as its encoding goes."""
    run = terminal(
        "def größe(x): return work(x)\n"
        "tuned_map(größe, range(150), backend='serial', progress=True)",
        environ={"PYTHONIOENCODING": "ascii"},
    )

    assert run.end() == 0
    assert run.lines[-1].startswith("gr??e: 150 items")


def test_a_dumb_terminal_is_a_log(terminal):
    """Where no line can be written over, nothing is drawn."""
    run = terminal("tuned_map(work, range(150), progress=True)", environ={"TERM": "dumb"})

    assert (run.end(), run.drawn) == (0, b"")


def test_ctrl_c_leaves_the_line_as_it_was(terminal):
    """With how much was done; the traceback begins below."""
    run = terminal("tuned_map(work, range(100_000), n_jobs=2, progress=True)")
    run.read(until=b"/100000")
    run.interrupt()

    assert run.end() != 0
    at = next(i for i, line in enumerate(run.lines) if line.startswith("work: stopped at "))
    assert run.lines[at + 1].startswith("Traceback")
    assert "KeyboardInterrupt" in run.lines


def test_an_error_leaves_the_line_as_it_was(terminal):
    """And the traceback whole."""
    run = terminal(
        "def fail(x):\n    time.sleep(0.01)\n    return 1 // (x - 120)\n"
        "tuned_map(fail, range(200), backend='serial', progress=True)"
    )

    assert run.end() == 1
    assert run.lines[0].startswith("fail: stopped at 120 of 200 items after ")
    assert run.lines[1].startswith("Traceback")


@pytest.mark.parametrize("how", ["backend='serial'", "backend='process', n_jobs=2"])
def test_maps_within_a_map_show_nothing_of_their_own(terminal, how):
    """One line, of the outermost call."""
    run = terminal(
        "def outer(x): return tuned_map(work, range(20), progress=True)\n"
        f"tuned_map(outer, range(8), {how}, progress=True)"
    )

    assert run.end() == 0
    assert [line.split(":")[0] for line in run.lines] == ["outer"]
    assert "work" not in run.text


def test_of_two_calls_at_once_one_shows_a_line(terminal):
    """The other is told of by nobody, rather than both in turn."""
    run = terminal(
        "def a(x): return work(x)\ndef b(x): return work(x)\n"
        "def call(f): tuned_map(f, range(100), backend='serial', progress=True)\n"
        "threads = [threading.Thread(target=call, args=(f,)) for f in (a, b)]\n"
        "[one.start() for one in threads]; [one.join() for one in threads]"
    )

    assert run.end() == 0
    assert len(run.lines) == 1


@pytest.mark.parametrize("how", ["backend='serial'", "backend='thread', n_jobs=2"])
def test_a_stream_counts_what_nobody_knows_the_end_of(terminal, how):
    """And ends its line when its consumer has had enough."""
    run = terminal(
        f"stream = autotune(work, progress=True, {how}).stream(iter(range(10_000)))\n"
        "for x in stream:\n    if x == 150: break\n"
        "stream.close()\nprint('after')"
    )

    assert run.end() == 0
    assert any(re.match(r"work  \d+  [\d.]+/s", one) for one in drawings(run.text))
    assert re.fullmatch(r"work: stopped after \d+ items and .*", run.lines[0])
    assert run.lines[1:] == ["after"]


def test_a_stream_that_nobody_ends_leaves_no_half_line(terminal):
    """The program ends before it: the shell's prompt comes in a line of its own."""
    run = terminal(
        "stream = autotune(work, progress=True, n_jobs=2).stream(iter(range(10_000)))\n"
        "[next(stream) for _ in range(150)]\nsys.keep = stream"
    )

    assert run.end() == 0
    assert run.text.endswith("\n")
    assert run.lines[-1].startswith("work: stopped after ")


def test_streams_are_left_as_they_were(terminal):
    """Whatever the program has put in the place of `write` is there again."""
    run = terminal(
        "mine = sys.stdout.write\ndef write(text): return mine(text.upper())\n"
        "sys.stdout.write = write\n"
        "streams = sys.stdout, sys.stderr\n"
        "tuned_map(work, range(150), backend='serial', progress=True)\n"
        "assert sys.stdout.write is write\n"
        "assert 'write' not in vars(sys.stderr)\n"
        "assert streams == (sys.stdout, sys.stderr)\n"
        "print('same')"
    )

    assert run.end() == 0
    assert run.lines[-1] == "SAME"


def test_no_thread_is_started(terminal):
    """One more would forbid forking: workers are forked beside the line."""
    run = terminal(
        "n_before = len(os.listdir('/proc/self/task'))\n"
        "parent = os.getpid()\n"
        "def where(x):\n    time.sleep(0.01)\n"
        "    return open(f'/proc/{os.getpid()}/cmdline').read() if os.getpid() != parent else ''\n"
        "found = set(tuned_map(where, range(200), backend='process', n_jobs=2, progress=True))\n"
        "assert len(os.listdir('/proc/self/task')) == n_before\n"
        "assert found == {open('/proc/self/cmdline').read()}, found\n"
    )

    assert run.end() == 0, run.text
    assert run.lines[-1].startswith("where: 200 items")


def test_a_terminal_that_goes_away_costs_no_result(tmp_path):
    """Its line is given up; the results are written to a file."""
    script = tmp_path / "script.py"
    script.write_text(
        WORK + "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "found = tuned_map(work, range(300), backend='serial', progress=True)\n"
        "open('found', 'w').write(str(sum(found)))"
    )
    run = Terminal(python(script), cwd=tmp_path)
    run.read(until=b"/300")
    os.close(run._ours)
    run.process.wait(30)

    assert (tmp_path / "found").read_text() == str(sum(range(300)))


# ---- In a pipe ----


def test_a_pipe_gets_nothing_of_a_short_call(run_script):
    """Nor a log file: bars are for people."""
    done = run_script(WORK + "tuned_map(work, range(150), progress=True)")

    assert (done.stdout, done.stderr) == ("", "")


def test_a_log_gets_a_line_a_minute(run_script):
    """Whole lines without anything that steers a terminal, and the last one at the end."""
    done = run_script(
        WORK + "from amorsize.progress.display import LineAMinute\n"
        "assert LineAMinute.first_s == LineAMinute.every_s == 60\n"
        "LineAMinute.first_s = LineAMinute.every_s = 0.3\n"  # a minute that is soon over
        "tuned_map(work, range(150), backend='serial', progress=True)"
    )

    lines = done.stderr.splitlines()
    assert 3 <= len(lines) <= 8
    assert re.match(r"work: \d+ of 150 items \(\d+%\) after 0\.\d s, \d+/s, \d+ s left$", lines[0])
    assert lines[-1].startswith("work: 150 items in ")
    assert done.stderr.isprintable() or "\r" not in done.stderr
    assert "\x1b" not in done.stderr


def test_stderr_in_a_file_leaves_the_terminal_alone(terminal, tmp_path):
    """What stdout shows is the program's."""
    run = terminal(
        "sys.stderr = open('log', 'w')\n"
        "tuned_map(work, range(150), backend='serial', progress=True)\nprint('done')"
    )

    assert run.end() == 0
    assert run.lines == ["done"]
    assert (tmp_path / "log").read_text() == ""


@pytest.mark.parametrize(
    "stream", ["None", "open(os.devnull, 'w')", "__import__('io').StringIO()", "closed()"]
)
def test_any_stderr_will_do(run_script, stream):
    """None, somebody's own, or one that was closed."""
    run_script(
        WORK + "def closed():\n    one = open(os.devnull, 'w'); one.close(); return one\n"
        "from amorsize.progress.display import LineAMinute\n"
        "LineAMinute.first_s = LineAMinute.every_s = 0.1\n"
        f"sys.stderr = {stream}\n"
        "assert tuned_map(work, range(50), backend='serial', progress=True) == list(range(50))"
    )


# ---- In a notebook ----


def test_a_notebook_shows_a_widget():
    """One output that is replaced: a bar that has a name for screen readers, then its end."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    from nbclient import NotebookClient
    from nbformat import v4

    shown = []

    class Watching(NotebookClient):
        def process_message(self, message, cell, cell_index):
            if message["msg_type"] in ("display_data", "update_display_data"):
                shown.append(message["content"]["data"])
            return super().process_message(message, cell, cell_index)

    cells = [
        "import time\nfrom amorsize import tuned_map\ndef work(x): time.sleep(0.01); return x\n"
        "found = tuned_map(work, range(200), backend='serial', progress=True)",
        "tuned_map(abs, range(10), progress=True)\nprint(len(found))",
    ]
    book = v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells])
    Watching(book, timeout=50).execute()

    first = book.cells[0].outputs
    assert [one.output_type for one in first] == ["display_data"]
    assert first[0].data["text/html"].startswith("<div>work: 200 items in ")
    assert [one.get("text") for one in book.cells[1].outputs] == ["200\n"]
    assert len(shown) > 2
    bar = r'<progress max="1" value="0\.\d+" aria-label="work: progress"></progress>'
    assert re.search(rf"{bar} work: \d+ of 200", shown[0]["text/html"])


# ---- What draws ----


def test_the_screen_of_these_tests_is_a_screen():
    """Texts that go back are seen as a terminal shows them."""
    assert seen("abc\rX\x1b[K\r\n12345\rab\nend") == ["X", "ab345", "end"]
