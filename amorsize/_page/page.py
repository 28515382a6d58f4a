"""A page of headings, facts, pictures, tables: one file that asks for no other."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amorsize._host import extras
from amorsize.errors import InvalidOptionError
from amorsize.policy.frozen_record import Value

if TYPE_CHECKING:
    from amorsize._plots.picture import Picture

ENDINGS = (".html", ".htm")
#: Characters of one text that came from elsewhere, such as the name of a function.
MOST_CHARS = 2_000


class Table(Value):
    """Rows of texts under a header, with what they are about."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_left_out: int = 0


class Section(Value):
    """What stands under one heading of a page."""

    key: str
    heading: str
    paragraphs: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    points: tuple[str, ...] = ()
    picture: Picture | None = None
    tables: tuple[Table, ...] = ()


class Page(Value):
    """A whole page."""

    title: str
    lead: str
    sections: tuple[Section, ...]
    foot: str


def as_html(page: Page) -> str:
    """The page as one text.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    jinja2 = load()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(os.path.join(os.path.dirname(__file__), "templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["short"] = _short
    return str(environment.get_template("page.html").render(page=page))


def load() -> Any:
    """jinja2; a command asks for it before it runs anything.

    Raises:
        MissingExtraError: It is not installed.
    """
    return extras.load("jinja2", extra="plot", need="pages need")


def check_path(path: str | os.PathLike[str]) -> Path:
    """Where a page is to be written.

    Raises:
        InvalidOptionError: Its name does not end as that of a page does.
    """
    found = Path(path)
    if found.suffix.lower() not in ENDINGS:
        raise InvalidOptionError(
            f"{os.fspath(path)!r} is no name for a page: it ends with .html or .htm."
        )
    return found


def write(page: Page, path: Path) -> Path:
    """Write the page; where it is now."""
    path.write_text(as_html(page), encoding="utf-8")
    return path.absolute()


def _short(text: Any) -> str:
    """A text of bounded length, without characters that cannot be shown."""
    shown = " ".join(str(text).split())
    if len(shown) > MOST_CHARS:
        shown = f"{shown[:MOST_CHARS]}..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
