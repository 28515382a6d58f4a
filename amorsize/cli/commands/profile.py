"""`amorsize cache prune|stats|export|import`: keep profiles small in number, or take them along."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from amorsize import cache
from amorsize._host import resources
from amorsize._host.signals import reraise_from_handler
from amorsize._profiles import exchange
from amorsize.cli.command import Answer, Command, FailureError
from amorsize.cli.commands.cache import (
    NAME_HELP,
    OLDER_THAN,
    Record,
    all_records,
    chosen,
    found,
    name_in,
    named,
    older,
    refuse_if_unusable,
    saved_at_s,
)
from amorsize.cli.file_names import file_name
from amorsize.cli.text import ago, clean
from amorsize.policy.counted import counted


def _prune(asked: argparse.Namespace) -> Answer:
    if asked.older_than is None:
        raise FailureError("say how old: `amorsize cache prune --older-than 30d`.", status=2)
    records = found(asked.name) if asked.name is not None else all_records()
    old = older(records, asked.older_than)
    n_removed = cache.forget(*(str(record["stored_as"]) for record in old)) if old else 0
    return Answer(
        document={"n_removed": n_removed, "n_kept": len(records) - n_removed},
        blocks=[f"Removed {counted(n_removed, 'record')}, kept {len(records) - n_removed}."],
    )


def _stats(asked: argparse.Namespace) -> Answer:
    records = chosen(asked)
    here = resources.host_fingerprint()
    saved = sorted(saved_at_s(record) for record in records)
    document = {
        "home": str(cache.home()),
        "size_bytes": cache.size_bytes(),
        "n_profiles": len(records),
        "n_functions": len({(name_in(record), str(record.get("key"))) for record in records}),
        "n_hosts": len({str(record.get("host")) for record in records}),
        "n_of_this_host": sum(record.get("host") == here for record in records),
        "n_usable": sum(exchange.profile_in(record) is not None for record in records),
        "n_damaged": cache.n_damaged(),
        "oldest_at_s": saved[0] if saved else None,
        "newest_at_s": saved[-1] if saved else None,
    }
    lines = [
        f"{counted(len(records), 'profile')} of {counted(document['n_functions'], 'function')}"
        f" on {counted(document['n_hosts'], 'host')}, {document['n_of_this_host']} of this one",
        f"{document['size_bytes'] / 1024:.0f} KiB in {clean(str(document['home']))}",
    ]
    if saved:
        lines.append(f"the oldest was learned {ago(saved[0])}, the newest {ago(saved[-1])}")
    unusable = len(records) - document["n_usable"] + document["n_damaged"]
    if unusable:
        lines.append(f"{counted(unusable, 'record')} of another version, or damaged, are not used")
    return Answer(document=document, blocks=["\n".join(lines)])


def _export(asked: argparse.Namespace) -> Answer:
    records = chosen(asked)
    sound = [record for record in records if exchange.is_sound(record)]
    if not sound:
        raise FailureError("there is nothing to export: no profile that could be used.")
    document = {
        "format": exchange.FORMAT,
        "host": {"fingerprint": resources.host_fingerprint(), **resources.host_facts()},
        "profiles": sound,
    }
    try:
        with open(asked.file, "x", encoding="ascii") as file:
            json.dump(document, file, indent=1)
            file.write("\n")
    except FileExistsError:
        raise FailureError(f"{asked.file} exists, and is not overwritten. Name another.") from None
    except OSError as error:
        reraise_from_handler(error)
        raise FailureError(f"{asked.file} cannot be written: {error.strerror}.") from None
    return Answer(
        document={"n_exported": len(sound), "file": os.path.abspath(asked.file)},
        blocks=[f"Wrote {counted(len(sound), 'profile')} to {clean(asked.file)}."],
    )


def _import(asked: argparse.Namespace) -> Answer:
    refuse_if_unusable()
    try:
        records = exchange.read_file(asked.file)
    except exchange.FileError as error:
        raise FailureError(f"{asked.file}: {error}.") from None
    except (OSError, ValueError) as error:
        reraise_from_handler(error)
        reason = getattr(error, "strerror", None) or error
        raise FailureError(f"{asked.file} cannot be read: {reason}.") from None
    if asked.name is not None:
        records = named(records, asked.name)
        if not records:
            raise FailureError(f"{asked.file} holds nothing of {clean(asked.name)!r}.")
    records = older(records, asked.older_than)
    here = resources.host_fingerprint()
    fitting = [record for record in records if _is_of(record, here)]
    foreign = [record for record in records if not _is_of(record, here)]
    if foreign and not fitting and not asked.weak:
        raise FailureError(
            f"none of its {counted(len(foreign), 'profile')} was learned on a host like this one. "
            "--weak takes what does not depend on the host, to be checked like any hint.",
            n_foreign=len(foreign),
        )
    taken = [*map(_imported, fitting)]
    if asked.weak:
        taken += [_weakened(record, here) for record in foreign]
    own = {str(record["stored_as"]): saved_at_s(record) for record in all_records()}
    new = [one for one in taken if saved_at_s(one) > own.get(str(one["stored_as"]), -1.0)]
    n_stored = 0
    for record in new:
        key = str(record["stored_as"])
        n_stored += cache.note(key, {name: record[name] for name in record if name != "stored_as"})
    n_refused = 0 if asked.weak else len(foreign)
    text = f"Took over {counted(n_stored, 'profile')}"
    text += f", kept {len(taken) - len(new)} newer of your own" if len(taken) > len(new) else ""
    text += f", left {n_refused} of other hosts (--weak takes them)" if n_refused else ""
    return Answer(
        document={"n_imported": n_stored, "n_kept": len(taken) - len(new), "n_refused": n_refused},
        blocks=[f"{text}."],
    )


def _is_of(record: Record, host: str) -> bool:
    return bool(record["host"] == host and str(record["stored_as"]).split(":")[1] == host)


def _imported(record: Record) -> Record:
    return {**record, "profile": {**record["profile"], "source": "imported"}}


def _weakened(record: Record, here: str) -> Record:
    """What of a profile holds on other hosts: how items behave, not how fast they are here."""
    parts = str(record["stored_as"]).split(":")
    key = ":".join([parts[0], here, *parts[2:]])
    unknown: dict[str, Any] = {"typical_s": None, "n_chunks": 0, "achieved": None, "pickle_s": None}
    unknown["explored"] = None
    profile = {**record["profile"], **unknown, "n_short": 0, "source": "imported"}
    return {**record, "host": here, "stored_as": key, "profile": profile}


_ALL = {"metavar": "NAME", "nargs": "?", "help": f"{NAME_HELP}; without: all"}

COMMANDS = (
    Command(
        words=("cache", "prune"),
        epilog="example:\n  amorsize cache prune --older-than 8w",
        help="remove what was learned longer ago than --older-than says",
        run=_prune,
        arguments=[(("name",), _ALL), OLDER_THAN],
    ),
    Command(
        words=("cache", "stats"),
        epilog="example:\n  amorsize cache stats",
        help="count what is remembered",
        run=_stats,
        arguments=[(("name",), _ALL), OLDER_THAN],
    ),
    Command(
        words=("cache", "export"),
        epilog="example:\n  amorsize cache export learned.json",
        help="write profiles to one readable JSON file, for hosts like this one",
        run=_export,
        arguments=[
            (("file",), {"type": file_name, "metavar": "FILE", "help": "a new file"}),
            (("name",), _ALL),
            OLDER_THAN,
        ],
    ),
    Command(
        words=("cache", "import"),
        epilog="example:\n  amorsize cache import learned.json",
        help="take over profiles of an exported file that were learned on a host like this one",
        run=_import,
        arguments=[
            (
                ("file",),
                {"type": file_name, "metavar": "FILE", "help": "a file of `amorsize cache export`"},
            ),
            (("name",), _ALL),
            OLDER_THAN,
            (
                ("--weak",),
                {
                    "action": "store_true",
                    "help": "take those of other hosts, too, without what only holds there",
                },
            ),
        ],
    ),
)
