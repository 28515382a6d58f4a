"""`amorsize cache ...`: what was learned about functions, on disk."""

from __future__ import annotations

import argparse
import difflib
import os
import time
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

from amorsize import cache
from amorsize._host import resources
from amorsize._profiles.exchange import drifts_in
from amorsize.cli.command import Answer, Command, FailureError, Table
from amorsize.cli.prompt import confirm
from amorsize.cli.text import ago, clean, in_words, is_number, moment
from amorsize.policy.counted import counted
from amorsize.report import plan_in_short, seconds

Record = dict[str, Any]  # as it was found on disk: any name or type may be missing or forged

_N_SUGGESTED = 3


def _list(asked: argparse.Namespace) -> Answer:
    records = chosen(asked)
    n_damaged = cache.n_damaged()
    here = resources.host_fingerprint()
    document = {"home": str(cache.home()), "n_damaged": n_damaged, "profiles": records}
    blocks: list[str | Table] = []
    if not records and (asked.name is not None or asked.older_than is not None):
        blocks.append("Nothing of that sort is remembered.")
    elif records:
        header = ("function", "runs best with", "per item", "learned", "on")
        blocks.append(Table(header=header, rows=[_row(record, here) for record in records]))
    else:
        blocks.append(f"Nothing is remembered in {clean(str(cache.home()))}.")
    if n_damaged:
        blocks.append(
            f"{counted(n_damaged, 'row')} of the database cannot be used and will never be; "
            "`amorsize cache clear` removes everything."
        )
    return Answer(document=document, blocks=blocks)


def _show(asked: argparse.Namespace) -> Answer:
    records = chosen(asked)
    if not records:
        raise FailureError(f"nothing that old is remembered of {clean(asked.name)!r}.")
    here = resources.host_fingerprint()
    blocks = ["\n".join(_details(record, here)) for record in records]
    return Answer(document={"profiles": records}, blocks=blocks)


def _clear(asked: argparse.Namespace) -> Answer:
    if asked.name is not None or asked.older_than is not None:
        keys = [str(record["stored_as"]) for record in chosen(asked)]
        n_cleared = cache.forget(*keys) if keys else 0
    else:
        refuse_if_unusable()
        if not asked.yes:
            confirm(
                f"Remove everything that amorsize has learned, in {clean(str(cache.home()))}?",
                instead="this removes everything, and there is no terminal to ask at. Pass --yes "
                "to do it all the same, or the NAME of a function.",
            )
        n_cleared = cache.clear()
    return Answer(
        document={"n_cleared": n_cleared}, blocks=[f"Removed {counted(n_cleared, 'record')}."]
    )


def all_records() -> list[Record]:
    """All records, by name, the latest first."""
    refuse_if_unusable()
    return sorted(cache.entries(), key=lambda record: (name_in(record), -saved_at_s(record)))


def found(pattern: str) -> list[Record]:
    """The records of the functions that a name or pattern fits; a failure if there are none."""
    records = all_records()
    fitting = named(records, pattern)
    if not fitting:
        raise FailureError(_no_such_name(pattern, records))
    return fitting


def chosen(asked: argparse.Namespace) -> list[Record]:
    """The records that a command was asked about: by a name or pattern, by age, or all."""
    return older(found(asked.name) if asked.name is not None else all_records(), asked.older_than)


def older(records: Sequence[Record], than_s: float | None) -> list[Record]:
    """Those that were learned longer ago; all of them for None."""
    if than_s is None:
        return list(records)
    return [record for record in records if time.time() - saved_at_s(record) > than_s]


def age_s(text: str) -> float:
    """Seconds of an age as people write it: 90s, 45m, 12h, 30d, 8w; for `type=` of an argument."""
    units_s = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}
    number, unit = text[:-1], text[-1:]
    if unit not in units_s or not (number.isascii() and number.isdecimal()) or len(number) > 6:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no age: a number and s, m, h, d or w, such as 30d"
        )
    return int(number) * units_s[unit]


def named(records: Sequence[Record], pattern: str) -> list[Record]:
    """Those of the functions that a name or pattern fits."""
    return [record for record in records if _fits(str(record.get("name")), pattern)]


def _fits(name: str, pattern: str) -> bool:
    last = name.rpartition(".")[2]
    return pattern in {name, last} or fnmatchcase(name, pattern) or fnmatchcase(last, pattern)


