"""One operation on the cache, which may fail without harm.

Whatever goes wrong is told once, and answered with a value that the caller names: a cache can cost
a re-tune, never a result. After trouble the disk is left alone for a while.
"""

from __future__ import annotations

import _thread
import atexit
import os
import sys

from amorsize._host import program_line
from amorsize._host.cache_switch import SWITCH_VARIABLE, switched_off
from amorsize._host.signals import raised_by_handler, reraise_from_handler
from amorsize._host.unpatched import monotonic
from amorsize.cache import folder_guard, journal, location, sqlite_errors
from amorsize.cache.journal import WAIT_S
from amorsize.cache.json_text import RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from amorsize.cache.database import Store

    _T = TypeVar("_T")

#: Seconds that the disk is left alone after trouble, so that no two calls in a row wait.
_REST_S = 60.0


def why_unusable() -> str | None:
    """Why its folder cannot be used, as part of a sentence; None: it can, or is not there yet."""
    ambient = sys.exception()
    try:
        folder_guard.guarded(location.folder(), creating=False)
    except Exception as error:
        reraise_from_handler(error)
        return sqlite_errors.in_words(error, ambient)
    return None


class State:
    """What this process has open, and what went wrong with it."""

    def __init__(self) -> None:
        self.lock = _thread.allocate_lock()  # one connection, one user of it at a time
        self.store: Store | None = None
        self.rests_until_s = 0.0
        self.rests_from = ""  # the folder that gave trouble; another one may be tried at once
        self.has_warned = False
        self.closes_at_exit = False
        self.inherited: list[Store] = []

    def drop(self) -> None:
        """Close what is open, and ignore errors: it may be the cause of the trouble."""
        store, self.store = self.store, None
        try:
            if store:
                store.close()
        except Exception as error:
            reraise_from_handler(error)
            warn_once(f"its database could not be closed: {error}")

    def after_fork(self) -> None:
        """In a forked child: open anew when needed.

        The parent's connection is kept, not closed: SQLite forbids a child to do even that, and
        another thread of the parent may have been holding its mutex.
        """
        self.lock = _thread.allocate_lock()
        if self.store:
            self.inherited.append(self.store)
            self.store = None


STATE = State()
if hasattr(os, "register_at_fork"):  # Windows has neither
    os.register_at_fork(after_in_child=STATE.after_fork)


def attempt(
    act: Callable[[Store], _T],
    *,
    otherwise: _T,
    creating: bool = False,
    keeps_damaged: bool = True,
    patience_s: float = WAIT_S,
) -> _T:
    """Do something with the open database; `otherwise` when there is none or when it fails.

    `keeps_damaged=False` says nothing of a damaged one: it is about to be removed. Then one that
    a full disk leaves unusable is as good as damaged.
    """
    if switched_off():
        return otherwise
    state = STATE
    ambient = sys.exception()  # what the caller is handling is no cause of ours
    notes: list[str] = []
    folder = ""

    def done() -> _T:
        if (store := _opened(folder, creating)) is None:
            return otherwise
        store.allow(patience_s)
        return act(store)

    if not state.lock.acquire(timeout=WAIT_S):
        warn_once(f"another thread has been using it for {WAIT_S:g} s")
        return otherwise
    try:  # at once: an interrupt in between would leave the lock taken
        folder = location.folder()
        try:
            return done()
        except Exception as error:
            is_damaged = sqlite_errors.means_damage(error, ambient, folder)
            lacks_room = not keeps_damaged and sqlite_errors.lacks_room(error, ambient)
            if raised_by_handler(error) or not (is_damaged or lacks_room):
                raise
            aside = _moved_aside(folder, is_kept=keeps_damaged)
            if aside and keeps_damaged:
                why = sqlite_errors.in_words(error, ambient)
                notes.append(f"{why}; it was moved to {aside!r} and a new one is begun")
        return done()
    except Exception as error:
        if raised_by_handler(error):
            raise
        if not isinstance(error, RefusedError):
            state.drop()
            state.rests_from, state.rests_until_s = folder, monotonic() + _REST_S
        notes.append(sqlite_errors.in_words(error, ambient))
    finally:
        state.lock.release()  # before warning, which may run other people's code
        for note in notes:
            warn_once(note)
    return otherwise


def _moved_aside(folder: str, *, is_kept: bool) -> str | None:
    """Where the damaged database is now, if it is kept; None if another process was quicker."""
    from amorsize.cache import database

    STATE.drop()
    return database.move_aside(folder, is_kept=is_kept)


class WarnedError(Exception):
    """What went wrong was told already."""


WARNED = WarnedError()


def attempt_lightly(act: Callable[[str], _T], *, otherwise: _T, creating: bool = False) -> _T:
    """Do something in the folder without opening the database; `otherwise` when it fails."""
    state, folder = STATE, ""
    if switched_off():
        return otherwise
    ambient = sys.exception()
    try:
        folder = location.folder()
        if state.rests_from == folder and monotonic() < state.rests_until_s:
            return otherwise
        guarded = folder_guard.guarded(folder, creating=creating)
        if guarded is None:
            return otherwise
        try:
            return act(guarded)
        except journal.UnusableError as error:
            left = journal.remove(guarded)
            what = "it was removed" if left is None else f"remove the folder {left!r}"
            warn_once(f"{error}; {what}")
            return act(guarded)
    except WarnedError:
        return otherwise
    except Exception as error:
        if raised_by_handler(error):
            raise
        state.rests_from, state.rests_until_s = folder, monotonic() + _REST_S
        warn_once(sqlite_errors.in_words(error, ambient))
    return otherwise


def try_again() -> None:
    """Leave the disk alone no longer after trouble: a person has asked for something."""
    STATE.rests_until_s = 0.0


def close() -> None:
    """Close the database; the next function here that needs it opens it again."""
    if STATE.lock.acquire(timeout=WAIT_S):
        try:
            STATE.drop()
            try_again()
        finally:
            STATE.lock.release()


def _opened(folder: str, creating: bool) -> Store | None:
    """The open database of this folder; None where there is none, or after recent trouble."""
    state = STATE
    if state.store and not state.store.is_in(folder):  # another folder, or the file was replaced
        state.drop()
    if state.store is None:
        if state.rests_from == folder and monotonic() < state.rests_until_s:
            return None
        from amorsize.cache import database  # not for those who only read and append lines

        state.store = database.opened(folder, creating=creating)
        if state.store and not state.closes_at_exit:
            state.closes_at_exit = True
            atexit.register(close)
    return state.store


def warn_once(what: str) -> None:
    """Warn of trouble, once per process."""
    text = (
        f"amorsize had trouble with its cache: {what}. Results are not affected, but what is "
        "learned now may be learned again later. To keep it elsewhere set "
        f"{location.HOME_VARIABLE} to a folder of your own; to do without set "
        f"{SWITCH_VARIABLE}=off."
    )
    if STATE.has_warned:
        import logging

        logging.getLogger("amorsize").debug(text)
        return
    STATE.has_warned = True
    program_line.warn(text)
