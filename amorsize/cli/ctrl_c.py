"""Holds Ctrl-C back until what was written is also counted."""

from __future__ import annotations

import signal
from typing import Any


class CtrlCLater:
    """Holds back the first Ctrl-C of a block until its end; a second one is not held back.

    For the main thread, and for blocks of a few lines: a reader that takes no more output may
    have one of them wait for long, which is what the second Ctrl-C is for. `no_interrupts` holds
    back all signals, as often as they come, and looks at each of them, which a line is not worth.
    """

    def __init__(self) -> None:
        self._before: Any = None
        self._came = False

    def __enter__(self) -> None:
        self._came = False
        self._before = signal.signal(signal.SIGINT, self._note)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        if self._came:
            signal.raise_signal(signal.SIGINT)

    def _note(self, *_: object) -> None:
        self._came = True
        signal.signal(signal.SIGINT, self._before)
