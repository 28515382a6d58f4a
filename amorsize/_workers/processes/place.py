"""Where this process is: what the import of a library may depend on."""

from __future__ import annotations

import os
import sys

from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def place() -> dict[str, Any]:
    """The folder, the environment, the path and the arguments."""
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
