"""Whether the user allows what is learned to be kept on disk.

It stands apart from the cache, which a short call does not load.
"""

from __future__ import annotations

import os

#: The variable that switches the cache off.
SWITCH_VARIABLE = "AMORSIZE_CACHE"
_OFF = ("off", "0", "no", "false")


def switched_off() -> bool:
    """Whether AMORSIZE_CACHE=off is set."""
    return os.environ.get(SWITCH_VARIABLE, "").lower() in _OFF
