"""What the site takes from the code and from the files around it, as Sphinx reads a page.

A page has a line such as `<!-- generated: commands -->` where a text about the code belongs,
`<!-- fields: amorsize.history.Saved -->` for a table of a class's fields, or
`<!-- file: CHANGELOG.md -->` for the text of a file at the root of the repository.
"""

import argparse
import ast
import importlib
import inspect
import os
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from amorsize import cli

DOCS = Path(__file__).parent
ROOT = DOCS.parent
MARK = re.compile(r"^<!-- (generated|fields|file): ([\w./]+) -->$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#:]+)(#[^)]*)?\)")
#: Pages that show a file from outside of docs/: links to the file lead there.
SHOWN = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "dev/contributing.md",
    "SECURITY.md": "explanation/security.md",
    "benchmarks/README.md": "dev/how-it-is-measured.md",
    "examples/README_tuning.md": "how-to/tune-on-purpose.md",
    "README.md": "index.md",
}


def fill_in(_app: object, page: str, source: list[str]) -> None:
    """Put texts in the place of their marks, and have links lead to pages of the site."""
    place = (DOCS / page).parent
    text = with_links(source[0], place, place)
    source[0] = MARK.sub(lambda mark: marked(mark[1], mark[2], place), text)


def marked(kind: str, what: str, place: Path) -> str:
    """The text that belongs in the place of a mark."""
    if kind == "generated":
        return TEXTS[what]()
    if kind == "fields":
        return fields(what)
    text = (ROOT / what).read_text(encoding="utf-8")
    return with_links(text, (ROOT / what).parent, place)


def with_links(text: str, origin: Path, place: Path) -> str:
    """The text with its links, which are relative to `origin`, as a page in `place` needs them."""

    def moved(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(origin / link[1]))
        shown = SHOWN.get(target.relative_to(ROOT).as_posix())
        if shown is not None:
            target = DOCS / shown
        return f"]({os.path.relpath(target, place)}{link[2] or ''})"

    return LINK.sub(moved, text)


def without_unknown(
    _app: object,
    _what: str,
    _name: str,
    _obj: object,
    _options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str | None, str | None]:
    """A signature without the keywords that are there to be refused in helpful words."""
    return signature and signature.replace(", **unknown: Any", ""), returned


def fields(name: str) -> str:
    """A table of the fields of a class, as its source has them: name, type, comment."""
    module, _, attribute = name.rpartition(".")
    cls = getattr(importlib.import_module(module), attribute)
    rows = ["| attribute | type | meaning |", "|---|---|---|"]
    for base in reversed(cls.__mro__):
        if base.__module__.startswith("amorsize"):
            rows += [f"| `{name}` | `{kind}` | {told} |" for name, kind, told in fields_of(base)]
    return "\n".join(rows)


def fields_of(cls: type) -> Iterator[tuple[str, str, str]]:
    """The fields that a class itself annotates, each with the comment behind it."""
    source = textwrap.dedent(inspect.getsource(cls))
    lines = source.splitlines()
    for node in ast.parse(source).body[0].body:
        if isinstance(node, ast.AnnAssign):
            _, _, comment = lines[node.end_lineno - 1].partition("  # ")
            kind = ast.unparse(node.annotation).replace("|", "\\|")
            yield node.target.id, kind, re.sub(r"^type: ignore\S*\s*(# )?", "", comment)


def commands() -> str:
    """Each command of the command line: its help, as `--help` prints it."""
    return "\n".join(
        f"## `amorsize {words}`\n\n```text\n{parser.format_help()}```\n"
        for words, parser in parsers(cli.parser())
    )


def parsers(
    parser: argparse.ArgumentParser, *above: str
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The words that call each command, with what reads its arguments."""
    below = [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]
    if not below:
        yield " ".join(above), parser
    for action in below:
        for word, of_word in action.choices.items():
            yield from parsers(of_word, *above, word)


TEXTS: dict[str, Callable[[], str]] = {"commands": commands}
