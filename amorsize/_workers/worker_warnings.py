"""Warnings of items in worker processes: the caller shows them, once where a loop would.

Each process keeps a list of its own of what it has shown. So workers send theirs, and the caller
goes by its own list.
"""

from __future__ import annotations

import os
import sys
import warnings

from amorsize._workers import framing, serialization

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from amorsize._workers.pipe_ends import End

IS_WARNING = "_amorsize_warning"  # a key of the fields, beside those of log records


def forward(writing: End) -> None:
    """In a worker: send warnings that would be shown here.

    Not those that an item catches, or that have a file of their own to go to.
    """
    here, pid = warnings._showwarnmsg_impl, os.getpid()  # type: ignore[attr-defined]

    def send(warning: Any) -> None:
        fields = _fields(warning)
        is_ours = os.getpid() == pid and warning.file is None
        if not is_ours or serialization.why_not(fields) is not None:
            here(warning)
            return
        sys.stderr.flush()  # what was printed before comes before
        framing.write(writing.number(), framing.RECORD, serialization.dumps(fields))

    warnings._showwarnmsg_impl = send  # type: ignore[attr-defined]
    warnings.showwarning = warnings._showwarning_orig  # type: ignore[attr-defined]


def show(fields: dict[str, Any]) -> None:
    """In the caller: show a worker's warning as if it had been raised here."""
    message, category, is_always = fields["message"], fields["category"], fields["is_always"]
    filename, lineno = fields["filename"], fields["lineno"]
    if not is_always:
        module = _module_of(filename)
        registry = {} if module is None else vars(module).setdefault("__warningregistry__", {})
        try:
            warnings.warn_explicit(
                message, category, filename, lineno, _name_of(module), registry, None
            )
            return
        except category:  # an error here, which it was not where the item raised it
            pass
    warnings._showwarnmsg(  # type: ignore[attr-defined]
        warnings.WarningMessage(message, category, filename, lineno)
    )


def _fields(warning: Any) -> dict[str, Any]:
    module = _name_of(_module_of(warning.filename))
    return {
        IS_WARNING: True,
        "message": warning.message,
        "category": warning.category,
        "filename": warning.filename,
        "lineno": warning.lineno,
        "is_always": _action(warning, module) in ("always", "all"),
    }


def _action(warning: Any, module: str) -> str:
    """What the filters here say of a warning; they may be an item's own."""
    text = str(warning.message)
    for action, pattern, category, place, lineno in warnings.filters:
        if (
            _matches(pattern, text)
            and issubclass(warning.category, category)
            and _matches(place, module)
            and lineno in (0, warning.lineno)
        ):
            return action
    return warnings.defaultaction  # type: ignore[attr-defined,no-any-return]


def _matches(pattern: Any, text: str) -> bool:
    """As the interpreter does: its own filters have texts in the place of patterns."""
    if pattern is None or isinstance(pattern, str):
        return pattern is None or pattern == text
    return bool(pattern.match(text))


def _module_of(filename: str) -> ModuleType | None:
    """The module that a file was loaded as; code of a notebook has no file of its own."""
    for module in tuple(sys.modules.values()):
        if getattr(module, "__file__", None) == filename:
            return module
    return sys.modules.get("__main__")


def _name_of(module: ModuleType | None) -> str:
    return "<unknown>" if module is None else module.__name__
