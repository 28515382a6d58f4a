"""Reads numbers as people write them after an option."""

from __future__ import annotations

from argparse import ArgumentTypeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def whole(text: str) -> int:
    """A whole number, such as 1000 or 1_000; for `type=` of an argument."""
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a whole number") from None


def whole_between(least: int, most: int | None = None) -> Callable[[str], int]:
    """The same, within limits."""
    words = f"{least} or more" if most is None else f"from {least} to {most}"

    def read(text: str) -> int:
        number = whole(text)
        if number < least or (most is not None and number > most):
            raise ArgumentTypeError(f"{text!r} is not {words}")
        return number

    return read


def seconds(text: str) -> float:
    """A number of seconds, such as 2 or 0.5."""
    try:
        return float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds, such as 2 or 0.5") from None
