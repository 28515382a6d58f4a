"""What the README shows works: its Python runs, its commands exist, its links lead on."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run_command

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(README) if found == language]


def commands() -> list[str]:
    """The commands of the console blocks, without their prompts and comments."""
    lines = "\n".join(blocks("console")).splitlines()
    return [line[2:].partition("  #")[0].strip() for line in lines if line.startswith("$ ")]


@pytest.mark.parametrize("block", blocks("python"), ids=lambda text: text.splitlines()[-1][:40])
def test_python_blocks_run(run_script, block):
    """Each block is a script that a reader can save and run, without any warning."""
    ran = run_script(block, environ={"PYTHONWARNINGS": "error"})

    assert ran.stderr == ""


def test_comments_tell_what_is_printed(run_script):
    """Where a line of a block prints and its comment says what, that is what is printed."""
    for block in blocks("python"):
        said = re.findall(r"^print\(.*\) +# (.+)$", block, re.MULTILINE)
        if said:
            assert run_script(block).stdout.splitlines()[: len(said)] == said


@pytest.mark.parametrize("command", commands())
def test_commands_run(command, tmp_path):
    """amorsize's own commands run; make's have a target; what is installed is the checkout."""
    program, *arguments = shlex.split(command)
    if program == "amorsize":
        run_command([sys.executable, "-m", "amorsize", *arguments], cwd=tmp_path, timeout_s=30)
    elif program == "make":
        assert set(arguments) <= TARGETS
    else:
        assert command == "pip install ."


def test_links_lead_somewhere():
    """Every file that a document links to is there."""
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_every_option_is_in_the_table():
    """The table of options names all there are, and no others."""
    from amorsize._options import Options

    table = README.split("## Options")[1].split("In the environment")[0]
    named = re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows(table)))

    assert sorted(named) == sorted(Options._fields)


def rows(table: str) -> list[str]:
    """The rows of a Markdown table below its head."""
    return [line for line in table.splitlines() if line.startswith("| `")]


def test_the_demo_is_the_quickstart_and_compares_results(tmp_path):
    """The script behind `make demo` runs, and all its ways give the loop's results."""
    script = ROOT / "examples" / "quickstart.py"
    ran = run_command([sys.executable, str(script)], cwd=tmp_path, timeout_s=55)

    assert "The same results each time" in ran.stdout
    assert [line for line in ran.stdout.splitlines() if "first call of a new process" in line]
    assert not Path(tmp_path / "amorsize").exists()
