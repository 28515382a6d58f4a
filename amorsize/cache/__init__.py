"""Keeps what was learned on disk: small JSON records that cannot harm their reader.

Records are rows of an SQLite database in a folder that belongs to the user alone. Reading needs
`sqlite3` and `json`, writing also diskcache; each is imported when it is first needed. If anything
goes wrong, nothing is found or nothing is stored, and one warning says so. A cache can cost a
re-tune, never a result.
"""

from __future__ import annotations

from amorsize._host.cache_switch import SWITCH_VARIABLE, switched_off
from amorsize._host.signals import reraise_from_handler
from amorsize.cache import access, journal, location
from amorsize.cache.access import close, why_unusable
from amorsize.cache.json_text import encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

__all__ = [
    "LISTED",
    "SWITCH_VARIABLE",
    "clear",
    "close",
    "compact",
    "entries",
    "family",
    "forget",
    "get",
    "home",
    "known_on_disk",
    "n_damaged",
    "note",
    "note_all",
    "put",
    "recent",
    "size_bytes",
    "switched_off",
    "why_unusable",
]

#: Keys of the records that are listed begin with this.
LISTED = "profile:"
#: Seconds for one SQL statement of what a person asked for: listing or clearing.
_PATIENCE_S = 10.0


def get(key: str) -> dict[str, Any] | None:
    """The record stored under `key`, a JSON object; None when there is none that can be used."""
    return access.attempt(lambda store: store.read(key), otherwise=None)


def recent(*prefixes: str) -> dict[str, dict[str, Any]]:
    """The latest records whose keys begin with one of these, oldest first."""
    if not location.has_news():
        return {}
    return access.attempt_lightly(lambda folder: journal.records(folder, *prefixes), otherwise={})


def family(prefix: str) -> dict[str, dict[str, Any]]:
    """The records whose keys begin with this, oldest first; 64 at most."""
    noted = recent(prefix)
    stored: dict[str, dict[str, Any]] = {}
    if location.exists():
        stored = access.attempt(lambda store: store.read_family(prefix), otherwise=stored)
    older = {key: stored[key] for key in stored if key not in noted}
    from amorsize.cache import families

    return families.newest({**older, **noted}, LISTED)


def note(key: str, record: dict[str, Any]) -> bool:
    """Append a JSON object to the journal, from which it gets into the database later."""
    return note_all({key: record})


def note_all(records: dict[str, dict[str, Any]]) -> bool:
    """Append several JSON objects, by their keys, in one write."""
    if switched_off():
        return False
    try:
        texts = {key: encoded(key, record) for key, record in records.items()}
    except Exception as error:
        reraise_from_handler(error)
        access.warn_once(f"a record was not one to store: {error}")
        return False
    size = access.attempt_lightly(
        lambda folder: journal.append(folder, texts), otherwise=0, creating=True
    )
    if size > journal.FULL_BYTES:
        compact()
    return size > 0


def compact() -> int:
    """Put what was noted into the database; how many records."""
    if not location.has_news():
        return 0

    def act(folder: str) -> int:
        try:
            leaving = journal.Emptying(folder)
        except journal.BusyError:
            return 0  # another process is at it
        with leaving as noted:
            taken = access.attempt(
                lambda store: store.take_in(noted.records),
                otherwise=-1,
                creating=True,
                patience_s=_PATIENCE_S,
            )
            if taken < 0:
                raise access.WARNED
            return taken

    return access.attempt_lightly(act, otherwise=0)


def put(key: str, record: dict[str, Any]) -> bool:
    """Store a JSON object of at most 64 KiB under `key`, for half a year; whether that was done."""
    if switched_off():
        return False
    try:
        text = encoded(key, record)
    except Exception as error:  # whatever a caller's object does when it is looked at
        reraise_from_handler(error)
        access.warn_once(f"a record was not one to store: {error}")
        return False
    compact()  # what was noted earlier would count as the newer
    return access.attempt(lambda store: store.write(key, text), otherwise=False, creating=True)


def entries() -> list[dict[str, Any]]:
    """All records that are listed and can be read, each with its key as `stored_as`.

    Example:
        >>> cache.entries()
        []
    """
    access.try_again()
    noted = recent(LISTED)
    found = [record for record in _all_listed() if record is not None]
    listed = [record for record in found if record["stored_as"] not in noted]
    listed += [{**record, "stored_as": key} for key, record in noted.items()]
    from amorsize.cache import families

    return list(families.newest({str(one["stored_as"]): one for one in listed}, LISTED).values())


def n_damaged() -> int:
    """How many rows of the database cannot be read, or are not amorsize's."""
    return sum(record is None for record in _all_listed())


def forget(*keys: str) -> int:
    """Remove the records stored under these keys; how many there were.

    Example:
        >>> cache.forget("profile:of:nothing")
        0
    """
    access.try_again()
    compact()
    return access.attempt(lambda store: store.delete(keys), otherwise=0, patience_s=_PATIENCE_S)


def clear() -> int:
    """Remove all records, listed or not, and all damaged databases; how many records there were.

    Example:
        >>> cache.clear()
        0
    """
    if switched_off() or not location.has_folder():
        return 0
    close()  # and so its rest after trouble: this was asked for
    noted = tuple(recent(""))  # not put into the database first: a full disk has no room for that
    access.attempt_lightly(journal.remove, otherwise=None)
    n_records = access.attempt(
        lambda store: store.count(noted), otherwise=len(noted), keeps_damaged=False
    )
    is_cleared = access.attempt(
        lambda store: store.clear(),
        otherwise=False,
        creating=True,
        keeps_damaged=False,
        patience_s=_PATIENCE_S,
    )
    return n_records if is_cleared else 0


def home() -> Path:
    """The folder it is all kept in, which need not exist: AMORSIZE_HOME, or in the user's cache.

    Example:
        >>> cache.home().name
        'amorsize'
    """
    from pathlib import Path

    return Path(location.folder())


def size_bytes() -> int:
    """Bytes that the cache takes on disk; other files in its folder are not counted.

    Example:
        >>> cache.size_bytes()
        0
    """
    return location.size_bytes()


def known_on_disk() -> bool:
    """Whether there is a journal or a database: two `stat`, so that a miss need import nothing."""
    return not switched_off() and (location.has_news() or location.exists())


def _all_listed() -> list[dict[str, Any] | None]:
    nothing: list[dict[str, Any] | None] = []
    return access.attempt(
        lambda store: store.listed(LISTED), otherwise=nothing, patience_s=_PATIENCE_S
    )
