"""`amorsize run`: a stranger's functions over a stranger's data, in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT
from terminal import Terminal, drawings

from amorsize import cli, history
from amorsize.cli import target
from amorsize.cli.command import FailureError
from amorsize.cli.json_lines import NotJsonError, Writer

SHOP = """
import collections, dataclasses, datetime, decimal, os, pathlib, sys, time
print("importing")

def double(x): return 2 * x
def upper(text): return text.upper()
def talk(x):
    print(f"printed {x}\\n", end="")  # in one piece, whoever else writes
    os.write(1, b"written")
    return x
def fail_at_7(x):
    if x == 7: raise ValueError("seven\\nis too many")
    return x
def die_at_7(x):
    if x == 7: os._exit(3)
    return x
def view(x): return memoryview(bytes(x))
def slow(x):
    with open("begun", "a") as file: file.write("x")
    time.sleep(0.05); return x
def spin(x): return os.getpid(), sum(i * i for i in range(20_000))
def total(row): return int(row["a"]) + int(row["b"])
def key(pair): return pair["k"]
class Account:
    @staticmethod
    def owner(x): return f"owner {x}"
"""


@pytest.fixture
def shop(tmp_path):
    """A folder with `shop.py`, a package, and a script whose name hides one of Python's."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "__init__.py").touch()
    (tmp_path / "store" / "front.py").write_text("from . import back\ndef f(x): return back.g(x)\n")
    (tmp_path / "store" / "back.py").write_text("def g(x): return x + 100\n")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "json.py").write_text("import helper\ndef f(x): return helper.g(x)\n")
    (tmp_path / "tools" / "helper.py").write_text("def g(x): return -x\n")
    (tmp_path / "tools" / "my-tool.py").write_text("def f(x): return x + 0.5\n")
    return tmp_path


@pytest.fixture
def started(shop):
    """Start `python -m amorsize ...` in that folder."""
    processes = []

    def start(*arguments, **options):
        process = subprocess.Popen(
            [sys.executable, "-m", "amorsize", *arguments],
            cwd=shop,
            env={**os.environ, "PYTHONPATH": str(ROOT), **options.pop("environ", {})},
            stdin=options.pop("stdin", subprocess.DEVNULL),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


@pytest.fixture
def amorsize(started):
    """Run it to its end."""

    def run(*arguments, input=None, **environ):
        stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
        process = started(*arguments, stdin=stdin, environ=environ)
        stdout, stderr = process.communicate(input, timeout=30)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    return run


@pytest.fixture
def in_process(shop, monkeypatch, capsys):
    """The same without a process, in that folder; what it imports is forgotten."""
    monkeypatch.chdir(shop)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def run(*arguments):
        status = cli.main(arguments)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, said.out, said.err)

    yield run
    for name in set(sys.modules) - before:
        if not name.startswith("amorsize."):
            del sys.modules[name]


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


# ---- Results ----


def test_results_are_lines_of_json_in_order(amorsize):
    """Nothing else is on stdout, whatever the module and its functions print, in any process."""
    result = amorsize("run", "shop.talk", "--data-range", "40", "--backend", "process")

    assert (result.returncode, lines(result)) == (0, list(range(40)))
    assert "importing" in result.stderr
    assert "printed 39" in result.stderr
    assert "written" in result.stderr


def test_with_json_it_is_one_document(amorsize):
    """The results, how they came about and why."""
    result = amorsize("run", "shop:talk", "--data-range", "5", "--json", "--backend", "serial")

    document = json.loads(result.stdout)
    assert document["results"] == [0, 1, 2, 3, 4]
    assert (document["n_results"], document["n_failed"]) == (5, 0)
    assert document["plan"]["backend"] == "serial"
    assert document["explanation"].startswith("talk: 5 items")


def test_a_new_users_first_command(amorsize, shop):
    """The console script finds functions of the current folder, as `python -m` does."""
    script = [os.path.join(os.path.dirname(sys.executable), "amorsize")]
    if not os.path.exists(script[0]):
        pytest.skip("amorsize is not installed beside this Python")
    command = [*script, "run", "shop.double", "--data-range", "3"]
    done = subprocess.run(command, cwd=shop, capture_output=True, text=True, timeout=30)

    assert (done.returncode, done.stdout) == (0, "0\n2\n4\n")


