"""The main job on real input: outline every source file of Python's standard library.

Run it with `make demo`. It times a plain loop, the first call ever (which tunes itself on the items
it has to do anyway), a second call, and the first call of a new process, which starts from what the
others learned. All four must give the same results. There is no `if __name__ == "__main__":` here
and none is needed.
"""

import ast
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from amorsize import autotune

MAX_FILES = 800  # some 4 s of work for one core, so that the whole demo takes well under a minute
BRANCHES = (ast.If, ast.For, ast.While, ast.Try, ast.With, ast.BoolOp, ast.IfExp, ast.comprehension)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

Outline = dict[str, int]


@autotune
def outline(path: str) -> Outline:
    """Parse one source file and count its lines, functions and branches."""
    source = Path(path).read_bytes()
    nodes = list(ast.walk(ast.parse(source)))
    return {
        "lines": source.count(b"\n"),
        "functions": sum(isinstance(node, FUNCTIONS) for node in nodes),
        "branches": sum(isinstance(node, BRANCHES) for node in nodes),
    }


def standard_library() -> list[str]:
    """Its source files, without the tests and what was installed beside it."""
    folder = Path(sysconfig.get_path("stdlib"))
    others = {"test", "tests", "site-packages", "dist-packages"}
    files = [path for path in folder.rglob("*.py") if not others & set(path.parts)]
    return [str(path) for path in sorted(files)[:MAX_FILES]]


def timed(
    run: Callable[[Iterable[str]], list[Outline]], files: list[str]
) -> tuple[float, list[Outline]]:
    """How many seconds `run(files)` takes, and what it gives."""
    begin_s = time.perf_counter()
    outlines = run(files)
    return time.perf_counter() - begin_s, outlines


def loop(files: Iterable[str]) -> list[Outline]:
    """What one would write without amorsize."""
    return [outline.one(path) for path in files]


def in_a_new_process() -> tuple[float, list[Outline]]:
    """Run this script once more; it times its own first call."""
    answer = subprocess.run(
        [sys.executable, __file__, "--again"], stdout=subprocess.PIPE, check=True, timeout=120
    ).stdout
    seconds, outlines = json.loads(answer)
    return seconds, outlines


def compare() -> None:
    """Time the four ways and print them side by side."""
    files = standard_library()
    for path in files:
        Path(path).read_bytes()  # so that nobody pays for a cold disk
    print(f"{len(files)} source files of the standard library, {os.cpu_count()} CPUs in this host")

    loop_s, expected = timed(loop, files)
    print(f"  plain loop                     {loop_s:6.2f} s")
    for label, (seconds, outlines) in (
        ("first call, nothing known", timed(outline, files)),
        ("second call", timed(outline, files)),
        ("first call of a new process", in_a_new_process()),
    ):
        assert outlines == expected, f"{label}: not the results of the loop"
        print(f"  {label:<29}  {seconds:6.2f} s   {loop_s / seconds:.2f} x as fast as the loop")

    lines = sum(outline["lines"] for outline in expected)
    print(f"The same results each time, {lines:,} lines in all. Why it ran the way it did:\n")
    print(outline.explain())


if "--again" in sys.argv:
    print(json.dumps(timed(outline, standard_library())))
else:
    with tempfile.TemporaryDirectory() as home:
        os.environ["AMORSIZE_HOME"] = home  # nothing known beforehand, nothing left afterwards
        compare()
