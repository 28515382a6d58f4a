"""Warnings of items in worker processes, which the caller shows once where a loop would.

Each process keeps its own record of the warnings it has shown. So workers send every warning, and
the caller decides by its own record.
"""

from __future__ import annotations

import sys
import warnings

from amorsize._host.unpatched import kernel
from amorsize._workers import diverted_output
from amorsize._workers.messages import framing, serialization

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from amorsize._workers.messages.pipe_ends import End

#: The key that tells a warning from a log record.
IS_WARNING = "_amorsize_warning"
#: The file of a warning whose `stacklevel` leads beyond the first frame.
BEYOND = ("sys", "<sys>")


def forward(writing: End) -> None:
    """In a worker: send the warnings that would be shown here to the caller.

    Warnings that an item catches stay, as do those with a file of their own.
    """
    here, pid = warnings._showwarnmsg_impl, kernel.getpid()  # type: ignore[attr-defined]

    def send(warning: Any) -> None:
        fields = _fields(warning)
        is_ours = kernel.getpid() == pid and warning.file is None
        if not is_ours or serialization.why_not(fields) is not None:
            here(warning)
            return
        diverted_output.hand_on()  # keep the order of output
        framing.write(writing.number(), framing.RECORD, serialization.dumps(fields))

    warnings._showwarnmsg_impl = send  # type: ignore[attr-defined]
    warnings.showwarning = warnings._showwarning_orig  # type: ignore[attr-defined]


def held(warning: Any) -> Callable[[], None]:
    """In the caller: what shows a warning later as if it had been raised then.

    It may come again before that, from an item before it: so it counts as not shown yet.
    """
    fields = _fields(warning)
    if not fields["is_always"]:
        text, category, lineno = str(warning.message), warning.category, warning.lineno
        module = _module_of(warning.filename)
        registry = {} if module is None else getattr(module, "__warningregistry__", {})
        once = warnings.onceregistry  # type: ignore[attr-defined]
        for shown in (registry, once):  # C code notes in the first what is to be shown once
            for place in ((lineno,), (0,), ()):
                shown.pop((text, category, *place), None)
    return lambda: show(fields)


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
        except category:  # the filters here make it an error; the item's did not
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
    """The action of the filters here, which an item may have set."""
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
    """Match as the interpreter does, whose default filters have texts instead of patterns."""
    if pattern is None or isinstance(pattern, str):
        return pattern is None or pattern == text
    return bool(pattern.match(text))


def _module_of(filename: str) -> ModuleType | None:
    """The module loaded from a file; `__main__` for code of a notebook, which has no file."""
    if filename in BEYOND:
        return sys
    for module in tuple(sys.modules.values()):
        if getattr(module, "__file__", None) == filename:
            return module
    return sys.modules.get("__main__")


def _name_of(module: ModuleType | None) -> str:
    return "<unknown>" if module is None else module.__name__
