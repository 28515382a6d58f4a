"""Asks the person at the terminal before something is removed for good."""

from __future__ import annotations

import sys

from amorsize.cli.command import FailureError


def confirm(question: str, *, instead: str, otherwise: str = "nothing was removed.") -> None:
    """Go on only if the person at the terminal says yes.

    Args:
        question: What to ask.
        instead: What to say where there is no terminal: why it would have asked, and what to do.
        otherwise: What to say to who says no.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise FailureError(instead, status=2)
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise FailureError(otherwise)
