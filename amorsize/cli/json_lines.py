"""Results as JSON: what JSON has as it is, the usual other values as what stands for them."""

from __future__ import annotations

import json
import math
from typing import Any


class NotJsonError(Exception):
    """A result cannot be written; the text is the end of a sentence that begins with it."""


class Writer:
    """Writes values as lines; counts the numbers that JSON lacks."""

    def __init__(self) -> None:
        self.n_not_finite = 0

    def text(self, value: Any) -> str:
        """One line of JSON; a number that is not finite is null there.

        Raises:
            NotJsonError: There is something in it that nothing in JSON stands for.
        """
        try:
            try:
                return json.dumps(value, allow_nan=False, default=_stand_in)
            except ValueError as error:
                if "circular" in str(error).lower():
                    raise
                return json.dumps(self._finite(value), allow_nan=False)
        except TypeError as error:
            raise NotJsonError(f"cannot be written as JSON: {error}") from None
        except (ValueError, RecursionError):
            raise NotJsonError("cannot be written as JSON: it holds itself") from None

    def _finite(self, value: Any) -> Any:
        """The value with None for numbers that are not finite."""
        if isinstance(value, float):
            if math.isfinite(value):
                return value
            self.n_not_finite += 1
            return None
        if isinstance(value, dict):
            return {key: self._finite(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self._finite(one) for one in value]
        if value is None or isinstance(value, str | int):
            return value
        return self._finite(_stand_in(value))


def as_json(text: str) -> Any:
    """The value that a line holds."""
    return json.loads(text)


def _stand_in(value: Any) -> Any:
    """What stands for a value that JSON lacks: sets are arrays, paths and dates are texts."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    for name in ("isoformat", "__fspath__"):
        if callable(getattr(value, name, None)) and not isinstance(value, type):
            return getattr(value, name)()
    if callable(getattr(value, "tolist", None)):  # arrays and numbers of numpy
        return value.tolist()
    if type(value).__name__ in ("Decimal", "UUID", "Fraction"):
        return str(value)
    raise TypeError(f"JSON has nothing for a {type(value).__name__}")