def _no_such_name(pattern: str, records: Sequence[Record]) -> str:
    names = sorted({name_in(record) for record in records})
    by_last = {name.rpartition(".")[2]: name for name in names}
    similar = difflib.get_close_matches(pattern, [*names, *by_last], n=_N_SUGGESTED, cutoff=0.5)
    near = dict.fromkeys(by_last.get(name, name) for name in similar)
    if near:
        what_to_do = f"Nearest: {', '.join(near)}."
    elif names:
        what_to_do = "`amorsize cache list` lists what there is."
    else:
        what_to_do = f"Nothing is remembered in {clean(str(cache.home()))}."
    return f"nothing is remembered of {clean(pattern)!r}. {what_to_do}"


def _row(record: Record, here: str) -> tuple[str, ...]:
    profile = _profile(record)
    item_s = profile.get("item_s")
    return (
        name_in(record),
        _plan(profile),
        seconds(item_s) if is_number(item_s) else "?",
        ago(saved_at_s(record)),
        "this host" if record.get("host") == here else "another host",
    )


def _plan(profile: Record) -> str:
    """A profile's plan in words, as far as it names one."""
    backend, n_jobs, chunksize = (profile.get(k) for k in ("backend", "n_jobs", "chunksize"))
    if not isinstance(backend, str):
        return "?"
    jobs = in_words(n_jobs) if is_number(n_jobs) else None
    return plan_in_short(clean(backend), jobs, in_words(chunksize))


def _details(record: Record, here: str) -> Iterator[str]:
    """A record in full, a line a value."""
    yield name_in(record)
    yield f"  {_plan(_profile(record))}, learned {ago(saved_at_s(record))} on " + (
        "this host" if record.get("host") == here else "another host"
    )
    for told in drifts_in(record):
        when = "" if told.at_s is None else f"{ago(told.at_s)}: "
        yield f"  {when}{clean(str(told))}"
    for name, value in _leaves(record, ""):
        yield f"  {name} = {value}"


def _leaves(values: Record, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{clean(name)}.")
        else:
            is_moment = name.endswith("_at_s") and is_number(value)
            yield prefix + clean(name), moment(value) if is_moment else in_words(value)


def _profile(record: Record) -> Record:
    profile = record.get("profile")
    return profile if isinstance(profile, dict) else {}


def name_in(record: Record) -> str:
    name = record.get("name")
    return clean(name) if isinstance(name, str) and name else "(no name)"


def saved_at_s(record: Record) -> float:
    saved_at_s = record.get("saved_at_s")
    return float(saved_at_s) if is_number(saved_at_s) else 0.0


def refuse_if_unusable() -> None:
    if cache.switched_off():
        raise FailureError(
            f"{cache.SWITCH_VARIABLE}={os.environ.get(cache.SWITCH_VARIABLE)} switches the cache "
            "off. Unset it to see or change what is remembered."
        )
    if (why := cache.why_unusable()) is not None:
        raise FailureError(
            f"the cache cannot be used: {why}. To keep it elsewhere set AMORSIZE_HOME to a folder "
            "of your own."
        )


NAME_HELP = (
    "a function's full name (package.module.function), its last part, or a pattern (parse_*)"
)

OLDER_THAN: tuple[tuple[str, ...], dict[str, Any]] = (
    ("--older-than",),
    {"type": age_s, "metavar": "AGE", "help": "only what was learned longer ago: 12h, 30d, 8w"},
)

COMMANDS = (
    Command(
        words=("cache", "list"),
        epilog=(
            "examples:\n  amorsize cache list\n  amorsize cache list 'parse_*' --older-than 30d"
        ),
        help="list what is remembered",
        run=_list,
        arguments=[
            (("name",), {"metavar": "NAME", "nargs": "?", "help": f"{NAME_HELP}; without: all"}),
            OLDER_THAN,
        ],
    ),
    Command(
        words=("cache", "show"),
        epilog="example:\n  amorsize cache show shop.parse",
        help="show all that is remembered of a function",
        run=_show,
        arguments=[(("name",), {"metavar": "NAME", "help": NAME_HELP}), OLDER_THAN],
    ),
    Command(
        words=("cache", "clear"),
        epilog=("examples:\n  amorsize cache clear shop.parse\n  amorsize cache clear --yes"),
        help="remove what is remembered: everything, or of some functions, or what is old",
        run=_clear,
        arguments=[
            (("name",), {"metavar": "NAME", "nargs": "?", "help": f"{NAME_HELP}; without: all"}),
            OLDER_THAN,
            (("-y", "--yes"), {"action": "store_true", "help": "remove everything without asking"}),
        ],
    ),
)
