"""Asking the person at the terminal before something goes that cannot be had back."""

from __future__ import annotations

import sys

from amorsize.cli.command import FailureError


def confirm(question: str, *, instead: str) -> None:
    """Go on only if the person at the terminal says yes; `instead` is for where there is none."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise FailureError(
            f"this removes everything, and there is no terminal to ask at. {instead}", status=2
        )
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise FailureError("nothing was removed.")
