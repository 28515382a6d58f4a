"""The command line, run as people and programs run it: words in, text or one JSON document out."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from amorsize import __main__ as command
from amorsize import cache, cli
from amorsize.cli import command_groups

ROOT = Path(__file__).parent.parent


pytestmark = pytest.mark.usefixtures("fresh_cache")


@pytest.fixture
def amorsize(tmp_path):
    """Run `python -m amorsize ...` and answer with its status, stdout and stderr."""

    def run(*arguments, stdin=subprocess.DEVNULL, **environ):
        return subprocess.run(
            [sys.executable, "-m", "amorsize", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=30,
        )

    return run


@pytest.fixture
def in_process(capsys):
    """The same without a process, for what does not depend on one."""

    def run(*arguments):
        status = cli.main(arguments)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, said.out, said.err)

    return run


def remember(name, key="a", **changes):
    """Store what a call of this function would leave."""
    record = {
        "version": 1,
        "name": name,
        "key": key,
        "variant": "v",
        "host": "0123456789abcdef",
        "kind": "str/2^7",
        "saved_at_s": time.time() - 7200,
        "profile": {"backend": "process", "n_jobs": 2, "chunksize": 40, "item_s": 2.5e-4},
    }
    assert cache.put(f"profile:{key}", {**record, **changes})
    cache.close()


@pytest.fixture
def three_functions():
    """`shop.parse`, `shop.parse_all` and `bank.Account.total` are known."""
    remember("shop.parse", "a")
    remember("shop.parse_all", "b")
    remember("bank.Account.total", "c")


def names_left():
    cache.close()
    return sorted(entry["name"] for entry in cache.entries())


# ---- cache list ----


def test_list_of_nothing(amorsize, home):
    """An empty cache is no failure, and looking at it makes no folder."""
    result = amorsize("cache", "list")

    assert result.returncode == 0
    assert result.stdout == f"Nothing is remembered in {home}.\n"
    assert result.stderr == ""
    assert not home.exists()


def test_list_in_a_pipe_is_plain_columns(amorsize, three_functions):
    """One line a function, by name, without frames or colours."""
    result = amorsize("cache", "list")

    assert result.returncode == 0
    header, *lines = result.stdout.splitlines()
    assert header.split() == ["function", "runs", "best", "with", "per", "item", "learned", "on"]
    assert [line.split()[0] for line in lines] == [
        *("bank.Account.total", "shop.parse", "shop.parse_all")
    ]
    assert "process x 2, 40 a chunk  250 us    2 hours ago  another host" in lines[0]
    assert result.stdout.isascii()


def test_list_as_json_is_one_document(amorsize, three_functions, home):
    """Nothing else is on stdout."""
    result = amorsize("cache", "list", "--json")

    document = json.loads(result.stdout)
    assert document["home"] == str(home)
    assert document["n_damaged"] == 0
    assert [record["name"] for record in document["profiles"]] == [
        *("bank.Account.total", "shop.parse", "shop.parse_all")
    ]
    assert document["profiles"][1]["profile"]["n_jobs"] == 2


def test_list_on_a_terminal_is_a_table(three_functions, capsys, monkeypatch):
    """rich draws it; what looks like its markup in a name is shown as it is."""
    remember("shop.[red]alarm[/red]", "d")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    assert cli.main(["cache", "list"]) == 0
    shown = capsys.readouterr().out
    assert "shop.[red]alarm[/red]" in shown
    assert "│" in shown


def test_names_cannot_steer_the_terminal(amorsize):
    """Escapes, bells, right-to-left overrides and lone surrogates are written out."""
    remember("shop.\x1b[2J\x07\u202egnp.exe\ud800\n", profile={"backend": "\x1b]0;title\x07"})

    for words in (["list"], ["show", "shop.*"]):
        result = amorsize("cache", *words)

        assert result.returncode == 0
        assert "\\x1b[2J\\x07\\u202egnp.exe\\ud800\\n" in result.stdout
        assert not {"\x1b", "\x07", "\u202e"} & set(result.stdout)


@pytest.mark.parametrize(
    "forged",
    [
        {"name": None, "profile": None, "saved_at_s": "yesterday"},
        {"name": 12, "profile": [1], "saved_at_s": 1e300},
        {"name": "f" * 5000, "profile": {"backend": 1, "n_jobs": []}, "saved_at_s": -5},
        {"name": "", "profile": {"backend": "thread", "n_jobs": 10**9, "chunksize": -1}},
        {"profile": {"item_s": -1e300, "a": {"b": {"c": {"d": [[[[1]]]]}}}}},
    ],
)
def test_forged_records_are_shown_without_fuss(in_process, forged):
    """Any names and types in a record can be listed, shown and cleared."""
    remember(**{"name": "shop.parse", **forged})

    assert in_process("cache", "list").returncode == 0
    assert in_process("cache", "show", "*").returncode == 0
    assert json.loads(in_process("cache", "list", "--json").stdout)["profiles"]
    assert in_process("cache", "clear", "*").stdout == "Removed 1 record.\n"


# ---- cache show ----


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("shop.parse", ["shop.parse"]),
        ("parse", ["shop.parse"]),
        ("total", ["bank.Account.total"]),
        ("parse*", ["shop.parse", "shop.parse_all"]),
        ("shop.*", ["shop.parse", "shop.parse_all"]),
        ("*", ["bank.Account.total", "shop.parse", "shop.parse_all"]),
    ],
)
def test_a_function_is_named_in_full_by_its_end_or_by_a_pattern(
    in_process, three_functions, pattern, names
):
    """`show` finds what a person would mean."""
    result = in_process("cache", "show", pattern, "--json")

    assert [record["name"] for record in json.loads(result.stdout)["profiles"]] == names


def test_show_tells_everything(amorsize, three_functions):
    """The plan in words, then each value of the record by its path."""
    result = amorsize("cache", "show", "parse")

    lines = result.stdout.splitlines()
    assert lines[:2] == [
        "shop.parse",
        "  process x 2, 40 a chunk, learned 2 hours ago on another host",
    ]
    assert "  kind = str/2^7" in lines
    assert "  profile.item_s = 0.00025" in lines
    (saved,) = (line for line in lines if line.startswith("  saved_at_s = "))
    assert re.fullmatch(r"  saved_at_s = \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", saved)


def test_an_unknown_name_is_told_its_nearest(amorsize, three_functions):
    """Status 1, nothing on stdout, and one line that helps."""
    result = amorsize("cache", "show", "shop.prase")

    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("amorsize: nothing is remembered of 'shop.prase'. Nearest: ")
    assert "shop.parse" in result.stderr
    assert result.stderr.count("\n") == 1


def test_an_unknown_name_as_json(in_process, three_functions):
    """The one document says what went wrong; so does stderr."""
    result = in_process("cache", "show", "zzz", "--json")

    assert result.returncode == 1
    assert "nothing is remembered of 'zzz'" in json.loads(result.stdout)["error"]
    assert "`amorsize cache list`" in result.stderr


# ---- cache clear ----


def test_clear_of_one_function(amorsize, three_functions):
    """Only what was named goes, without a question."""
    result = amorsize("cache", "clear", "parse")

    assert (result.returncode, result.stdout) == (0, "Removed 1 record.\n")
    assert names_left() == ["bank.Account.total", "shop.parse_all"]


def test_clear_of_everything_wants_a_yes(amorsize, three_functions):
    """Without a terminal to ask at, and without --yes, it is refused as a wrong call."""
    result = amorsize("cache", "clear")

    assert result.returncode == 2
    assert "--yes" in result.stderr
    assert len(names_left()) == 3

    result = amorsize("cache", "clear", "--yes", "--json")

    assert result.returncode == 0
    assert json.loads(result.stdout) == {"n_cleared": 3}
    assert names_left() == []


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals to make here")
@pytest.mark.parametrize(
    ("typed", "status", "n_left"), [("y", 0, 0), ("yes", 0, 0), ("n", 1, 3), ("", 1, 3)]
)
def test_clear_asks_at_a_terminal(amorsize, three_functions, home, typed, status, n_left):
    """The question names the folder; anything but yes leaves everything as it is."""
    ours, theirs = os.openpty()
    try:
        os.write(ours, f"{typed}\n".encode())
        result = amorsize("cache", "clear", stdin=theirs)
    finally:
        os.close(ours)
        os.close(theirs)

    assert result.returncode == status
    assert f"in {home}? [y/N]" in result.stderr
    assert len(names_left()) == n_left


def test_clear_of_an_unknown_name_clears_nothing(in_process, three_functions):
    """A mistyped name is a failure, not a silent success."""
    assert in_process("cache", "clear", "prase").returncode == 1
    assert len(names_left()) == 3


def test_clear_of_a_damaged_database(amorsize, home):
    """It is gone, and so are the ones moved aside before."""
    home.mkdir(0o700)
    (home / "cache.db").write_bytes(b"no database at all" * 1000)
    (home / "damaged-1").write_bytes(b"an older one")

    result = amorsize("cache", "clear", "--yes")

    assert (result.returncode, result.stderr) == (0, "")
    assert not list(home.glob("damaged-*"))


# ---- When the cache cannot be used ----


def test_trouble_is_one_line_and_status_1(amorsize, home):
    """No traceback, no Python warning: what happened, where, and what to do."""
    home.write_text("a file in the way")

    result = amorsize("cache", "list")

    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert str(home) in result.stderr
    assert "AMORSIZE_HOME" in result.stderr


def test_switched_off_it_says_so(amorsize, three_functions):
    """Rather than pretend that nothing is there."""
    for words in (["list"], ["show", "parse"], ["clear", "--yes"]):
        result = amorsize("cache", *words, AMORSIZE_CACHE="off")

        assert result.returncode == 1
        assert "AMORSIZE_CACHE=off" in result.stderr
    assert len(names_left()) == 3


def test_a_damaged_row_is_counted(in_process, three_functions, home):
    """The others are listed, and a line says what to do about it."""
    import sqlite3

    connection = sqlite3.connect(home / "cache.db")
    connection.execute("UPDATE Cache SET mode = 4 WHERE key = 'profile:a'")
    connection.commit()
    connection.close()

    result = in_process("cache", "list")

    assert "shop.parse_all" in result.stdout
    assert "1 row of the database cannot be used" in result.stdout
    assert json.loads(in_process("cache", "list", "--json").stdout)["n_damaged"] == 1


# ---- machine ----


def test_machine_tells_what_it_sees(amorsize):
    """CPUs and why so many, memory, processor, Python, whether fork is safe, and costs."""
    result = amorsize("machine", AMORSIZE_MAX_CPUS="1")

    assert (result.returncode, result.stderr) == (0, "")
    for words in ("CPUs", "1 usable", "processor", "memory", "Python", "fork", "thread"):
        assert words in result.stdout


def test_machine_as_json(amorsize, home):
    """The same in one document, with units in the names."""
    document = json.loads(amorsize("machine", "--json").stdout)

    assert document["cpus"]["n_cores"] >= 1
    assert document["memory"]["total_bytes"] > 0
    assert document["costs"]["thread_start_s"] > 0
    assert "thread_start_s" in document["costs_measured"]
    assert document["cache"] == {"home": str(home), "on_disk": False}
    assert set(document["fork"]) == {"safe", "why_not"}


def test_machine_with_a_wrong_setting(amorsize):
    """What is wrong with the environment is one line, not a traceback."""
    result = amorsize("machine", AMORSIZE_MAX_CPUS="many")

    assert result.returncode == 1
    assert "AMORSIZE_MAX_CPUS" in result.stderr
    assert "Traceback" not in result.stderr


# ---- Being called ----


@pytest.mark.parametrize(
    "words", [[], ["cache"], ["cache", "show"], ["nonsense"], ["cache", "list", "--loud"]]
)
def test_a_wrong_call_is_status_2(words, capsys):
    """One line says what is wrong and where to look; nothing is on stdout."""
    assert cli.main(words) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("amorsize: ")
    assert said.err.count("\n") == 1
    assert "--help` shows what there is." in said.err


def test_a_wrong_call_as_json(capsys):
    """Who asked for one document gets one, whatever was wrong."""
    assert cli.main(["cache", "list", "--json", "--loud"]) == 2

    said = capsys.readouterr()
    assert "--loud" in json.loads(said.out)["error"]
    assert "--loud" in said.err


def test_the_version(amorsize):
    """`--version` names the program and its version."""
    result = amorsize("--version")

    assert result.stdout.split()[0] == "amorsize"
    assert result.stdout.split()[1][0].isdigit()


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: " ".join(command.words))
def test_every_command_has_help_and_json(command, capsys):
    """The table is all there is: each entry can be asked for help, and takes --json."""
    with pytest.raises(SystemExit) as ended:
        cli.main([*command.words, "--help"])

    assert ended.value.code == 0
    assert "--json" in capsys.readouterr().out


def examples(command):
    """The calls of amorsize that the help of a command shows, without what a shell does to them."""
    lines = re.findall(
        r"\bamorsize ([^|>)]*?)(?:\s*(?:[|>)]|\s{2}|$))", command.epilog, re.MULTILINE
    )
    return [shlex.split(line.replace('"$(', "")) for line in lines]


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: " ".join(command.words))
def test_the_help_of_every_command_has_an_example_that_fits_it(command):
    """Each shows a call of itself, and all calls that it shows can be parsed."""
    words = [example[: len(command.words)] for example in examples(command)]

    assert [*command.words] in words
    for example in examples(command):
        cli.parser().parse_args(example)


@pytest.mark.parametrize("group", ["cache", "history"])
def test_the_help_of_a_group_has_an_example_that_fits_it(group, capsys):
    """`amorsize cache --help` shows a call of one of its commands."""
    with pytest.raises(SystemExit):
        cli.main([group, "--help"])

    assert f"  amorsize {group} list\n" in capsys.readouterr().out
    assert cli.parser().parse_args([group, "list"]).command.words == (group, "list")


def test_the_help_lists_every_command_in_one_group(capsys):
    """In groups by what people want, where argparse would print one list."""
    grouped = [word for words in command_groups.GROUPS.values() for word in words]
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = capsys.readouterr().out
    listed = re.findall(r"^    (\w+)\b", said, flags=re.MULTILINE)

    assert sorted(grouped) == sorted({command.words[0] for command in cli.COMMANDS})
    assert listed == grouped
    assert all(f"  {title}:\n" in said for title in command_groups.GROUPS)


def test_a_reader_that_had_enough_is_no_error(three_functions, tmp_path):
    """`amorsize cache show ... | head -1` ends quietly."""
    for n in range(60):
        remember("shop.big", f"big{n}", profile={f"x{m}": "y" * 90 for m in range(40)})
    process = subprocess.Popen(
        [sys.executable, "-m", "amorsize", "cache", "show", "big"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.readline()
    process.stdout.close()

    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(20) == 0


def test_a_terminal_without_unicode(amorsize):
    """What its encoding lacks is escaped, not an error."""
    remember("shop.größe_文")

    result = amorsize("cache", "list", PYTHONIOENCODING="ascii", PYTHONUTF8="0")

    assert result.returncode == 0
    assert "shop.gr\\xf6\\xdfe_\\u6587" in result.stdout


@pytest.mark.parametrize("module", ["amorsize.cli", "amorsize.cli.commands.tune"])
def test_ctrl_c_while_the_command_is_still_read(module, monkeypatch, capsys):
    """One line, as later on, and no traceback; a second one changes nothing."""

    class Interrupting:
        @staticmethod
        def find_spec(name, *_):
            if name == module:
                signal.raise_signal(signal.SIGINT)

    for name in [one for one in sys.modules if one.startswith("amorsize.cli")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Interrupting, *sys.meta_path])
    before = signal.getsignal(signal.SIGINT)
    try:
        assert command.main() == 130
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)

    assert capsys.readouterr() == ("", "amorsize: interrupted.\n")


CACHE_COMMANDS = (
    ("cache", "list"),
    ("cache", "show", "parse"),
    ("cache", "clear", "parse"),
    ("cache", "clear", "--yes"),
    ("cache", "prune", "--older-than", "1d"),
    ("cache", "stats"),
    ("cache", "export", "new.json"),
    ("cache", "import", "FILE"),
    ("explain", "parse"),
)


@pytest.mark.parametrize("words", CACHE_COMMANDS, ids=" ".join)
def test_a_cache_that_cannot_be_used_is_not_said_to_be_empty(
    words, in_process, monkeypatch, tmp_path
):
    """Why not, in one line: nobody knows what is there."""
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("AMORSIZE_HOME", str(file))

    said = in_process(*(str(file) if word == "FILE" else word for word in words), "--json")

    why = (
        f"the cache cannot be used: its folder {str(file)!r} is not a folder. "
        "To keep it elsewhere set AMORSIZE_HOME to a folder of your own."
    )
    assert (said.returncode, said.stderr) == (1, f"amorsize: {why}\n")
    assert json.loads(said.stdout) == {"error": why}


@pytest.mark.parametrize(
    "words",
    [
        *(("clear",), ("list",), ("stats",), ("prune", "--older-than", "0s")),
        *(("export", "new.json"), ("clear", "--yes"), ("clear", "--older-than", "0s")),
    ],
    ids=" ".join,
)
def test_an_empty_name_is_no_name(words, in_process, three_functions):
    """It is that of a variable that a script has not set, and not a word for all functions."""
    said = in_process("cache", *words, "")

    assert said.returncode == 1
    assert said.stderr.startswith("amorsize: nothing is remembered of ''.")
    assert len(names_left()) == 3
