"""Tells how what holds others weakly is sent: a worker has no other reference to these."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def refuse(obj: Any) -> None:
    """Raise TypeError for what would be empty in a worker.

    The members of a weak set would be gone, and a finalizer would be dead.
    """
    kind = type(obj)
    weak_set = getattr(sys.modules.get("_weakrefset"), "WeakSet", ())
    if issubclass(kind, _finalizer()) or (issubclass(kind, weak_set) and len(obj)):
        raise TypeError(f"cannot pickle {kind.__name__!r} object")


def reduced_folder(obj: Any, call: Callable[..., Any]) -> Any:
    """A temporary folder, with a finalizer that is dead in a worker; None: it is no such folder.

    Only the caller removes the folder. What items do with it does not ask the finalizer.

    Args:
        obj: What is sent.
        call: Makes something that pickles as a call of a function.
    """
    if type(obj) is not getattr(sys.modules.get("tempfile"), "TemporaryDirectory", None):
        return None
    make, arguments, state = obj.__reduce_ex__(2)[:3]
    if "_finalizer" not in state:
        return None
    return make, arguments, {**state, "_finalizer": call(dead_finalizer, ())}


def dead_finalizer() -> Any:
    """A finalizer that belongs to no object."""
    from weakref import finalize

    return object.__new__(finalize)


def _finalizer() -> Any:
    return getattr(sys.modules.get("weakref"), "finalize", ())
