"""Type checkers see the mapped types: tests/typing says which, and where their limits are."""

import ast
import inspect
import re
import rlcompleter
import subprocess
import sys
from pathlib import Path

import pytest

import amorsize._api.decorator
import amorsize._api.tuned_map
from amorsize._engine.options import option_checks
from amorsize._engine.options.call_options import DEFAULTS, Options
from amorsize._engine.options.option_checks import CHECKS

ROOT = Path(__file__).parent.parent
CASES = ROOT / "tests" / "typing"
STUB = ROOT / "amorsize" / "_api/typed.pyi"


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.timeout(120)
def test_mypy():
    """It accepts what is accepted and refuses, in these very words, what is refused."""
    pytest.importorskip("mypy")

    # With the options of `make lint`: with others, each would throw away what the other has kept.
    checked = run("mypy", "--strict", "--no-error-summary", str(CASES))

    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.timeout(120)
def test_pyright():
    """It accepts the same calls, with the same types."""
    pytest.importorskip("pyright")
    if run("pyright", "--version").returncode != 0:
        pytest.skip("pyright cannot run here: it fetches its program when it is first used")

    checked = run("pyright", "--pythonpath", sys.executable, str(CASES / "accepted.py"))

    assert checked.returncode == 0, checked.stdout


def members(tree: ast.AST, name: str) -> set[str]:
    """What a class of the stub declares."""
    (found,) = (
        node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == name
    )
    return {node.name for node in found.body if isinstance(node, ast.FunctionDef)}


def test_the_stub_declares_what_is_there():
    """The types and the code are written in two places, and say the same."""
    declared = members(ast.parse(STUB.read_text()), "TunedFunction")
    own = {name for name in vars(amorsize.TunedFunction) if not name.startswith("_")}

    assert {name for name in declared if not name.startswith("_")} == own
    assert not [name for name in declared if not hasattr(amorsize.autotune(len), name)]


def parameters(func):
    """The parameters of a function, by name."""
    return inspect.signature(func).parameters


@pytest.mark.parametrize(
    "func", [amorsize._api.decorator.autotune, amorsize._api.tuned_map.tuned_map]
)
def test_every_option_is_spelled_out(func):
    """`help()` and completion show each option, with its default and its type."""
    spelled = {
        name: parameter
        for name, parameter in parameters(func).items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and name != "item_kwargs"
    }

    assert list(spelled) == list(Options._fields)
    assert {n: p.annotation for n, p in spelled.items()} == inspect.get_annotations(Options)
    assert {n: p.default for n, p in spelled.items()} == DEFAULTS.as_dict()


def test_every_option_is_checked_and_explained():
    """The checks and the docstring of `autotune` name all options, in their order."""
    docstring = inspect.getdoc(amorsize.autotune).split("Args:")[1].split("Raises:")[0]
    explained = re.findall(r"^    (\w+): ", docstring, flags=re.MULTILINE)

    assert list(CHECKS) == list(Options._fields)
    assert explained == ["func", *Options._fields]


def test_tune_takes_what_quick_tune_takes():
    """`f.tune(...)` spells the arguments of `quick_tune` after the function."""
    mine = list(parameters(amorsize.TunedFunction.tune).values())[1:]
    theirs = list(parameters(amorsize.quick_tune).values())[1:]
    (declared,) = (
        node
        for node in ast.walk(ast.parse(STUB.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == "tune"
    )

    assert [p.replace(annotation=None) for p in mine] == [
        p.replace(annotation=None) for p in theirs
    ]
    assert [p.annotation for p in mine] == [p.annotation for p in theirs]
    assert [argument.arg for argument in declared.args.args] == [p.name for p in mine[:3]]
    assert {
        argument.arg: ast.unparse(argument.annotation) for argument in declared.args.kwonlyargs
    } == {p.name: p.annotation for p in mine[3:]}


def test_the_stub_knows_the_keywords_of_a_stream():
    """Each way to call `.stream` that is declared has its keywords, with their defaults."""
    spelled = {
        name: parameter.default
        for name, parameter in parameters(amorsize.TunedFunction.stream).items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    declared = [
        node.args
        for node in ast.walk(ast.parse(STUB.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == "stream"
    ]

    assert len(declared) == 2
    for arguments in declared:
        assert [one.arg for one in arguments.kwonlyargs] == list(spelled)
        for name, default in zip(spelled, arguments.kw_defaults, strict=True):
            if default is not None:  # else a caller has to say it to get this result
                assert ast.literal_eval(default) == spelled[name]


def test_the_literal_names_the_backends():
    """A checker accepts the backends that a call accepts."""
    tree = ast.parse(Path(option_checks.__file__).read_text())
    (literal,) = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "Backend"
    )

    assert ast.literal_eval(literal.slice) == option_checks.BACKENDS


def test_completion_shows_the_methods():
    """`dir(f)`, and what the interactive interpreter offers after `f.`."""
    tuned = amorsize.autotune(len)
    completer = rlcompleter.Completer({"tuned": tuned})
    offered = {completer.complete("tuned.", n) for n in range(40)} - {None}

    assert {"one", "stream", "using", "tune", "explain", "plan"} <= set(dir(tuned))
    assert {"tuned.one", "tuned.stream(", "tuned.using("} <= offered


def test_explain_gives_what_is_public():
    """What `explain()` returns has a name that annotations can use."""
    tuned = amorsize.autotune(lambda text: len(text), backend="serial")
    tuned(["a", "bb"])

    assert type(tuned.explain()) is amorsize.Explanation
    assert dict(tuned.explain().rows())["ran"].startswith("2 in the caller")
