"""What examples/README_tuning.md and the demonstrations show works."""

import importlib.util
import inspect
import re
import shlex
import sys

import pytest
from conftest import ROOT, run_command

from amorsize import tune_parameters

GUIDE = (ROOT / "examples" / "README_tuning.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEMO = ROOT / "examples" / "tuning_demo.py"


def demonstrations() -> list[str]:
    spec = importlib.util.spec_from_file_location("tuning_demo", DEMO)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [one.__name__ for one in module.DEMONSTRATIONS]


@pytest.mark.parametrize("block", BLOCK.findall(GUIDE), ids=lambda text: text.splitlines()[-1][:40])
def test_python_blocks_of_the_guide_run(run_script, block):
    """Each block is a script that a reader can save and run, without any warning."""
    assert run_script(block, environ={"PYTHONWARNINGS": "error"}).stderr == ""


@pytest.mark.parametrize("command", re.findall(r"^\$ (amorsize .+)$", GUIDE, re.MULTILINE))
def test_commands_of_the_guide_run(command, tmp_path):
    """Each of them ends well."""
    arguments = shlex.split(command)[1:]
    command = [sys.executable, "-m", "amorsize", *arguments]

    assert run_command(command, cwd=tmp_path, timeout_s=30).stdout


def test_the_demonstrations_run(run_script):
    """All nine of them, each under its title."""
    text = DEMO.read_text(encoding="utf-8")
    ran = run_script(text, timeout_s=55, environ={"PYTHONWARNINGS": "error"})
    titles = re.findall(r"^== (.+?): ", ran.stdout, re.MULTILINE)

    assert [title.replace(" ", "_") for title in titles] == demonstrations()
    assert len(titles) >= 7
    assert ran.stderr == ""


def test_one_demonstration_alone_runs(run_script):
    """The name says which."""
    text = DEMO.read_text(encoding="utf-8")

    assert run_script(text, "too_fast").stdout.count("\n== ") == 1


def test_the_guide_names_every_option():
    """The table is the signature of tune_parameters."""
    parameters = [*inspect.signature(tune_parameters).parameters]
    table = GUIDE.split("| option | |")[1].split("A time limit")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    named = re.findall(r"`(\w+)`", " ".join(row.split("|")[1] for row in rows))

    assert sorted(named) == sorted(set(parameters) - {"func", "data"})


def test_links_of_the_guide_lead_somewhere():
    """Every file that it links to is there."""
    for target in re.findall(r"\]\(([^)#:]+)\)", GUIDE):
        assert (ROOT / "examples" / target).exists(), target