@pytest.mark.parametrize(
    ("func", "results"),
    [
        ("shop.double", [0, 2]),
        ("shop:double", [0, 2]),
        ("shop.py:double", [0, 2]),
        ("./shop.py:Account.owner", ["owner 0", "owner 1"]),
        ("shop.Account.owner", ["owner 0", "owner 1"]),
        ("store.front.f", [100, 101]),
        ("store.front:f", [100, 101]),
        ("store/front.py:f", [100, 101]),
        ("tools/json.py:f", [0, -1]),
        ("tools/my-tool.py:f", [0.5, 1.5]),
        ("math.sqrt", [0.0, 1.0]),
    ],
)
def test_a_function_is_found_by_any_of_its_names(in_process, func, results):
    """By module or by file, in a package, in a class; a file may hide one of Python's modules."""
    result = in_process("run", func, "--data-range", "2")

    assert (result.returncode, lines(result)) == (0, results)


@pytest.mark.parametrize("start", ["fork", "clean"])
@pytest.mark.parametrize("func", ["tools/json.py:f", "tools/my-tool.py:f", "store/front.py:f"])
def test_workers_find_functions_of_files(amorsize, func, start):
    """Forked or not, also where no import would find the file."""
    how = ("--backend", "process", "--n-jobs", "1")
    result = amorsize("run", func, "--data-range", "2", *how, AMORSIZE_START=start)

    assert (result.returncode, len(lines(result))) == (0, 2), result.stderr


def test_a_decorated_function_keeps_its_options(in_process, shop):
    """Those of its decorator; the command line's come on top."""
    (shop / "tuned.py").write_text(
        "import os\nfrom amorsize import autotune\n"
        "@autotune(backend='process', n_jobs=1)\ndef where(x): return os.getpid()\n"
    )
    own = os.getpid()

    assert own not in lines(in_process("run", "tuned.where", "--data-range", "3"))
    assert set(
        lines(in_process("run", "tuned.where", "--data-range", "3", "--backend", "serial"))
    ) == {own}


# ---- Data ----


@pytest.mark.parametrize(
    ("name", "content", "options", "func", "results"),
    [
        ("a.txt", "x\n\n y \r\nz", [], "upper", ["X", "", " Y ", "Z"]),
        ("a.txt", "3\n\n 4\n", ["--items", "int"], "double", [6, 8]),
        ("a.txt", "0.5\n1e3\n", ["--items", "float"], "double", [1.0, 2000.0]),
        ("a.jsonl", '{"k": 1}\n\n{"k": [2]}\n', [], "key", [1, [2]]),
        ("a.json", '[{"k": 1},\n {"k": "ü"}]', [], "key", [1, "ü"]),
        ("a.csv", 'a,b\n1,2\n"3","4"\n', [], "total", [3, 7]),
        ("a.txt", "[1, 2]", ["--items", "json"], "double", [2, 4]),
    ],
)
def test_what_an_item_is(in_process, shop, name, content, options, func, results):
    """Lines, numbers, JSON or rows: by the option, or by the file's ending."""
    (shop / name).write_bytes(content.encode())

    result = in_process("run", f"shop.{func}", "--data-file", name, *options)

    assert (result.returncode, lines(result), result.stderr.count("amorsize:")) == (0, results, 0)


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"1\nx\n", "int", "line 2 of a.txt is not a whole number: 'x'. Mend it"),
        (b"1\n{\n", "jsonl", "line 2 of a.txt is not JSON"),
        (b"1\n2\n", "json", "not one JSON document"),
        (b'{"a": 1}', "json", "holds a JSON object, not an array"),
        (b"a,b\n1,2,3\n", "csv", "more fields than the header"),
        (b"1\n\xff\n", "int", "not UTF-8"),
    ],
)
def test_data_that_contradicts_items_names_its_line(in_process, shop, content, kind, words):
    """One line names the place; what came before was worked on; status 1."""
    (shop / "a.txt").write_bytes(content)

    result = in_process("run", "shop.double", "--data-file", "a.txt", "--items", kind)

    assert result.returncode == 1
    assert words in result.stderr.splitlines()[-1]
    assert lines(result) in ([], [2])


def test_lines_may_hold_any_bytes(amorsize, shop):
    """Names of files are what lines often are."""
    (shop / "a.txt").write_bytes(b"gr\xfc\xdfe\n")

    result = amorsize("run", "os.fsencode", "--data-file", "a.txt")
    assert "JSON has nothing for a bytes" in result.stderr
    assert lines(amorsize("run", "builtins.len", "--data-file", "a.txt")) == [5]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--data-range", "3", "--data-stdin"],
        ["--data-range", "3", "--items", "int"],
    ],
)
def test_data_must_come_from_one_place(in_process, words):
    """A wrong call: status 2, and what may be said."""
    result = in_process("run", "shop.double", *words)

    assert (result.returncode, result.stdout) == (2, "")
    assert "--data-" in result.stderr


