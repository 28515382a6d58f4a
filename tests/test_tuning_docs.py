"""What examples/README_tuning.md and the demonstrations show works."""

import importlib.util
import inspect
import re
import shlex
import sys

import pytest
from conftest import ROOT, run_command

import amorsize
import amorsize.tuning
from amorsize import optimize, tune_parameters

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


def signatures() -> list[tuple[str, list[str]]]:
    """Functions of the guide's headings, each with its parameters as they are written there."""
    heads = re.findall(r"^### `(?:amorsize\.)?([\w.]+)\((.*?)\)`", GUIDE, re.MULTILINE)
    return [(name, text.split(", ")) for name, text in heads]


@pytest.mark.parametrize(
    ("name", "written"),
    [one for one in signatures() if "=" in one[1][-1] or "..." in one[1]],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_signature_of_the_guide_is_that_of_the_function(name, written):
    """Name by name and default by default, as far as it goes."""
    parameters = inspect.signature(getattr(amorsize, name)).parameters.values()
    plain = [one for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    shown = [
        one.name if one.default is one.empty else f"{one.name}={one.default!r}" for one in plain
    ]
    n_written = len(written) - 1 - ("*" in written)

    assert written[-1] == "..."
    assert written[:n_written] == shown[:n_written]
    if "*" in written:
        assert n_written == len(shown)


@pytest.mark.parametrize("name", ["optimize", "quick_tune", "tune_parameters"])
def test_the_guide_names_every_parameter_of_a_function(name):
    """Between its heading and the next one, or as another function's that takes the same."""
    head = GUIDE.split(f"### `{name}(")[1].split("\n### ")[0]
    parameters = inspect.signature(getattr(amorsize, name)).parameters.values()
    told = {one.name for one in parameters if one.kind is not one.VAR_KEYWORD}

    assert {one for one in told if one not in head} == set()


def test_every_function_of_the_guide_is_there():
    """Under the name that its heading gives it."""
    for name in (name for name, _ in signatures() if not name.startswith(".")):
        place = amorsize
        for part in name.split("."):
            place = getattr(place, part)
        assert callable(place)


PLAIN_CALLS = re.findall(r"^### `([\w.]*\([^=\n]*\))`", GUIDE, re.MULTILINE)


@pytest.mark.parametrize("call", [one for one in PLAIN_CALLS if "..." not in one])
def test_a_call_in_a_heading_can_be_made_as_it_stands(call):
    """With functions and data in place of its names."""
    names = {"amorsize": amorsize, "func": abs, "data": range(9), "sample": range(9)}
    names |= {"f": abs, "g": float, "h": str, "tune_pipeline": amorsize.tune_pipeline}
    call = f"amorsize.autotune(abs){call}" if call.startswith(".") else call

    assert eval(call, names) is not None  # what the guide says


def test_the_calls_of_headings_are_all_there():
    """Those whose signature is written out are compared with it, all others are made."""
    made = [one for one in PLAIN_CALLS if "..." not in one]

    assert [one.partition("(")[0] for one in made] == [
        "amorsize.tuning.compare_plans",
        "tune_pipeline",
        ".tune",
    ]


def options_of_the_guide() -> list[tuple[str, list[str]]]:
    """Commands of each table of options, with the options that it names."""
    heads = re.split(r"^\| (`\w+`(?: and `\w+`)?) \| \|$", GUIDE, flags=re.MULTILINE)[1:]
    tables = zip(heads[::2], heads[1::2], strict=True)
    rows = {head: table.split("\n\n")[0].splitlines() for head, table in tables}
    return [
        (name, re.findall(r"--[a-z][a-z-]+", " ".join(row.split("` |")[0] for row in rows[head])))
        for head in rows
        for name in re.findall(r"`(\w+)`", head)
    ]


@pytest.mark.parametrize(("command", "options"), options_of_the_guide())
def test_a_command_has_the_options_that_the_guide_names(command, options, tmp_path):
    """As its help has them."""
    asked = [sys.executable, "-m", "amorsize", command, "--help"]
    told = run_command(asked, cwd=tmp_path, timeout_s=30).stdout
    known = re.findall(r"--[a-z][a-z-]+", told)

    assert options
    assert {one for one in options if one not in known} == set()


ATTRIBUTES = re.compile(r"`(\w+)(?:\([^`]*\))?`")


@pytest.mark.parametrize(("heading", "kind"), [("`TuningResult`", "TuningResult")])
def test_a_result_has_what_the_guide_says_it_has(heading, kind):
    """Each attribute and method of the list."""
    text = GUIDE.split(f"### {heading}")[1].split("```")[0]
    result = tune_parameters(abs, range(10), [2], [5], save=False)

    for name in ATTRIBUTES.findall(text):
        assert hasattr(result, name) or hasattr(getattr(amorsize, kind), name), name


def test_an_optimization_has_what_the_guide_says_it_has():
    """As above."""
    text = GUIDE.split("### `optimize(")[1].split("The result has")[1].split("```")[0]
    found = optimize(abs, range(10))

    for name in ATTRIBUTES.findall(text):
        assert hasattr(found, name), name
