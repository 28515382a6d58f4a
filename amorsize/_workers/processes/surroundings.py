"""Gives workers in new interpreters what surrounds the caller: folder, environment, arguments.

Forked workers that wait for the next call are used again only if it has the same.
"""

from __future__ import annotations

import os
import sys

from amorsize._host.signals import reraise_from_handler
from amorsize._workers.carried_state import caller_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def surroundings(state: bytes) -> dict[str, Any]:
    """The state that a worker takes over from its caller, with `state` from `caller_state`."""
    return {**place(), "numpy": "numpy" in sys.modules, "carried": state}


def place() -> dict[str, Any]:
    """What the import of a library may depend on."""
    return {
        "folder": _folder(),
        "environ": _environ(),
        "path": list(sys.path),
        "argv": list(getattr(sys, "argv", ())),
    }


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError as error:  # it was removed
        reraise_from_handler(error)
        return None


#: The environment at the last read, encoded and decoded.
_last_environ: tuple[dict[Any, Any], dict[str, str]] = {}, {}


def _environ() -> dict[str, str]:
    """The environment, decoded again only after a change."""
    global _last_environ
    kept = getattr(os.environ, "_data", None)
    if type(kept) is not dict:
        return dict(os.environ)
    if kept != _last_environ[0]:
        _last_environ = dict(kept), dict(os.environ)
    return dict(_last_environ[1])


def enter_surroundings(found: dict[str, Any]) -> None:
    """Take over the state of the caller."""
    enter_place(found)
    caller_state.take(found["carried"])


def enter_place(found: dict[str, Any]) -> None:
    """Take over what the import of a library may depend on."""
    enter_folder(found["folder"])
    _take_environ(found["environ"])
    sys.path[:] = found["path"]
    sys.argv[:] = found["argv"]
    sys.path_importer_cache.pop("", None)  # "" stands for the working folder


def enter_folder(folder: str | None) -> None:
    """Go where the caller is, unless this process began there.

    A program that has given up its rights may be in a folder that it could not enter any more.
    """
    if folder is not None and folder != _folder():
        os.chdir(folder)


def _take_environ(wanted: dict[str, str]) -> None:
    here = dict(os.environ)
    for name in here.keys() - wanted.keys():
        del os.environ[name]
    for name, value in wanted.items():
        if here.get(name) != value:
            os.environ[name] = value
    if here.get("TZ") != wanted.get("TZ"):
        import time

        time.tzset()
