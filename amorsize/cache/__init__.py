"""What was learned, on disk: small JSON records that nobody can turn against their reader.

Records are rows of an SQLite database in a folder that belongs to the user alone. Reading takes
`sqlite3` and `json`, writing also diskcache; each is imported when first needed. Whatever goes
wrong is a miss, or nothing stored, and is told once: a cache can cost a re-tune, never a result.
"""

from __future__ import annotations

import _thread
import atexit
import os
import sys

from amorsize._host.clocks import monotonic
from amorsize._host.signals import raised_by_handler
from amorsize.cache import database, folder_guard, journal
from amorsize.cache.database import Store
from amorsize.cache.json_text import RefusedError, encoded
from amorsize.errors import AmorsizeWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any, TypeVar

    _T = TypeVar("_T")

__all__ = [
    "LISTED",
    "SWITCH_VARIABLE",
    "abstain",
    "clear",
    "close",
    "entries",
    "family",
    "fold",
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
]

SWITCH_VARIABLE = "AMORSIZE_CACHE"
LISTED = "profile:"  # keys of the records that people may want to see start so

_OFF = ("off", "0", "no", "false")
_WAIT_S = database.WAIT_S
_PATIENCE_S = 10.0  # for one SQL statement of what a person asked for: listing and clearing
_REST_S = 60.0  # after trouble the disk is left alone for so long: no two calls in a row wait


def get(key: str) -> dict[str, Any] | None:
    """The record stored under `key`, a JSON object; None when there is none that can be used."""
    return _attempt(lambda store: store.read(key), otherwise=None)


def recent(*prefixes: str) -> dict[str, dict[str, Any]]:
    """What was noted lately under keys that begin with one of these, the last at the end."""
    if not database.has_news():
        return {}
    return _attempt_lightly(lambda folder: journal.records(folder, *prefixes), otherwise={})


def family(prefix: str) -> dict[str, dict[str, Any]]:
    """All that is stored under keys that begin so, the last at the end; 64 of them at most."""
    noted = recent(prefix)
    stored: dict[str, dict[str, Any]] = {}
    if database.exists():
        stored = _attempt(lambda store: store.read_family(prefix), otherwise=stored)
    older = {key: stored[key] for key in stored if key not in noted}
    return _newest_of_families({**older, **noted})


