"""Reads the name of a file as it is given to a command."""

from __future__ import annotations

from argparse import ArgumentTypeError


def file_name(text: str) -> str:
    """Refuse what names no file, or to others stdin or stdout; for `type=` of an argument."""
    if text == "-":
        raise ArgumentTypeError("'-' is no file here (one of that name is ./-)")
    if not text:
        raise ArgumentTypeError("'' is no name of a file")
    return text
