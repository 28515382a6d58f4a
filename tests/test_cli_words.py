"""What the command line says to people in a hurry: what is wrong, plainly, and what to do."""

import sys

import pytest
from conftest import bash_in

from amorsize import cli

pytestmark = pytest.mark.usefixtures("fresh_cache")


@pytest.fixture
def shell(tmp_path):
    """Run a line of a shell in a folder with `shop.py`; `amorsize` is this Python's."""
    (tmp_path / "shop.py").write_text("def double(x): return 2 * x\ndef same(x): return x\n")
    return bash_in(tmp_path, errors="replace")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "COMMAND is missing."),
        ("rnu shop.double", "there is no command 'rnu'. Nearest: run."),
        ("cache lst", "there is no command 'lst'. Nearest: list"),
        ("run", "FUNC is missing. `amorsize run --help`"),
        ("compare", "FUNC and PLAN are missing."),
        ("run shop.double --data-range", "--data-range needs a value behind it."),
        ("run shop.double --data-range x", "--data-range: 'x' is not a whole number."),
        ("run shop.double --data-range -1", "--data-range: '-1' is not 0 or more."),
        ("run shop.double --n-jobs two", "--n-jobs: 'two' is not a whole number."),
        ("run shop.double --timeout soon", "'soon' is not a number of seconds, such as 2"),
        ("run shop.double --backend thraed", "dask or ray. Nearest: thread."),
        ("run shop.double --data-fle x", "there is no option --data-fle. Nearest: --data-file"),
        ("run shop.double --data-file=", "--data-file: '' is no name of a file."),
        ("run shop.double --output=", "--output: '' is no name of a file."),
        ("run shop.double -o -", "--output: '-' is no file here (one of that name is ./-)."),
        ("cache export -", "FILE: '-' is no file here"),
        ("run shop.double more", "'more' is more than it takes."),
        ("explain shop.double --n-items 0", "'0' is not from 1 to 1000000."),
        ("simulate trace --cores x", "--cores: 'x' is not a whole number."),
        ("cache prune --older-than 3x", "'3x' is no age: a number and s, m, h, d or w"),
        ("compare shop.double 4", "'4' is no plan: jobs, items in a chunk"),
        ("completion tcsh", "shell: 'tcsh' is not bash, zsh or fish."),
        ("tune shop.double --n-jobs-range", "--n-jobs-range needs one value or more behind it."),
    ],
)
def test_a_wrong_call_is_told_in_one_plain_line(words, said, capsys):
    """What was written, what is wrong with it, where to look: no word of how it is programmed."""
    assert cli.main(words.split()) == 2

    line = capsys.readouterr().err
    assert said in line
    assert line.count("\n") == 1
    for odd in ("argument ", "invalid", "_", "int ", "float ", "usage"):
        assert odd not in line


@pytest.mark.parametrize("words", ["run shop.double --data-range 3", "cache list", "machine"])
def test_a_full_disk_is_told(shell, words):
    """And is a failure: what was asked for is not there."""
    done = shell(f"amorsize {words} > /dev/full", returncode=1)

    assert done.stderr == "amorsize: stdout cannot be written: No space left on device.\n"


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("words", ["run shop.double --data-range 3", "cache list"])
def test_what_is_closed_is_not_missed(shell, words, closed):
    """As in a service or a scheduled job: the work is done."""
    done = shell(f"amorsize {words} {closed}")

    assert done.stderr == ""
    if words.startswith("run") and ">&-" not in closed:
        assert done.stdout == "0\n2\n4\n"


def test_no_file_takes_the_place_of_what_is_closed(shell, tmp_path):
    """What items print below Python would be written into the first file that is opened."""
    (tmp_path / "low.py").write_text("import os\ndef f(x): os.write(1, b'low'); return x\n")
    (tmp_path / "data").write_text("a\nb\n")

    shell("amorsize run low.f --data-file data --save-result one >&- <&-")
    assert "one" in shell("amorsize history list").stdout


def test_nobody_at_home(shell):
    """Without HOME, or with one that cannot be written, there are results all the same."""
    for home in ("env -u HOME", "env HOME=/nonexistent", "env HOME=/proc"):
        done = shell(f'{home} "{sys.executable}" -m amorsize run shop.double --data-range 3')
        assert (done.stdout, done.stderr) == ("0\n2\n4\n", "")