def _newest_of_families(records: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Without those that will go when what was noted is put into the database."""
    n_of: dict[str, int] = {}
    kept = []
    for key in reversed(records):
        family = key.rpartition(":")[0]
        n_of[family] = n_of.get(family, 0) + 1
        if n_of[family] <= database.FAMILY_SIZE or not family.startswith(LISTED):
            kept.append(key)
    return {key: records[key] for key in reversed(kept)}


def note(key: str, record: dict[str, Any]) -> bool:
    """Store a JSON object as `put` does, but at once: a line that is put in the database later."""
    return note_all({key: record})


def note_all(records: dict[str, dict[str, Any]]) -> bool:
    """Store several as `note` does, by their keys, in one piece."""
    if switched_off():
        return False
    try:
        texts = {key: encoded(key, record) for key, record in records.items()}
    except Exception as error:
        _tell(f"a record was not one to store: {error}")
        return False
    size = _attempt_lightly(
        lambda folder: journal.append(folder, texts), otherwise=0, creating=True
    )
    if size > journal.FULL_BYTES:
        fold()
    return size > 0


def fold(*, keeps_damaged: bool = True) -> int:
    """Put what was noted into the database; how many records.

    `keeps_damaged=False` says nothing of a damaged one: it is about to be removed.
    """
    if not database.has_news():
        return 0

    def act(folder: str) -> int:
        try:
            leaving = journal.Emptying(folder)
        except journal.BusyError:
            return 0  # another process is at it
        with leaving as noted:
            taken = _attempt(
                lambda store: store.take_in(noted.records),
                otherwise=-1,
                creating=True,
                keeps_damaged=keeps_damaged,
                patience_s=_PATIENCE_S,
            )
            if taken < 0:
                raise _TOLD
            return taken

    return _attempt_lightly(act, otherwise=0)


def put(key: str, record: dict[str, Any]) -> bool:
    """Store a JSON object of at most 64 KiB under `key`, for half a year; whether that was done."""
    if switched_off():
        return False
    try:
        text = encoded(key, record)
    except Exception as error:  # whatever a caller's object does when it is looked at
        _tell(f"a record was not one to store: {error}")
        return False
    fold()  # what was noted earlier would count as the newer
    return _attempt(lambda store: store.write(key, text), otherwise=False, creating=True)


def entries() -> list[dict[str, Any]]:
    """All records that are listed and can be read, each with its key as `stored_as`."""
    noted = recent(LISTED)
    found = [record for record in _surveyed() if record is not None]
    listed = [record for record in found if record["stored_as"] not in noted]
    listed += [{**record, "stored_as": key} for key, record in noted.items()]
    return list(_newest_of_families({str(one["stored_as"]): one for one in listed}).values())


def n_damaged() -> int:
    """How many rows of the database cannot be read, or were never ours."""
    return sum(record is None for record in _surveyed())


def forget(*keys: str) -> int:
    """Remove the records stored under these keys; how many there were."""
    fold()
    return _attempt(lambda store: store.delete(keys), otherwise=0, patience_s=_PATIENCE_S)


def clear() -> int:
    """Remove all records, listed or not, and all damaged databases; how many records there were."""
    if switched_off() or not database.has_folder():
        return 0
    fold(keeps_damaged=False)  # for their number
    if database.has_news():  # it could not be emptied
        _attempt_lightly(journal.remove, otherwise=None)
    return _attempt(
        lambda store: store.clear(),
        otherwise=0,
        creating=True,
        keeps_damaged=False,
        patience_s=_PATIENCE_S,
    )


def home() -> Path:
    """The folder it is all kept in, which need not exist: AMORSIZE_HOME, or in the user's cache."""
    from pathlib import Path

    return Path(database.folder())


def size_bytes() -> int:
    """What the cache takes on disk; what else lies in its folder is not counted."""
    return database.size_bytes()


def close() -> None:
    """Close the database; the next function here that needs it opens it again."""
    if _STATE.lock.acquire(timeout=_WAIT_S):
        try:
            _STATE.drop()
            _STATE.rests_until_s = 0.0
        finally:
            _STATE.lock.release()


def abstain() -> None:
    """From now on this process reads and writes nothing: for worker processes."""
    _STATE.abstains = True


def known_on_disk() -> bool:
    """Whether there is a database at all: one `stat`, so that a miss need not import anything."""
    return not switched_off() and (database.has_news() or database.exists())


def switched_off() -> bool:
    """Whether AMORSIZE_CACHE=off is set, or this process was told to abstain."""
    return _STATE.abstains or os.environ.get(SWITCH_VARIABLE, "").lower() in _OFF


class _State:
    """What this process has open, and how it fared with it."""

    def __init__(self) -> None:
        self.lock = _thread.allocate_lock()  # one connection, one user of it at a time
        self.store: Store | None = None
        self.rests_until_s = 0.0
        self.rests_from = ""  # the folder that gave trouble; another one may be tried at once
        self.abstains = False
        self.has_warned = False
        self.closes_at_exit = False
        self.inherited: list[Store] = []

    def drop(self) -> None:
        """Close what is open, as well as that goes: it may be why there is trouble."""
        store, self.store = self.store, None
        try:
            if store:
                store.close()
        except Exception as error:
            _tell(f"its database could not be closed: {error}")

    def after_fork(self) -> None:
        """In a forked child: open anew when needed.

        The parent's connection is kept, not closed: SQLite forbids a child to do even that, and
        another thread of the parent may have been holding its mutex.
        """
        self.lock = _thread.allocate_lock()
        if self.store:
            self.inherited.append(self.store)
            self.store = None


_STATE = _State()
if hasattr(os, "register_at_fork"):  # Windows has neither
    os.register_at_fork(after_in_child=_STATE.after_fork)


def _surveyed() -> list[dict[str, Any] | None]:
    nothing: list[dict[str, Any] | None] = []
    return _attempt(lambda store: store.survey(LISTED), otherwise=nothing, patience_s=_PATIENCE_S)


def _attempt(
    act: Callable[[Store], _T],
    *,
    otherwise: _T,
    creating: bool = False,
    keeps_damaged: bool = True,
    patience_s: float = _WAIT_S,
) -> _T:
    """Do something with the open database; `otherwise` when there is none or when it fails."""
    if switched_off():
        return otherwise
    state = _STATE
    if not state.lock.acquire(timeout=_WAIT_S):
        _tell(f"another thread has been using it for {_WAIT_S:g} s")
        return otherwise
    ambient = sys.exception()  # what the caller is handling is no cause of ours
    notes: list[str] = []
    folder = ""
    try:
        folder = database.folder()
        for may_mend in (True, False):
            try:
                store = _opened(folder, creating)
                if store is None:
                    break
                store.allow(patience_s)
                return act(store)
            except Exception as error:
                is_damaged = may_mend and database.means_damage(error, ambient, folder)
                if raised_by_handler(error) or not is_damaged:
                    raise
                state.drop()
                aside = database.move_aside(folder)
                if aside and keeps_damaged:
                    why = database.in_words(error, ambient)
                    notes.append(f"{why}; it was moved to {aside!r} and a new one is begun")
    except Exception as error:
        if raised_by_handler(error):
            raise
        if not isinstance(error, RefusedError):
            state.drop()
            state.rests_from, state.rests_until_s = folder, monotonic() + _REST_S
        notes.append(database.in_words(error, ambient))
    finally:
        state.lock.release()  # before warning, which may run other people's code
        for note in notes:
            _tell(note)
    return otherwise


class _ToldError(Exception):
    """What went wrong was told already."""


_TOLD = _ToldError()


def _attempt_lightly(act: Callable[[str], _T], *, otherwise: _T, creating: bool = False) -> _T:
    """Do something in the folder without opening the database; `otherwise` when it fails."""
    state, folder = _STATE, ""
    if switched_off():
        return otherwise
    ambient = sys.exception()
    try:
        folder = database.folder()
        if state.rests_from == folder and monotonic() < state.rests_until_s:
            return otherwise
        guarded = folder_guard.guarded(folder, creating=creating)
        if guarded is None:
            return otherwise
        try:
            return act(guarded)
        except journal.UnusableError as error:
            _tell(f"{error}; it was removed")
            journal.remove(guarded)
            return act(guarded)
    except _ToldError:
        return otherwise
    except Exception as error:
        if raised_by_handler(error):
            raise
        state.rests_from, state.rests_until_s = folder, monotonic() + _REST_S
        _tell(database.in_words(error, ambient))
    return otherwise


def _opened(folder: str, creating: bool) -> Store | None:
    """The open database of this folder; None where there is none, or after recent trouble."""
    state = _STATE
    if state.store and not state.store.is_in(folder):  # another folder, or the file was replaced
        state.drop()
    if state.store is None:
        if state.rests_from == folder and monotonic() < state.rests_until_s:
            return None
        state.store = database.opened(folder, creating=creating)
        if state.store and not state.closes_at_exit:
            state.closes_at_exit = True
            atexit.register(close)
    return state.store


def _tell(what: str) -> None:
    """Warn of trouble, once per process; where warnings are errors, log it: results come first."""
    text = (
        f"amorsize had trouble with its cache: {what}. Results are not affected, but what is "
        "learned now may be learned again later. To keep it elsewhere set "
        f"{database.HOME_VARIABLE} to a folder of your own; to do without set "
        f"{SWITCH_VARIABLE}=off."
    )
    import logging
    import warnings

    if _STATE.has_warned:
        logging.getLogger("amorsize").debug(text)
        return
    _STATE.has_warned = True
    try:
        warnings.warn(text, AmorsizeWarning, stacklevel=_stacklevel())
    except AmorsizeWarning:
        logging.getLogger("amorsize").warning(text)


def _stacklevel() -> int:
    """How far up `_tell`'s caller is the user's own line."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back and f"{frame.f_globals.get('__name__')}.".startswith("amorsize."):
        level, frame = level + 1, frame.f_back
    return level
