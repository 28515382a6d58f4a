"""What is done with a file or a port whose name is made of parts."""

from __future__ import annotations

from os import fsencode

from amorsize._function.callables import MISSING
from amorsize._function.files.name_parts import PATH, TREE, Part, constant
from amorsize._function.files.shared_files import METHODS_OF_PATHS, NO_FILES, by_mode
from amorsize._function.library.changes import (
    EDITING,
    MAKES_FOLDER,
    MAKING_FOLDERS,
    OPENING_FOR_CHANGES,
    SAVING,
)
from amorsize._function.library.sql_uses import ADDS, CHANGES, LOOKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: A use of a port: items that listen at the same one cannot do so at the same time.
LISTENS = "listens"
#: In place of an argument that a call does not pass.
NOT_PASSED = Part()


def fixed_path(part: Part) -> bytes:
    """The path that is the same for all items; empty if it is not, or names no lasting file.

    One that a function of a library gives is told by its name.
    """
    if part.tags:
        return b""
    if type(part.known) in (str, bytes):
        path = fsencode(part.known)
        return b"" if path.startswith(tuple(map(fsencode, NO_FILES))) else path
    is_given = part.known is MISSING and (part.kind == PATH or part.label.endswith("(...)"))
    return fsencode(part.label) if is_given else b""


def listens(address: Part) -> Iterable[tuple[str, Part]]:
    """The file, or the port, of an address; any port that is free is 0."""
    if type(address.known) is str:
        return [(CHANGES, address)]
    known = address.known if type(address.known) is tuple else ()
    parts = address.parts or tuple(map(constant, known))
    return [(LISTENS, parts[1])] if len(parts) > 1 and parts[1].known != 0 else []


def uses_of_path(method: str, at: Callable[[int, str], Part]) -> list[str]:
    """What a method of a path does to the file."""
    if method == MAKES_FOLDER:
        return uses_by_mode(at(2, "exist_ok"), "os.makedirs")
    return uses_by_mode(at(0, "mode")) if method == ".open" else [METHODS_OF_PATHS[method]]


def place_of_saved(owner: Part, method: str) -> int | None:
    """Where a method that saves its object is handed the path; None: it saves nothing."""
    return 0 if owner.kind == TREE and method == ".write" else SAVING.get(method)


def uses_by_mode(mode: Part, opener: str = "") -> list[str]:
    """What opening a file may do to it; a mode that is chosen as items come may be any."""
    if opener in MAKING_FOLDERS or opener in OPENING_FOR_CHANGES or opener in EDITING:
        return [by_mode((None, mode.known), opener)]
    if type(mode.known) is not str:
        return [LOOKS] if mode is NOT_PASSED else [CHANGES]
    use = by_mode((None, mode.known), opener)
    return [ADDS, LOOKS] if use == ADDS and "+" in mode.known else [use]
