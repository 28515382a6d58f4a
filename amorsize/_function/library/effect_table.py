"""The table of what library functions do, read from its text when it is first needed."""

from __future__ import annotations

from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Effect(Value):
    """What calling a library function does.

    `what` is "process" (changes something of the whole process, for a while or for good), "thread"
    (is bound to the thread that calls it), "draws" (from a random generator of the process),
    "caller" (only the caller can do it rightly) or "safe" (harmless beside other threads).
    `why` completes "an item calls NAME, which ..."; `source` says where that is documented.
    """

    what: str
    why: str
    source: str
    name: str


class Holding(Value):
    """What a value of some type is when several items reach the same one.

    `what` is "safe" (threads may share it, forks may copy it), "lock", "rlock", "handle" (something
    outside the process, or with a position), "iterator", "generator" (of random numbers), "queue",
    "local" (differs by thread) or "mutable". `threads`: its documentation lets threads share it.
    For "mutable" that means: as long as no item changes it. `why` completes "items reach a NAME,
    which ...".
    """

    what: str
    threads: bool
    why: str
    source: str
    name: str


_effects: dict[str, Any] = {}
_holdings: dict[str, Any] = {}


def best_rule(table: dict[str, Any], names: list[tuple[str, str]]) -> Any:
    """The rule of the longest entry that fits one of the names."""
    from amorsize._function.library.stdlib_effects import PUBLIC

    best, n_best = None, -1
    for module, qualname in names:
        full = f"{PUBLIC.get(module, module)}.{qualname}"
        rule = table.get(full)
        if rule is not None:
            return (*rule, full)
        above = full if "<" not in qualname else ""
        while above:
            above = above.rpartition(".")[0]
            rule = table.get(f"{above}.*")
            if rule is not None and len(above) > n_best:
                best, n_best = (*rule, full), len(above)
                break
    return best


def known_effects() -> dict[str, Any]:
    """The rules of calls by name, made when first asked for; an empty word for the unknown."""
    if not _effects:
        from amorsize._function.library import stdlib_effects, third_party_effects

        made: dict[str, Any] = {}
        for data in (stdlib_effects, third_party_effects):
            made |= _by_name(data.EFFECTS)
            made |= dict.fromkeys(map(plain_name, data.UNKNOWN.split()), ("", "", ""))
        _effects.update(made)  # at once: another thread may be asking
    return _effects


def known_holdings() -> dict[str, Any]:
    """The rules of types by name, made when first asked for."""
    if not _holdings:
        from amorsize._function.library import stdlib_types, third_party_types

        made: dict[str, Any] = {}
        for data in (stdlib_types, third_party_types):
            made |= _by_name(data.HOLDINGS)
        _holdings.update(made)
    return _holdings


def _by_name(text: str) -> dict[str, Any]:
    """The rule of each name; a first call waits for this."""
    made: dict[str, Any] = {}
    for rule, names in _lines(text):
        for name in names:
            made[name] = rule
    return made


def rules(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Each name of a text of rules, without its mark, with what it is, why, and the source."""
    for (what, why, source), names in _lines(text):
        for name in names:
            yield what, why, source, name


def _lines(text: str) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """What each line of names is, why, and the source; and the names, without their marks."""
    head: tuple[str, ...] = ()
    for line in text.splitlines():
        if line.startswith("    "):
            names = line.split()
            yield head, [*map(plain_name, names)] if "@" in line else names
        elif line.startswith("  | "):
            head = *head, _link(line[4:])
        elif line:
            what, why, *sources = line.split(" | ")
            head = what, why, *map(_link, sources)


def plain_name(name: str) -> str:
    """A name of the table without its mark."""
    return name.partition("@")[0]


def _link(source: str) -> str:
    if not source.startswith("py:"):
        return source
    page, sharp, section = source[3:].partition("#")
    return f"https://docs.python.org/3/library/{page}.html{sharp}{section}"
