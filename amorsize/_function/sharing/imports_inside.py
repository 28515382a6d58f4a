"""Notes what the imports inside functions would load first."""

from __future__ import annotations

from amorsize._function import bytecode
from amorsize._function.callable_walk import full_name, imported
from amorsize._function.callables import MISSING, member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType

    from amorsize._function.ownership import Owns
    from amorsize._function.sharing.findings import Findings


def see_import(
    findings: Findings, owns: Owns, func: FunctionType, name: str, taken: tuple[str, ...]
) -> None:
    """An import in a function's code, of a module or of names in it.

    What the first items have not loaded stands in a branch that they did not take. It is loaded
    where that does no harm, so that what the others do with it can be read.
    """
    missing = _first_missing(func, name, taken)
    while missing:
        _load(findings, owns, missing)
        before, missing = missing, _first_missing(func, name, taken)
        if missing == before:
            what = f"{missing}, which an item is the first to import"
            findings.calls[what] = findings.unread[what] = None
            return


def see_import_by_call(findings: Findings, owns: Owns, func: FunctionType, name: str) -> None:
    """An import by a call, of a module whose name the code spells out; "": it puts it together."""
    if name:
        if imported(func, name) is MISSING:
            _load(findings, owns, full_name(func, name))
        return
    from amorsize._function.sharing.first_imports import effect_of_import, unloaded_in

    for one in unloaded_in(bytecode.texts(func.__code__)):
        _note(findings, effect_of_import(one, owns))


def _first_missing(func: FunctionType, name: str, taken: tuple[str, ...]) -> str:
    """The first module that an import would have to load; "": there is none."""
    module = imported(func, name)
    if module is MISSING:
        return full_name(func, name)
    missing = [one for one in taken if member(module, one) is MISSING]
    return f"{module.__name__}.{missing[0]}" if missing else ""


def _load(findings: Findings, owns: Owns, name: str) -> None:
    from amorsize._function.sharing.first_imports import load_ahead

    _note(findings, load_ahead(name, owns))


def _note(findings: Findings, effect: str | None) -> None:
    """Note what only a module's first import does: the program does it once, for itself."""
    if effect is not None:
        what = f"the first import of {effect}"
        findings.calls[what] = findings.bound[what] = None
