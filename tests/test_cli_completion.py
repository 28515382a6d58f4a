"""`amorsize completion`: scripts that shells take, made of the commands there are."""

import re
import shutil
import subprocess

import pytest

from amorsize import cli
from amorsize.cli.commands.completion import SHELLS


@pytest.fixture
def script(capsys):
    """The script for a shell, as it is printed."""

    def of(shell):
        assert cli.main(["completion", shell]) == 0
        return capsys.readouterr().out

    return of


def completed(script, line):
    """What bash offers at the end of a line."""
    words = line.split(" ")
    text = f"""{script}
COMP_WORDS=({" ".join(f'"{word}"' for word in words)})
COMP_CWORD={len(words) - 1}
_shtab_amorsize
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    ran = subprocess.run(["bash", "-c", text], capture_output=True, text=True, timeout=20)
    assert ran.stderr == ""
    return ran.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("amorsize va", ["validate"]),
        ("amorsize history ", ["list", "show", "compare", "delete", "clear"]),
        ("amorsize history cl", ["clear"]),
        ("amorsize history clear --y", ["--yes"]),
        ("amorsize run shop.f --data-s", ["--data-stdin"]),
        ("amorsize run shop.f --items js", ["json", "jsonl"]),
        ("amorsize run shop.f --backend thr", ["thread"]),
        ("amorsize completion z", ["zsh"]),
        ("amorsize nonsense --v", ["--version"]),
    ],
)
def test_bash_completes(script, line, offered):
    """Commands, their options, and the values that some of these have; else files."""
    assert completed(script("bash"), line) == offered


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_every_command_is_offered(script):
    """The table is where the script comes from."""
    tops = {command.words[0] for command in cli.COMMANDS}

    assert set(completed(script("bash"), "amorsize ")) == tops


@pytest.mark.parametrize("shell", SHELLS)
def test_every_option_is_in_every_script(script, shell):
    """Nothing is left out for one shell."""
    text = script(shell)

    for command in cli.COMMANDS:
        for names, _ in command.arguments:
            if (name := names[-1]).startswith("--"):
                wanted = rf"-l {name[2:]}\b" if shell == "fish" else rf"{name}\b"
                assert re.search(wanted, text), name


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_files_are_offered_where_files_are_meant(script, tmp_path, monkeypatch):
    """The data's file, and a function's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shop.py").touch()

    assert completed(script("bash"), "amorsize run shop.f --data-file sh") == ["shop.py"]
    assert completed(script("bash"), "amorsize run sh") == ["shop.py"]


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_itself_finds_no_fault(script, shell):
    """Where it is here, it reads the script without running it."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    options = ["--no-execute"] if shell == "fish" else ["-n"]

    ran = subprocess.run(
        [shell, *options], input=script(shell), capture_output=True, text=True, timeout=20
    )
    assert (ran.returncode, ran.stderr) == (0, "")
