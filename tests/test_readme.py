"""What the README shows works: its Python runs, its commands exist, its links lead on."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run_command

from amorsize.policy.evidence import io_concurrency

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
    """Each block is a script that a reader can save and run, without any warning.

    Where a line of it prints and its comment says what, that is what is printed.
    """
    ran = run_script(block, environ={"PYTHONWARNINGS": "error"})

    assert ran.stderr == ""
    said = comments_on_prints(block)
    assert ran.stdout.splitlines()[: len(said)] == said


def comments_on_prints(block: str) -> list[str]:
    return re.findall(r"^print\(.*\) +# (.+)$", block, re.MULTILINE)


def test_a_comment_tells_what_is_printed():
    """The test above compares something."""
    assert any(map(comments_on_prints, blocks("python")))


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
    for document in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_the_readme_tells_how_many_waiting_items_run_at_once():
    """Who asks a server has to know, and how to have fewer."""
    (told,) = [one for one in README.split("\n\n") if "items that wait" in one]
    at_once = [io_concurrency.FIRST, io_concurrency.MOST, io_concurrency.MOST_CONNECTING]

    assert [int(one) for one in re.findall(r"\d+", told)] == at_once
    assert "n_jobs=" in told


def test_the_readme_is_short():
    """What it is, how it compares and where to read on; all else is on the site."""
    assert len(README.splitlines()) <= 200


def test_the_demo_is_the_quickstart_and_compares_results(run_script, tmp_path):
    """The script behind `make demo` runs, here on fewer files; all ways give the loop's results."""
    text = (ROOT / "examples" / "quickstart.py").read_text(encoding="utf-8")
    fewer = re.sub(r"^MAX_FILES = \d+", "MAX_FILES = 100", text, flags=re.MULTILINE)
    assert fewer != text
    ran = run_script(fewer, timeout_s=55)

    assert "100 source files" in ran.stdout
    assert "The same results each time" in ran.stdout
    assert [line for line in ran.stdout.splitlines() if "first call of a new process" in line]
    assert not Path(tmp_path / "amorsize").exists()