def test_stdin_of_any_length_is_streamed(started):
    """Results come while the data goes on, and a reader that had enough ends it quietly."""
    endless = "import itertools, sys\nfor i in itertools.count(): print(i)"
    source = subprocess.Popen(
        [sys.executable, "-c", endless], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    run = started("run", "shop.double", "--data-stdin", "--items", "int", stdin=source.stdout)
    source.stdout.close()
    try:
        assert [int(run.stdout.readline()) for _ in range(20_000)] == list(range(0, 40_000, 2))
        run.stdout.close()
        assert run.wait(20) == 0
        assert run.stderr.read() == "importing\n"
    finally:
        source.kill()
        source.wait()


@pytest.mark.parametrize("how", [[], ["--backend", "process", "--n-jobs", "2"]])
def test_results_are_there_before_more_data_is(started, how):
    """A producer that waits for an answer gets it, wherever the item runs."""
    run = started("run", "shop.upper", "--data-stdin", *how, stdin=subprocess.PIPE)
    for text in ("a", "b", "c"):
        run.stdin.write(f"{text}\n")
        run.stdin.flush()
        assert run.stdout.readline() == f'"{text.upper()}"\n'
    run.stdin.close()

    assert run.wait(20) == 0
    run.stdin = None


# ---- What can go wrong ----


def test_a_failing_item_is_one_line(amorsize):
    """The results before it, then what it was; nothing is printed for those behind it."""
    result = amorsize("run", "shop.fail_at_7", "--data-range", "20")

    assert (result.returncode, lines(result)) == (1, list(range(7)))
    last = result.stderr.splitlines()[-1]
    assert last.startswith("amorsize: fail_at_7: item 7 (7): ValueError: seven is too many. ")
    assert "7 results came before" in last
    assert "--keep-going" in last
    assert "Traceback" not in result.stderr


def test_verbose_shows_the_traceback(in_process):
    """Where the item failed."""
    result = in_process("run", "shop.fail_at_7", "--data-range", "20", "--verbose")

    assert "in fail_at_7" in result.stderr


def test_keep_going_puts_errors_in_their_places(in_process):
    """All other results are there; the status says that not all is well."""
    result = in_process("run", "shop.fail_at_7", "--data-range", "9", "--keep-going")

    assert (result.returncode, lines(result)[8]) == (1, 8)
    assert lines(result)[7] == {"error": "ValueError", "text": "seven\nis too many", "item": 7}


def test_a_failure_with_json_is_one_document(in_process):
    """With what there was before."""
    result = in_process("run", "shop.fail_at_7", "--data-range", "9", "--json")

    document = json.loads(result.stdout)
    assert (result.returncode, document["results"]) == (1, list(range(7)))
    assert "ValueError" in document["error"]


def test_a_dead_worker_is_named(amorsize):
    """The item that ends its process costs the others nothing."""
    how = ("--backend", "process", "--n-jobs", "2", "--retries", "0")
    result = amorsize("run", "shop.die_at_7", "--data-range", "9", "--keep-going", *how)

    assert result.returncode == 1
    assert [x for x in lines(result) if isinstance(x, dict)] == [
        {"error": "WorkerDied", "item": 7, "text": lines(result)[7]["text"]}
    ]


def test_what_ends_a_run_is_told_in_whole_sentences(amorsize):
    """Why, how many came before, what to do; advice is not cut off."""
    how = ("--backend", "process", "--n-jobs", "2", "--data-range", "9")
    died = amorsize("run", "shop.die_at_7", *how)
    unsendable = amorsize("run", "shop.view", *how)

    assert "the last time. 7 results came before; --keep-going goes on.\n" in died.stderr
    assert "cannot be sent between processes" in unsendable.stderr
    assert "..." not in unsendable.stderr
    assert died.stderr.splitlines()[-1].count("amorsize: ") == 1


@pytest.mark.parametrize(
    ("func", "words"),
    [
        ("shopp.double", "there is no module 'shopp'"),
        ("shop.dubble", "there is no 'dubble' in shop. Nearest: double."),
        ("shop.py", "say which of its functions, shop.py:NAME"),
        ("shopp.py:double", "there is no file shopp.py. Nearest: shop.py"),
        ("shop.SHOP", "there is no 'SHOP'"),
        ("shop", "names no function"),
        ("store.front", "is a module"),
        ("shop.os.sep", "is no function"),
        ("needs_other.f", "No module named 'no_such_package'. Install it"),
        ("broken.f", "SyntaxError"),
        ("raises.f", "importing raises failed: ZeroDivisionError"),
        ("ends.f", "importing ends ended the program"),
        ("generator.f", "is a generator function"),
    ],
)
def test_a_function_that_cannot_be_had(in_process, shop, func, words):
    """One line that says why, and what is near; nothing on stdout, no traceback."""
    (shop / "needs_other.py").write_text("import no_such_package\n")
    (shop / "broken.py").write_text("def f(:\n")
    (shop / "raises.py").write_text("x = 1\n1 / 0\n")
    (shop / "ends.py").write_text("import sys\nsys.exit(3)\n")
    (shop / "generator.py").write_text("def f(x): yield x\n")

    result = in_process("run", func, "--data-range", "3")

    assert result.returncode in (1, 2)
    assert result.stdout == ""
    assert words in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_a_missing_module_as_a_process(amorsize):
    """What a shell sees of it."""
    result = amorsize("run", "shopp.double", "--data-range", "3", "--json")

    assert result.returncode == 1
    assert "Nearest: shop." in json.loads(result.stdout)["error"]
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("json_", [False, True])
def test_ctrl_c_ends_it_with_what_there_is(started, shop, json_):
    """Status 130 within a moment, the results so far, and no worker left."""
    how = ("--backend", "process", "--n-jobs", "2", *(["--json"] if json_ else []))
    run = started("run", "shop.slow", "--data-range", "10000", *how, start_new_session=True)
    until_s = time.monotonic() + 20
    while not (shop / "begun").exists() or (shop / "begun").stat().st_size < 20:
        assert time.monotonic() < until_s
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does
    stdout, stderr = run.communicate(timeout=20)

    assert run.returncode == 130
    assert stderr.splitlines()[-1].startswith("amorsize: interrupted; ")
    results = json.loads(stdout)["results"] if json_ else list(map(json.loads, stdout.split()))
    assert results == list(range(len(results)))
    with pytest.raises(ProcessLookupError):
        os.killpg(run.pid, 0)


def test_a_reader_that_left_at_once_is_no_error(started):
    """Whether it is a pipe to `head` or one that was closed before the first result."""
    run = started("run", "shop.double", "--data-range", "200000")
    run.stdout.close()

    assert run.wait(20) == 0
    assert "amorsize:" not in run.stderr.read()


def test_warnings_of_the_function_are_no_failure(in_process, shop):
    """A store to a global is told, in a line; the results are good, and so is the status."""
    (shop / "stores.py").write_text("n = 0\ndef f(x):\n    global n\n    n = x\n    return x\n")

    result = in_process("run", "stores.f", "--data-range", "3", "--backend", "process")

    assert (result.returncode, lines(result)) == (0, [0, 1, 2])
    assert "amorsize: f changes global n" in result.stderr


# ---- Options ----


def test_options_reach_the_workers(in_process):
    """Each with and without, told by what workers did."""
    serial = lines(in_process("run", "shop.spin", "--data-range", "4", "--backend", "serial"))
    two = ("--backend", "process", "--n-jobs", "2", "--chunksize", "1", "--json")
    workers = json.loads(in_process("run", "shop.spin", "--data-range", "40", *two).stdout)
    one = ("--backend", "process", "--n-jobs", "1")
    alone = lines(in_process("run", "shop.spin", "--data-range", "40", *one))

    assert {pid for pid, _ in serial} == {os.getpid()}
    assert os.getpid() not in {pid for pid, _ in workers["results"]}
    assert len({pid for pid, _ in alone}) == 1
    assert workers["plan"]["chunksize"] == 1


def test_timeout_names_the_item(in_process):
    """An item that takes longer is ended and named."""
    result = in_process("run", "time.sleep", "--data-range", "9", "--timeout", "0.2")

    assert result.returncode == 1
    assert lines(result) == [None]
    assert "item 1" in result.stderr


def test_retries_are_as_many_as_allowed(in_process, shop):
    """An item whose worker died runs again once, unless that is forbidden."""
    (shop / "dies.py").write_text(
        "import os\ndef f(x):\n    open('tries', 'a').write(str(x))\n    x == 7 and os._exit(3)\n"
    )

    def n_tries(*how):
        in_process("run", "dies.f", "--data-range", "9", "--backend", "process", *how)
        tries = (shop / "tries").read_text().count("7")
        (shop / "tries").unlink()
        return tries

    assert n_tries() == 2
    assert n_tries("--retries", "0") == 1


def test_progress_is_shown_beside_results(shop):
    """A line below them where it was asked for; each result stands whole in its own line."""
    command = [sys.executable, "-m", "amorsize", "run", "shop.slow", "--data-range", "60"]
    how = ["--n-jobs", "1", "--progress"]
    shown = Terminal([*command, *how], cwd=shop)
    plain = Terminal(command, cwd=shop)
    try:
        assert (shown.end(), plain.end()) == (0, 0)
        numbers = list(map(str, range(60)))
        assert [line for line in shown.lines if line.isdecimal()] == numbers
        assert shown.lines[-1].startswith("slow: 60 items in ")
        assert any("/60 " in one for one in drawings(shown.text))
        assert plain.lines == ["importing", *numbers]
    finally:
        shown.close()
        plain.close()


def test_progress_leaves_pipes_alone(amorsize):
    """Results are all that a program gets."""
    result = amorsize("run", "shop.slow", "--data-range", "30", "--progress")

    assert (lines(result), result.stderr) == (list(range(30)), "importing\n")


def test_seed_makes_random_results_alike(in_process, shop):
    """Whatever runs them."""
    (shop / "n.txt").write_text("1000000\n" * 20)
    one, two, other = (
        lines(in_process("run", "random.randrange", "--data-file", "n.txt", "--items", "int", *how))
        for how in (["--seed", "1"], ["--seed", "1", "--backend", "process"], ["--seed", "2"])
    )

    assert one == two
    assert one != other


def test_explain_tells_on_stderr(in_process):
    """What --explain adds is not among the results."""
    result = in_process("run", "shop.double", "--data-range", "3", "--explain")

    assert len(lines(result)) == 3
    assert "double: 3 items in" in result.stderr
    assert "chosen" in result.stderr


def test_a_result_can_be_saved(in_process):
    """For `history compare`; a taken name is refused before anything is run."""
    run = ("run", "shop.talk", "--data-range", "30", "--save-result", "before")
    assert in_process(*run).returncode == 0
    assert history.show("before").n_items == 30

    again = in_process(*run)

    assert (again.returncode, again.stdout) == (1, "")
    assert "printed" not in again.stderr
    assert in_process(*run, "--add").returncode == 0
    assert history.show("before").n_added == 2
    assert in_process(*run, "--replace").returncode == 0
    assert history.show("before").n_added == 1


def test_no_data_is_no_result(in_process):
    """And no failure."""
    result = in_process("run", "shop.double", "--data-range", "0")

    assert (result.returncode, result.stdout) == (0, "")


# ---- Results as JSON ----


def test_what_stands_for_what_json_lacks():
    """Sets, paths, dates, dataclasses and numpy's numbers; NaN is null, and counted."""
    import dataclasses
    import datetime
    import decimal
    import pathlib

    import numpy

    @dataclasses.dataclass
    class Point:
        x: float

    writer = Writer()
    value = {
        "set": {2, 1},
        "path": pathlib.PurePosixPath("/a"),
        "date": datetime.date(2026, 1, 2),
        "point": Point(x=1.5),
        "decimal": decimal.Decimal("1.10"),
        "array": numpy.arange(3),
        "number": numpy.float64(2.5),
        "tuple": (1, None, True),
    }

    assert json.loads(writer.text(value)) == {
        "set": [1, 2],
        "path": "/a",
        "date": "2026-01-02",
        "point": {"x": 1.5},
        "decimal": "1.10",
        "array": [0, 1, 2],
        "number": 2.5,
        "tuple": [1, None, True],
    }
    assert writer.n_not_finite == 0
    assert writer.text([float("nan"), Point(x=float("inf"))]) == '[null, {"x": null}]'
    assert writer.n_not_finite == 2


@pytest.mark.parametrize("value", [b"x", object(), {(1, 2): 3}, 1j])
def test_what_nothing_stands_for_is_refused(value):
    """Rather than written as something that looks like a result."""
    with pytest.raises(NotJsonError):
        Writer().text([value])


def test_what_holds_itself_is_refused():
    """It would never end."""
    ring = []
    ring.append(ring)

    with pytest.raises(NotJsonError):
        Writer().text(ring)


def test_a_name_that_could_steer_the_terminal_is_written_out():
    """An escape in a name is shown as it is written."""
    with pytest.raises(FailureError) as raised:
        target.found("sh\x1bop:double")
    assert "\x1b" not in str(raised.value)
