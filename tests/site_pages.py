"""What a reader of the site types: the code and the commands of a page, in its order.

A block of Python is a script of its own, unless the text before it says "Save this as `name`": then
it is that file, for the commands below it. Commands are the lines of a console block that begin
with a dollar sign. A comment before a block, `<!-- needs: distributed -->`, names a package that it
wants. Blocks of other languages are for reading.
"""

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conftest import ROOT, run_command

DOCS = ROOT / "docs"
#: What people read; pages under docs/dev/ speak of the inside.
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if path.relative_to(DOCS).parts[0] != "dev"]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SAVED = re.compile(r"[Ss]ave\s+(?:this|it)\s+as\s+`([\w.]+)`[^`]*$")
NEEDS = re.compile(r"<!-- needs: (\w+) -->\s*$")
#: What a script or command may take: most take less than one second, Ray starts in ten or more.
SCRIPT_S = 50.0
#: Languages that nobody runs, and what people do at a prompt that no test repeats.
READ_ONLY = {"text", "dockerfile", "ini", "yaml", "json", "mermaid"}
NOT_REPEATED = {"pip", "python3", ".", "docker", "dask", "mpiexec", "jupyter", "systemctl"}


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    saved_as: str | None
    needs: str | None

    def commands(self) -> list[str]:
        """The commands of a console block, without their prompts and comments."""
        lines = [line[2:] for line in self.text.splitlines() if line.startswith("$ ")]
        return [line.partition("  #")[0].strip() for line in lines]


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page, in its order."""
    for found in BLOCK.finditer(page):
        before = page[: found.start()].rstrip()
        needs = NEEDS.search(before)
        saved = SAVED.search(before[: needs.start()].rstrip() if needs else before)
        yield Block(
            language=found[1],
            text=found[2],
            saved_as=saved and saved[1],
            needs=needs and needs[1],
        )


def follow(page: str, folder: Path, *, with_package: str | None = None) -> int:
    """Do in an empty folder what the page says; how many scripts and commands ran.

    Args:
        page: Its text.
        folder: Where files are saved and commands run.
        with_package: Run what needs this package, and files; None for all that needs none.
    """
    n_ran = 0
    for block in blocks(page):
        if block.saved_as:
            (folder / block.saved_as).write_text(block.text, encoding="utf-8")
        elif block.needs != with_package:
            continue
        elif block.language == "python":
            run_text(block.text, folder)
            n_ran += 1
        elif block.language == "console":
            n_ran += sum(run_line(command, folder) for command in block.commands())
        else:
            assert block.language in READ_ONLY, f"nobody runs a block of {block.language}"
    return n_ran


def run_text(text: str, folder: Path) -> None:
    """Run a script, which prints what its comments say that it prints, and warns of nothing."""
    script = folder / "snippet.py"
    script.write_text(text, encoding="utf-8")
    out = run([sys.executable, "-W", "error", "snippet.py"], folder)
    printed = iter(out)
    for said in comments_on_prints(text):
        assert said in printed, f"{said!r} is not printed, or not in this order, by:\n{text}\n{out}"


def comments_on_prints(text: str) -> list[str]:
    """What the lines of a script print, where a comment behind them says so."""
    return re.findall(r"^ *print\(.*\) +# (.+)$", text, re.MULTILINE)


def run_line(command: str, folder: Path) -> bool:
    """Run a line of a console block; whether it is one that is run at all."""
    if shlex.split(command)[0] in NOT_REPEATED:
        return False
    run(["sh", "-ec", OUR_PROGRAMS + command], folder)
    return True


#: What has `python` and `amorsize` be those of this interpreter.
OUR_PROGRAMS = f"""
python() {{ {shlex.quote(sys.executable)} "$@"; }}
amorsize() {{ python -m amorsize "$@"; }}
"""


def run(command: list[str], folder: Path) -> list[str]:
    """The lines that a command prints; it must end well, without a warning on stderr."""
    ran = run_command(command, cwd=folder, timeout_s=SCRIPT_S)

    assert "Warning" not in ran.stderr, ran.stderr
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.stdout.splitlines()
