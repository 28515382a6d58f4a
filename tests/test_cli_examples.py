"""Each example in the help of a command does what it shows, in a folder with what it names."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

from amorsize import cli

SHOP = """
import time
def parse(path): time.sleep(0.005); return path.strip().upper()
def parse_all(path): return parse(path)
def price(number): return sum(range(number % 100))
def fetch(url): time.sleep(0.002); return len(url)
"""
TRACE = """
from amorsize import simulate, tuned_map
from shop import parse
tuned_map(parse, [f"path{n}" for n in range(150)])
simulate.save(parse, "call.json")
"""


def bash(line, folder, home):
    """Run a line as a person would; `amorsize` is this Python's."""
    script = f'amorsize() {{ "{sys.executable}" -m amorsize "$@"; }}\n{line}'
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
            "AMORSIZE_HOME": str(home),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=55,
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with the files that examples name, and a home where something was learned."""
    place = tmp_path_factory.mktemp("examples")
    folder, home = place / "folder", place / "home"
    for below in ("tools", ".config/fish/completions"):
        (folder / below).mkdir(parents=True)
    (folder / "shop.py").write_text(SHOP)
    (folder / "tools" / "scan.py").write_text("def scan(path): return f'{path} is fine'\n")
    (folder / "one.log").touch()
    (folder / "paths.txt").write_text("".join(f"path{n}\n" for n in range(150)))
    (folder / "urls.txt").write_text("".join(f"url{n}\n" for n in range(20)))
    (folder / "record.py").write_text(TRACE)
    assert bash(f"PYTHONPATH={ROOT}:. {sys.executable} record.py", folder, home).returncode == 0
    line = "amorsize run shop.parse_all --data-file paths.txt > /dev/null"
    assert bash(line, folder, home).returncode == 0
    run = "amorsize run shop.parse --data-file paths.txt > /dev/null --save-result"
    for name in ("before", "after"):
        assert bash(f"{run} {name}", folder, home).returncode == 0
    return place


def examples(command):
    """The lines that its help shows, without the remarks behind them."""
    lines = re.findall(r"^  (\S.*)$", command.epilog, re.MULTILINE)
    lines = [re.split(r"\s{3,}in ~", line)[0] for line in lines]
    return [re.sub(r'^eval "\$\((.*)\)"$', r"\1", line) for line in lines]


#: What an example needs that another one shows.
BEFORE = {"cache import": "amorsize cache export learned.json"}


@pytest.mark.parametrize("command", cli.COMMANDS, ids=lambda command: " ".join(command.words))
def test_the_examples_of_a_command_run(command, prepared, tmp_path):
    """One after the other, as they stand there."""
    folder, home = tmp_path / "folder", tmp_path / "home"
    shutil.copytree(prepared / "folder", folder)
    shutil.copytree(prepared / "home", home)
    words = " ".join(command.words)
    if words in BEFORE:
        assert bash(BEFORE[words], folder, home).returncode == 0
    if words == "history compare":  # it saves both itself
        assert bash("amorsize history clear --yes", folder, home).returncode == 0

    shown = examples(command)

    assert any(f"amorsize {words}" in line for line in shown)
    for line in shown:
        ran = bash(line, folder, home)
        assert (ran.returncode, "amorsize: " in ran.stderr) == (0, False), (line, ran.stderr[-900:])
