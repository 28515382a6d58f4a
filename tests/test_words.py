"""The package speaks the words of its field: docs/dev/glossary.md has those that need a line."""

import io
import re
import tokenize
from collections import Counter

import pytest
from conftest import ROOT

PACKAGE = ROOT / "amorsize"
GLOSSARY = (ROOT / "docs" / "dev" / "glossary.md").read_text(encoding="utf-8")

#: Words that were invented here, by the field's word for the same thing.
BANNED = {
    "appetite": "rss limit",
    "bury": "on_exit",
    "canary": "early worker",
    "crew": "pool",
    "culprit": "suspect",
    "dear": "costly",
    "feeder": "dispatcher thread",
    "forgone": "missed savings",
    "happening": "event",
    "hearing": "update",
    "hear": "handle",
    "inbox": "journal",
    "lane": "ring buffer",
    "ledger": "overhead meter",
    "lifeline": "parent death",
    "manieth": "sequence number",
    "opponent": "baseline",
    "roster": "worker table",
    "sated": "exceeds its limit",
    "seat": "worker state",
    "send home": "retire",
    "sent home": "retired",
    "settling": "choose backend",
    "starved": "run delay",
    "starving": "run delay",
    "surveyed": "inspected",
    "teller": "reporter",
    "trifle": "trivial",
    "trifling": "trivial",
    "zoo": "scenarios",
}

#: Names of files that say nothing of what is in them.
BANNED_FILES = {
    *("forgone", "helpers", "host_job", "look", "manager", "misc", "news", "record", "records"),
    *("stand_in", "survey", "told", "util", "utils"),
}


def words_in(text: str) -> Counter[str]:
    """The banned words in some text, names and prose alike: `Crew`, `crew_of`, "sends it home"."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text).replace("_", " ").lower()
    split = re.sub(r"\bsen(d|t)s? (?:\w+ ){0,2}home\b", r"sen\1_home", split)
    found: Counter[str] = Counter()
    for word in re.findall(r"[a-z]+(?:_home)?", split):
        for form in (word.replace("_", " "), word.removesuffix("s"), word.removesuffix("er")):
            if form in BANNED:
                found[form] += 1
                break
    return found


def spoken(source: str) -> str:
    """What a file says: names, comments and texts, without operators and numbers."""
    kinds = (tokenize.NAME, tokenize.COMMENT, tokenize.STRING)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return " ".join(token.string for token in tokens if token.type in kinds)


def said_by_part() -> dict[str, Counter[str]]:
    """The banned words that each package and each module at the top says, in file names as well."""
    said: dict[str, Counter[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE)
        found = words_in(" ".join(inside.with_suffix("").parts))
        found += words_in(spoken(path.read_text(encoding="utf-8")))
        said.setdefault(inside.parts[0], Counter()).update(found)
    return said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("class CleanCrew", ["crew"]),
        ("self.crews_of", ["crew"]),
        ("an idle worker is sent home", ["sent home"]),
        ("sends the others home", ["send home"]),
        ("send_home(worker)", ["send home"]),
        ("starved_s", ["starved"]),
        ("dearer items", ["dear"]),
        ("they are sent; the home folder, a planet, screwed", []),
    ],
)
def test_a_word_is_found_in_names_and_in_prose(text, words):
    """In all forms that it takes, and in no other word."""
    assert sorted(words_in(text)) == words


def test_nobody_has_to_look_up_a_word():
    """Invented words do not come back."""
    for part, found in said_by_part().items():
        assert not found, f"{part} says {found}; the field says {[BANNED[word] for word in found]}"


def test_a_file_is_named_for_what_is_in_it():
    """Not for what somebody did while writing it, and not for everything."""
    assert BANNED_FILES.isdisjoint(path.stem for path in PACKAGE.rglob("*.py"))


def test_the_glossary_is_short():
    """At most 25 terms, one line each: what needs more is renamed."""
    rows = re.findall(r"^\| \*\*(.+?)\*\* \| (.+) \|$", GLOSSARY, flags=re.MULTILINE)
    terms = [term for term, _ in rows]

    assert 10 <= len(rows) <= 25
    assert all(len(f"{term} {meaning}") <= 160 for term, meaning in rows)
    assert terms == sorted(terms, key=str.lower)
    assert sum(words_in(GLOSSARY).values()) == 0
