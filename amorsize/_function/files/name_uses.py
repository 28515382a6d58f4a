"""What is done with a file or a port whose name is made of parts."""

from __future__ import annotations

from amorsize._function.files.name_parts import Part, constant
from amorsize._function.files.shared_files import METHODS_OF_PATHS, by_mode
from amorsize._function.library.changes import (
    MAKES_FOLDER,
    MAKING_FOLDERS,
    OPENING_FOR_CHANGES,
)
from amorsize._function.library.sql_uses import ADDS, CHANGES, LOOKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: A use of a port: items that listen at the same one cannot do so at the same time.
LISTENS = "listens"
#: In place of an argument that a call does not pass.
NOT_PASSED = Part()


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


def uses_by_mode(mode: Part, opener: str = "") -> list[str]:
    """What opening a file may do to it; a mode that is chosen as items come may be any."""
    if opener in MAKING_FOLDERS or opener in OPENING_FOR_CHANGES:
        return [by_mode((None, mode.known), opener)]
    if type(mode.known) is not str:
        return [LOOKS] if mode is NOT_PASSED else [CHANGES]
    use = by_mode((None, mode.known), opener)
    return [ADDS, LOOKS] if use == ADDS and "+" in mode.known else [use]
