"""`amorsize run` in a shell: data that is piped in, results as they are, going on after Ctrl-C."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, bash_in
from terminal import Terminal

from amorsize.cli.json_lines import Writer
from amorsize.cli.results import Lines, Results

SHOP = """
import os, time
def double(x): return 2 * x
def upper(text): return text.upper()
def same(x): return x
def length(x): return len(x)
def pair(x): return [x, None]
def encoded(x): return x.encode()
def slow(x): time.sleep(0.05); return x
def odd(x):
    if int(x) % 2: raise ValueError("odd")
    return x
"""
AMORSIZE = [sys.executable, "-m", "amorsize"]

pytestmark = pytest.mark.usefixtures("fresh_cache")


@pytest.fixture
def shell(tmp_path):
    """Run a line of bash in a folder with `shop.py`; gives bytes."""
    (tmp_path / "shop.py").write_text(SHOP)
    return bash_in(tmp_path)


# ---- What comes in ----


@pytest.mark.parametrize(
    "line",
    [
        "printf 'a\\nb\\n' | amorsize run shop.upper",
        "printf 'a\\nb\\n' > data; amorsize run shop.upper < data",
        "printf 'a\\nb' | amorsize run shop.upper",
        "printf 'x\\na\\nb\\n' | amorsize run shop.upper --skip 1",
    ],
)
def test_a_pipe_needs_no_flag(shell, line):
    """What is fed to it are the items, one a line."""
    assert shell(line).stdout == b'"A"\n"B"\n'


def test_a_pipe_does_not_outvote_what_was_said(shell):
    """A loop of a shell passes its own stdin on."""
    assert shell("echo a | amorsize run shop.double --data-range 2").stdout == b"0\n2\n"


def test_without_any_data_it_says_what_there_may_be(shell):
    """Where stdin is nothing, or a person at a terminal."""
    done = shell("amorsize run shop.double", returncode=2)

    assert b"--data-range N, --data-file FILE and --data-stdin, or pipe them in." in done.stderr


@pytest.mark.parametrize(
    "line", [": | amorsize run shop.upper", "touch a; amorsize run shop.upper --data-file a"]
)
def test_no_item_is_told(shell, line):
    """A command before it may have failed."""
    done = shell(line)

    assert (done.stdout, done.stderr) == (b"", b"amorsize: there was no item in the data.\n")


def test_a_file_that_is_not_there_is_told_with_what_is(shell):
    """The nearest name in its folder."""
    done = shell("touch paths.txt; amorsize run shop.upper --data-file path.txt", returncode=1)

    assert done.stderr.endswith(b"No such file or directory. Nearest: paths.txt.\n")


def test_a_line_may_be_as_long_as_memory_allows(shell):
    """Megabytes without an end."""
    line = "head -c 5000000 /dev/zero | tr '\\0' x | amorsize run shop.length"
    assert shell(line).stdout == b"5000000\n"


# ---- What goes out ----


def test_raw_lines_are_texts_as_they_are(shell):
    """Texts and bytes without quotes, all else as JSON."""
    assert shell("printf 'ä\\n' | amorsize run shop.upper --raw").stdout == "Ä\n".encode()
    assert shell("printf 'b\\n' | amorsize run shop.encoded --raw").stdout == b"b\n"
    assert shell("amorsize run shop.pair --data-range 1 --raw").stdout == b"[0, null]\n"


def test_raw_lines_are_bytes_as_they_came(shell):
    """Names of files need be no text."""
    line = "head -c 3000 /dev/urandom | tr -d '\\r' > data; echo >> data; "
    line += "amorsize run shop.same --raw --data-file data -o out; cmp data out"
    shell(line)


def test_a_failed_item_leaves_its_raw_line_empty(shell):
    """The others keep their places; stderr names it."""
    done = shell("seq 3 | amorsize run shop.odd --raw --keep-going", returncode=1)

    assert done.stdout == b"\n2\n\n"
    assert b"amorsize: item 0 failed: ValueError: odd.\n" in done.stderr


def test_results_go_into_a_file(shell, tmp_path):
    """Which is not replaced unless that was said."""
    assert shell("amorsize run shop.double --data-range 3 -o out -j 1").stdout == b""
    assert (tmp_path / "out").read_text() == "0\n2\n4\n"

    done = shell("amorsize run shop.double --data-range 1 -o out", returncode=2)
    assert b"out exists. -y replaces it, --resume goes on where it ends" in done.stderr
    assert (tmp_path / "out").read_text() == "0\n2\n4\n"

    shell("amorsize run shop.double --data-range 1 -o out -y")
    assert (tmp_path / "out").read_text() == "0\n"


@pytest.mark.parametrize("where", ["> out", "-o out"])
def test_no_item_is_blamed_for_writing_results(shell, tmp_path, where):
    """They go into a file while items wait in threads: that is no work of the items."""
    done = shell(f"amorsize run shop.slow --data-range 40 -j 2 {where}")

    assert done.stderr == b""
    assert len((tmp_path / "out").read_text().split()) == 40


@pytest.mark.parametrize("answer", [b"y\n", b"n\n"])
def test_a_person_is_asked(shell, tmp_path, answer):
    """At a terminal, before anything is run."""
    (tmp_path / "out").write_text("old\n")
    command = [*AMORSIZE, "run", "shop.double", "--data-range", "2", "-o", "out"]
    run = Terminal(command, cwd=tmp_path)
    try:
        run.read(until=b"[y/N] ")
        run.type(answer)
        status = run.end()
    finally:
        run.close()

    kept = answer == b"n\n"
    assert status == int(kept)
    assert (tmp_path / "out").read_text() == ("old\n" if kept else "0\n2\n")
    assert "out exists. Replace it?" in run.text


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("nowhere/out", b"nowhere/out cannot be written: No such file or directory."),
        (".", b". cannot be written: Is a directory."),
        ("/dev/full", b"/dev/full cannot be written: No space left on device."),
    ],
)
def test_a_file_that_cannot_be_written(shell, place, why):
    """Said in a line."""
    done = shell(f"amorsize run shop.double --data-range 3 -o {place}", returncode=1)

    assert done.stderr == b"amorsize: " + why + b"\n"


def test_a_wrong_name_leaves_the_old_file(shell, tmp_path):
    """It is opened when all that can be wrong has been looked at."""
    (tmp_path / "out").write_text("old\n")
    shell("amorsize run shop.nothing --data-range 3 -o out -y", returncode=1)
    shell("amorsize run shop.double --data-file nothing -o out -y", returncode=1)

    assert (tmp_path / "out").read_text() == "old\n"


@pytest.mark.parametrize(
    "words",
    [
        "--resume",
        "-o out --resume --raw",
        "-o out --resume --skip 2",
        "--seed 1 --skip 2",
        "-o out --seed 1 --resume",
        "--raw --json",
    ],
)
def test_what_cannot_be_kept_together_is_refused(shell, words):
    """With which of them to leave out."""
    done = shell(f"amorsize run shop.double --data-range 3 {words}", returncode=2)

    assert b"leave" in done.stderr or b"say which" in done.stderr


# ---- Ctrl-C ----


@pytest.fixture
def started(shell, tmp_path):
    """Start it as a process of its own, to be interrupted as from a terminal."""
    processes = []

    def start(*words):
        process = subprocess.Popen(
            [*AMORSIZE, *words],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_ctrl_c_says_how_to_go_on(started, shell, tmp_path):
    """With a file: `--resume` does what is left, so that all is there once."""
    words = ("run", "shop.slow", "--data-range", "60", "-o", "out", "-j", "2")
    run = started(*words)
    until_s = time.monotonic() + 20
    while not (tmp_path / "out").exists() or (tmp_path / "out").stat().st_size < 10:
        assert time.monotonic() < until_s
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=20)

    n = len((tmp_path / "out").read_text().splitlines())
    assert run.returncode == 130
    assert said == (
        f"amorsize: interrupted; {n} of 60 results came before, and are in out. "
        "The same command with --resume goes on from there.\n"
    )
    shell(f"amorsize {' '.join(words)} --resume")
    assert (tmp_path / "out").read_text().split() == list(map(str, range(60)))
    done = shell(f"printf 58 >> out; amorsize {' '.join(words)} --resume")  # cut short, it seems
    assert (tmp_path / "out").read_text().split() == list(map(str, range(60)))
    assert done.stdout == b""


def test_ctrl_c_says_how_much_to_skip(started):
    """Without a file: `--skip N`, which counts from the beginning."""
    run = started("run", "shop.slow", "--data-range", "1000", "-j", "2", "--skip", "10")
    first = [run.stdout.readline() for _ in range(5)]
    os.killpg(run.pid, signal.SIGINT)
    n = len(first) + len(run.stdout.readlines())
    said = run.stderr.read()

    assert run.wait(20) == 130
    assert first == ["10\n", "11\n", "12\n", "13\n", "14\n"]
    assert f"interrupted; {n} of 990 results came before." in said
    assert f"with --skip {10 + n} goes on from there." in said


def test_ctrl_c_between_a_line_and_its_count_waits_for_the_count():
    """What was written is counted, whenever it comes; pressed twice, it is not held back."""
    asked = argparse.Namespace(json=False, output=None, keep_going=False, raw=False)
    written = []

    class Interrupted(Lines):
        def write(self, line):
            written.append(line)
            signal.raise_signal(signal.SIGINT)

    came = Results(asked, Interrupted(), 0)
    for n in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            came.take(n, Writer())
        assert (came.n, len(written)) == (n, n)

    class Twice(Lines):
        def write(self, _line):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    came = Results(asked, Twice(), 0)
    with pytest.raises(KeyboardInterrupt):
        came.take(1, Writer())
    assert came.n == 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_twice_still_says_it(started, shell, tmp_path):
    """A person who presses it again has the same answer, soon, and no traceback."""
    run = started("run", "shop.slow", "--data-range", "1000", "-j", "2")
    run.stdout.readline()
    for _ in range(2):
        os.killpg(run.pid, signal.SIGINT)
        time.sleep(0.02)
    _, said = run.communicate(timeout=20)

    assert run.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said


def test_ctrl_c_while_a_module_is_imported(started, tmp_path):
    """Nothing was begun, and nothing has to be said but that."""
    (tmp_path / "late.py").write_text("import time\nprint('here', flush=True)\ntime.sleep(30)\n")
    run = started("run", "late.f", "--data-range", "3")
    assert run.stderr.readline() == "here\n"
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=20)

    assert (run.returncode, said) == (130, "amorsize: interrupted.\n")


def test_json_tells_the_same(started):
    """One document, with the text and the count."""
    run = started("run", "shop.slow", "--data-range", "1000", "-j", "1", "--json")
    time.sleep(1.5)
    os.killpg(run.pid, signal.SIGINT)
    out, _ = run.communicate(timeout=20)

    document = json.loads(out)
    assert "--skip" in document["error"] or document["error"] == "interrupted."
    assert document.get("n_results", 0) == len(document.get("results", []))
