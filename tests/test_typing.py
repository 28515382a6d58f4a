"""Type checkers see the mapped types: tests/typing says which, and where their limits are."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import amorsize._api.decorator
from amorsize._engine.call_options import Options

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

    checked = run("mypy", "--strict", "--follow-imports=silent", "--no-error-summary", str(CASES))

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


def test_autotune_and_the_options_agree():
    """Every option is spelled out in the decorator's signature, with its default and its type."""
    parameters = inspect.signature(amorsize._api.decorator.autotune).parameters.values()
    spelled = {p.name: p.annotation for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}

    assert list(spelled) == list(Options._fields)
    assert spelled == inspect.get_annotations(Options)
