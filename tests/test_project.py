"""The project's own files agree with each other and with the package."""

import ast
import importlib
import os
import pkgutil
import re
import sys
import tomllib

import pytest
from conftest import ROOT

import amorsize

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
DEPENDENCIES = {re.split(r"[<>=\[]", line)[0] for line in PROJECT["dependencies"]}
DEPENDENCIES_PAGE = (ROOT / "docs" / "dev" / "dependencies.md").read_text(encoding="utf-8")


def imports_by_module() -> dict[str, set[str]]:
    """The top-level packages that each file of amorsize imports, anywhere in it."""
    found = {}
    for path in sorted((ROOT / "amorsize").rglob("*.py")):
        names = set()
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.split(".")[0])
        found[path.relative_to(ROOT / "amorsize").as_posix()] = names
    return found


def test_the_face_is_sorted_and_whole():
    """`__all__` is what is public: sorted, and all of it there."""
    assert list(amorsize.__all__) == sorted(amorsize.__all__)
    assert set(amorsize.__all__) <= set(dir(amorsize))
    for name in amorsize.__all__:
        getattr(amorsize, name)


def test_the_old_name_of_partial_results_leads_to_the_new_one():
    """`amorsize.partial` clashed with `functools.partial`; there was no release with it."""
    with pytest.raises(AttributeError, match="'partial'; it is called 'partial_results' now"):
        amorsize.partial  # noqa: B018 - asking for it is the act
    assert not hasattr(amorsize, "partial")


def test_no_public_function_shares_a_name_with_a_module():
    """`amorsize.cache` is the module, whatever was imported before."""
    modules = {found.name for found in pkgutil.iter_modules(amorsize.__path__)}
    for name in modules & set(amorsize.__all__):
        assert getattr(amorsize, name) is importlib.import_module(f"amorsize.{name}")


def test_the_version_is_told_once():
    """The package, pyproject.toml and the changelog agree on it."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert amorsize.__version__ == PROJECT["version"]
    assert f"## [{PROJECT['version']}]" in changelog


def test_the_package_says_that_it_is_typed():
    """Type checkers read the annotations of an installed amorsize."""
    assert (ROOT / "amorsize" / "py.typed").exists()


def test_the_command_is_there():
    """The console script names a function that exists."""
    module, _, function = PROJECT["scripts"]["amorsize"].partition(":")

    assert callable(getattr(importlib.import_module(module), function))


def test_every_dependency_is_used_and_explained():
    """What is required is imported somewhere, and docs/dev/dependencies.md says why and where."""
    imports = imports_by_module()
    for name in DEPENDENCIES:
        where = {path for path, names in imports.items() if name in names}
        row = next(
            line for line in DEPENDENCIES_PAGE.splitlines() if line.startswith(f"| {name} |")
        )

        assert set(re.findall(r"`([\w/]+\.py)`", row)) == where, f"{name} is imported in {where}"


def test_every_import_is_required():
    """amorsize imports the standard library, its requirements, and nothing else."""
    for path, names in imports_by_module().items():
        foreign = names - set(sys.stdlib_module_names) - DEPENDENCIES - {"amorsize"}
        foreign -= {
            "_frozen_importlib",
            "_frozen_importlib_external",
        }  # the standard library's, too

        foreign -= {"distributed", "numpy", "optuna", "pandas", "ray"}
        foreign -= {"jinja2", "matplotlib", "mpl_toolkits"}
        assert not foreign, f"{path} imports {foreign}"


def test_ci_runs_what_contributors_run():
    """`.ci/run` can be executed and calls `make test`."""
    script = ROOT / ".ci" / "run"

    assert os.access(script, os.X_OK)
    assert "make test" in script.read_text(encoding="utf-8")


def test_the_quick_tests_reach_every_package():
    """`make test-quick` has a file that imports something of each package."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    listed = re.search(r"^QUICK := (.+?[^\\])$", makefile, flags=re.MULTILINE | re.DOTALL)
    names = re.findall(r"\w+\.py", listed[1])
    texts = [(ROOT / "tests" / f"test_{name}").read_text(encoding="utf-8") for name in names]
    reached = set(re.findall(r"(?:from|import) amorsize\.(\w+)", "\n".join(texts)))
    reached |= set(re.findall(r"from amorsize import (\w+)$", "\n".join(texts), re.MULTILINE))
    packages = {found.name for found in pkgutil.iter_modules(amorsize.__path__) if found.ispkg}

    assert names == sorted(set(names))
    assert packages - reached == set()


MAP = (ROOT / "docs" / "dev" / "design.md").read_text(encoding="utf-8")


def test_the_map_names_what_is_there():
    """Every file and package that docs/dev/design.md names exists."""
    named = set(re.findall(r"`((?:\w+/)*\w+\.py|(?:\w+/)+)`", MAP))
    places = [ROOT / "amorsize", ROOT]

    assert {name for name in named if not any((at / name).exists() for at in places)} == set()


def test_the_map_names_every_package():
    """A newcomer finds each part of amorsize in its table, with a word on what it is."""
    parts = [found.name for found in pkgutil.iter_modules(amorsize.__path__)]
    table = MAP.split("## The packages")[1].split("## The policy")[0]

    for part in set(parts) - {"__main__"}:
        assert f"`{part}/`" in table or f"`{part}.py`" in table, f"docs/dev/design.md lacks {part}"


def test_the_map_says_what_each_file_of_the_policy_is_for():
    """Each has a row in one of the tables."""
    policy = ROOT / "amorsize" / "policy"
    files = {path.relative_to(ROOT / "amorsize").as_posix() for path in policy.rglob("*.py")}
    rows = set(re.findall(r"^\| `(policy/[\w/]+\.py)` \|", MAP, flags=re.MULTILINE))

    assert {name for name in files if not name.endswith("__init__.py")} == rows
