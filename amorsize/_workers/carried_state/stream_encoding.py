"""How text streams encode what is written to them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def encoding_of(stream: Any) -> tuple[str | None, str | None]:
    """The encoding of a text stream, then how it handles errors; None where it does not say."""
    encoding, errors = getattr(stream, "encoding", None), getattr(stream, "errors", None)
    return encoding if type(encoding) is str else None, errors if type(errors) is str else None
