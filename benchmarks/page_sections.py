"""Parts of a page that one benchmark writes, while others write the rest of it."""

from pathlib import Path


def put(page: Path, name: str, text: str) -> None:
    """Write a section in place of the one that has its name, else at the end of the page."""
    whole = page.read_text() if page.exists() else ""
    own, marked = section(whole, name), _begin(name) + text + _end(name)
    page.write_text(whole.replace(own, marked) if own else f"{whole}\n{marked}".lstrip("\n"))


def put_rest(page: Path, text: str, *names: str) -> None:
    """Write a page anew, except for the sections with these names."""
    whole = page.read_text() if page.exists() else ""
    page.write_text("\n".join([text, *filter(None, (section(whole, name) for name in names))]))


def section(whole: str, name: str) -> str:
    """The section with its marks; "": there is none."""
    begin, end = _begin(name), _end(name)
    if begin not in whole or end not in whole:
        return ""
    return whole[whole.index(begin) : whole.index(end) + len(end)]


def _begin(name: str) -> str:
    return f"<!-- {name} begins -->\n"


def _end(name: str) -> str:
    return f"<!-- {name} ends -->\n"
