"""Writes the table of docs/dev/safety.md from the data: `python tests/safety_page.py`."""

from pathlib import Path

from amorsize._function.library import (
    effect_table,
    stdlib_effects,
    stdlib_types,
    third_party_effects,
    third_party_types,
)
from amorsize._function.library import (
    gives as library_gives,
)

PAGE = "docs/dev/safety.md"
MARKS = "<!-- table: begin -->", "<!-- table: end -->"
CALLS = {
    "process": "Changes the state of the whole process, temporarily or for good",
    "thread": "Belongs to the calling thread",
    "draws": "Draws from a random generator of the whole process",
    "caller": "Works correctly only in the caller",
    "safe": "Safe beside other threads, if its arguments are",
}
GIVES = {
    "new": "A new object, or a plain value",
    "one": "An element of its argument",
    "same": "Its argument, or a view of the argument's memory",
    "keeps": "An object that contains its argument",
}
VALUES = {
    "safe": "May be shared by threads, and copied",
    "lock": "A lock: threads may share it, but a copy protects nothing",
    "rlock": "A lock that a thread owns",
    "handle": "A handle: something outside the process, or with a position",
    "iterator": "An iterator: each use advances it",
    "generator": "A generator of random numbers",
    "queue": "A queue",
    "local": "Has a value for each thread or context",
    "mutable": "May change",
}


def page(text: str) -> str:
    """The page with the table as the data has it."""
    head, _, rest = text.partition(MARKS[0])
    tail = rest.partition(MARKS[1])[2]
    return f"{head}{MARKS[0]}\n{tables()}{MARKS[1]}{tail}"


def tables() -> str:
    effects = grouped(stdlib_effects.EFFECTS + third_party_effects.EFFECTS)
    holdings = grouped(stdlib_types.HOLDINGS + third_party_types.HOLDINGS)
    parts = ["### What calls do\n"]
    for word, title in CALLS.items():
        parts += [
            f"**{title}** (`{word}`)\n",
            "| an item calls | which | source |",
            "|---|---|---|",
        ]
        parts += [f"| {names} | {why} | {link} |" for _, why, link, names in rows(effects, word)]
        parts.append("")
    parts.append("### What values are\n")
    for word, title in VALUES.items():
        parts += [
            f"**{title}** (`{word}`)\n",
            "| items reach a | which | threads may share it, says the source |",
            "|---|---|---|",
        ]
        parts += [
            f"| {names} | {why} | {'yes' if threads else 'no'}: {link} |"
            for threads, why, link, names in rows(holdings, word)
        ]
        parts.append("")
    parts.append("### What calls return\n")
    gives = grouped(library_gives.GIVES)
    for word, title in GIVES.items():
        parts += [f"**{title}** (`{word}`)\n", "| a call of | which | source |", "|---|---|---|"]
        parts += [f"| {names} | {why} | {link} |" for _, why, link, names in rows(gives, word)]
        parts.append("")
    return "\n".join(parts)


def grouped(text: str) -> dict[tuple[str, str, str], list[str]]:
    """The names of each rule."""
    rules: dict[tuple[str, str, str], list[str]] = {}
    for what, why, source, name in effect_table.rules(text):
        rules.setdefault((what, why, source), []).append(name)
    return rules


def rows(
    rules: dict[tuple[str, str, str], list[str]], word: str
) -> list[tuple[bool, str, str, str]]:
    return [
        (
            what.endswith(" threads"),
            why,
            f"[{label(source)}]({source})",
            ", ".join(map(code, names)),
        )
        for (what, why, source), names in rules.items()
        if what.partition(" ")[0] == word
    ]


def code(name: str) -> str:
    return f"`{name}`"


def label(source: str) -> str:
    """The last word of an address: the section, the page, or the host."""
    host, _, path = source.removeprefix("https://").partition("/")
    page, _, section = path.rpartition("/")[2].removesuffix(".html").partition("#")
    if host == "docs.python.org":
        return (section or page.removesuffix(".html")).removesuffix(".html")
    return host


if __name__ == "__main__":
    path = Path(__file__).parent.parent / PAGE
    path.write_text(page(path.read_text("utf-8")), "utf-8")
