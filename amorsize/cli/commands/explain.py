"""`amorsize explain`: what the next call would make of what is remembered of a function."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from amorsize import report
from amorsize._host import resources
from amorsize._profiles import exchange
from amorsize.cli import numbers
from amorsize.cli.command import Answer, Command, FailureError
from amorsize.cli.commands.cache import NAME_HELP, Record, all_records, found, name_in, saved_at_s
from amorsize.cli.text import ago, clean, is_number
from amorsize.policy.counted import counted
from amorsize.report import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from amorsize.policy.profile import Profile
    from amorsize.policy.tuner import Tuner
    from amorsize.simulate.engine import Outcome
    from amorsize.simulate.world import World

#: The most items of a call that is played: beyond, the plan is the same.
MOST_PLAYED = 1_000_000
#: The most kinds of items that are shown.
MOST_SHOWN = 8


def _explain(asked: argparse.Namespace) -> Answer:
    records, own_key = records_of(asked.func)
    here = resources.host_fingerprint()
    told, documents = [], []
    for record in latest_of_each_kind(records, here, own_key):
        profile = exchange.profile_in(record)
        if profile is None:
            continue
        rows = list(rows_of(record, profile, here, own_key))
        n_items = asked.n_items or min(profile.n_items, MOST_PLAYED)
        played = document_of(play(profile, n_items))
        rows += _played_rows(played, n_items)
        lines = report.aligned(rows)
        told.append("\n".join([f"{name_in(record)}, {kind_of(record)}", *lines]))
        documents.append(
            {
                "name": name_in(record),
                "kind": record.get("kind"),
                "of_this_host": record.get("host") == here,
                "of_this_code": None if own_key is None else record.get("key") == own_key,
                "saved_at_s": saved_at_s(record),
                "profile": profile.as_dict(),
                "next_call": played,
            }
        )
    if not told:
        raise FailureError(
            f"what is remembered of {clean(asked.func)!r} is of another version of amorsize: it "
            "will be learned again."
        )
    return Answer(document={"functions": documents}, blocks=["\n\n".join(told)])


def records_of(name: str) -> tuple[list[Record], str | None]:
    """The records of a function, and its key if it was imported to be told by its code."""
    if ":" not in name and os.sep not in name and not name.endswith(".py"):
        return found(name), None
    from amorsize._function import callables, fingerprints
    from amorsize.cli import target

    fingerprint = fingerprints.fingerprint(callables.raw(target.found(name)))
    of_name = [one for one in all_records() if one.get("name") == fingerprint.name]
    if not of_name:
        raise FailureError(
            f"nothing is remembered of {fingerprint.name}: a call is remembered once its work is "
            "worth the writing, about half a second."
        )
    return of_name, fingerprint.key


def latest_of_each_kind(records: list[Record], here: str, own_key: str | None) -> list[Record]:
    """Of each function and kind of item one record: of this code and host if there is one."""
    best: dict[tuple[str, str], Record] = {}
    ranked = sorted(
        records,
        key=lambda one: (one.get("key") == own_key, one.get("host") == here, saved_at_s(one)),
        reverse=True,
    )
    for record in ranked:
        best.setdefault((name_in(record), str(record.get("kind"))), record)
    return list(best.values())[:MOST_SHOWN]


def kind_of(record: Record) -> str:
    """The kind of the items that a record was learned from."""
    kind = record.get("kind")
    return f"items of type {clean(str(kind[0]))}" if isinstance(kind, list) and kind else "items"


def rows_of(
    record: Record, profile: Profile, here: str, own_key: str | None
) -> Iterator[tuple[str, str]]:
    where = "this host" if record.get("host") == here else "another host"
    yield "learned", f"{ago(saved_at_s(record))} on {where}, in {counted(profile.n_calls, 'call')}"
    if own_key is not None and record.get("key") != own_key:
        yield "but", "of other code than this function has now: the next call learns it anew"
    load = record.get("load")
    if is_number(load):
        yield "load then", f"{load:.1f}"
    yield "measured", report.measured(profile)
    plan = profile.plan
    yield "served best", report.plan_in_words(plan.backend, plan.n_jobs, plan.chunksize)
    for way, times in (profile.sharing.achieved or {}).items():
        yield "achieved", f"{times:.2f} x by {clean(way)}"
    for drift in exchange.drifts_in(record):
        yield "changed", clean(str(drift))


class Played(NamedTuple):
    """A call in virtual time: the world, its tuner, what became of it."""

    world: World
    tuner: Tuner
    outcome: Outcome


def play(profile: Profile, n_items: int) -> Played:
    """A call with so many items of this kind, played in virtual time with what is remembered."""
    from amorsize import simulate
    from amorsize.simulate.engine import Engine

    costs, traits = resources.costs(), profile.traits
    pickle_s = (traits.pickle_s or 0.0) / 2
    world = simulate.World(
        costs_s=(traits.item_s,) * n_items,
        n_cores=resources.usable_cpus().n_cores,
        waits=traits.waits,
        cpu_share=min(1.0, traits.item_cpu_s / traits.item_s),
        holds_gil=traits.holds_gil is not False,
        warmup_s=traits.warmup_s,
        pickle_s=pickle_s,
        remote_pickle_s=pickle_s,
        jitter=0.0,
        told_error=1.0,
    ).replace(**{name: getattr(costs, name) for name in _COSTS})
    tuner = simulate.tuner_for(world, profile)
    return Played(world, tuner, Engine(world, tuner).play())


def document_of(played: Played) -> dict[str, Any]:
    """The same as plain values."""
    world, tuner, outcome = played
    return {
        "n_items": len(world.costs_s),
        "plan": tuner.plan().as_dict(),
        "makespan_s": outcome.makespan_s,
        "loop_s": world.serial_s,
        "why": [f"{note.what}: {note.why}" for note in tuner.notes],
    }


_COSTS = ("start_s", "ready_s", "thread_start_s", "dispatch_s", "thread_dispatch_s", "latency_s")


def _played_rows(played: dict[str, Any], n_items: int) -> Iterator[tuple[str, str]]:
    plan = played["plan"]
    chosen = report.plan_in_words(plan["backend"], plan["n_jobs"], plan["chunksize"])
    yield "next call", f"of {counted(n_items, 'such item')}, played on this host: {chosen}"
    for why in played["why"]:
        yield "why", clean(why)
    loop, takes = seconds(played["loop_s"]), seconds(played["makespan_s"])
    yield "expected", f"{takes}, where the loop takes {loop}"


COMMANDS = (
    Command(
        words=("explain",),
        epilog=(
            "examples:\n  amorsize explain parse\n  amorsize explain shop:parse --n-items 5000"
        ),
        help="tell what is remembered of a function, and what its next call would choose and why",
        run=_explain,
        runs_code=True,
        arguments=[
            (
                ("func",),
                {
                    "metavar": "FUNC",
                    "help": f"{NAME_HELP}; or module:func or file.py:func, which is imported, to "
                    "see whether its code is still what was measured",
                },
            ),
            (
                ("--n-items",),
                {
                    "type": numbers.whole_between(1, MOST_PLAYED),
                    "metavar": "N",
                    "help": "how many items the next call has; without: as many as the last",
                },
            ),
        ],
    ),
)
