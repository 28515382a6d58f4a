"""Words for people, without anything that could steer a terminal."""

from __future__ import annotations

import difflib
import json
import os
import time
from collections.abc import Sequence
from typing import TypeGuard

from amorsize._host.signals import reraise_from_handler
from amorsize.policy.counted import counted

_N_NEAREST = 3
#: The most characters of one text from the disk.
_MAX_SHOWN = 200


def clean(text: str, *, n_most: int = _MAX_SHOWN) -> str:
    """A text from the disk without what could steer a terminal or turn the writing around."""
    shown = text[:n_most] + ("..." if len(text) > n_most else "")
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in shown
    )


def nearest(name: str, names: Sequence[str]) -> str:
    """The names that are most like one, as a sentence behind another; "" if none is."""
    near = difflib.get_close_matches(name, names, n=_N_NEAREST, cutoff=0.5)
    return f" Nearest: {', '.join(map(clean, near))}." if near else ""


def nearest_file(path: str, ending: str = "") -> str:
    """The same of files in the folder where one should be."""
    folder, name = os.path.split(path)
    names = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
    return nearest(name, [one for one in names if one.endswith(ending)])


def in_words(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def size(n_bytes: float) -> str:
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.0f} MiB"


def moment(then_s: float) -> str:
    """A moment as date and time, of which the disk may tell anything."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(then_s))
    except (OverflowError, OSError, ValueError) as error:  # no year of a calendar
        reraise_from_handler(error)
        return in_words(then_s)


def ago(then_s: float) -> str:
    """How long ago a moment was, of which the disk may tell anything."""
    passed_s = time.time() - then_s
    if not 0 <= passed_s < 10 * 365 * 86_400:
        return "at an unknown time"
    for unit_s, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if passed_s >= unit_s:
            return f"{counted(int(passed_s // unit_s), name)} ago"
    return "just now"
