"""What the user's own function raised, in one line, with where to look."""

from __future__ import annotations

import traceback
from typing import Any

from amorsize.cli.command import FailureError
from amorsize.cli.text import clean
from amorsize.errors import AmorsizeError

#: The most characters of a message of ours. It ends with what to do, so it is hardly ever cut.
MOST_OF_OURS = 2000


def failed(error: Exception, *, verbose: bool, further: str = "", **document: Any) -> FailureError:
    """The failure that an item's exception is; its traceback is shown where that was asked for.

    Args:
        error: What was raised, with the note that names the item.
        verbose: Print the traceback, too.
        further: What there is to say after it.
        document: What to tell programs beside the text.
    """
    if isinstance(error, FailureError):
        return error
    if verbose:
        traceback.print_exception(error)
    notes = getattr(error, "__notes__", ())
    item = next((note for note in reversed(notes) if ": item " in note), "")
    text = str(error).replace("\n", " ")
    if isinstance(error, AmorsizeError):
        what = clean(text, n_most=MOST_OF_OURS).removesuffix(".") + "."
    else:
        advice = "" if verbose else " --verbose shows where."
        what = f"{f'{clean(item)}: ' if item else ''}{type(error).__name__}: {clean(text)}.{advice}"
    return FailureError(f"{what}{further}", **document)
