"""Finds files that code changes whose names several items share: `f"part_{x // 100}.txt"`.

What one item writes there another reads or writes anew, so items have to run in their order.
"""

from __future__ import annotations

from amorsize._function import item_paths
from amorsize._function.bound_arguments import NOTHING, rest_arguments, with_arguments
from amorsize._function.callables import FUNCTION, MISSING, member, own, plain, public_name_of, raw
from amorsize._function.item_paths import AS_PATH, ASKED, ATTRIBUTE, METHOD, OF_PATH
from amorsize._function.library_changes import SAVING
from amorsize._function.name_frame import NameFrame
from amorsize._function.name_parts import (
    COUNTED,
    DIGEST,
    FLOAT,
    ITEM,
    LISTED,
    OF_ITEM,
    PATH,
    TEXT,
    TRIED,
    UNIQUE,
    Part,
    divided,
    is_argument,
    is_of_item,
    is_path,
    looked_up,
    merged,
    part_of,
    shared_by,
    together,
)
from amorsize._function.name_reader import read_names
from amorsize._function.shared_files import METHODS_OF_PATHS, MOST_HELPERS, by_mode, uses_of
from amorsize._function.sql_uses import ADDS, CHANGES, LOOKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType, FunctionType
    from typing import Any

    from amorsize._function.bound_arguments import Bound
    from amorsize._function.item_paths import Path
    from amorsize._function.ownership import Owns

#: Functions that give the same for many values.
_MERGING = {"round", "len", "hash", "abs", "bool", "any", "all", "isinstance"}
_MERGING |= {"math.floor", "math.ceil", "math.trunc"}
#: Functions that tell what is in a folder, and methods of paths that do.
_LISTING = {"os.listdir", "os.scandir", "glob.glob", "glob.iglob", "os.walk"}
_LISTING_PATHS = {".glob", ".rglob", ".iterdir"}
#: Functions that tell of how many values something is.
_COUNTING = {"len", "sum", "max"}
#: Beginnings of the names of functions that give what nothing else has.
_UNIQUE = (
    *("uuid.", "tempfile.", "os.getpid", "posix.getpid", "time.", "random.", "secrets."),
    *("threading.", "_thread.", "datetime.", "os.urandom", "itertools.count"),
)
#: Methods that give a text.
_TEXTS = {
    *(".format", ".join", ".lower", ".upper", ".strip", ".lstrip", ".rstrip", ".replace"),
    *(".title", ".casefold", ".zfill", ".as_posix", ".decode", ".capitalize", ".removesuffix"),
    *(".isalpha", ".isdigit", ".startswith", ".endswith", ".hexdigest"),
}
#: Those of them that show what they are called on to be a text.
_OF_TEXTS = _TEXTS - {".format", ".join", ".as_posix", ".hexdigest", ".decode", ".replace"}
#: Functions that give one.
_MAKING_TEXTS = {
    *("str", "repr", "format", "hex", "bin", "oct", "chr", "os.fspath", "posixpath.join"),
}
#: Modules whose functions give the same for the same values.
_PLAIN = {"builtins", "posixpath", "genericpath", "pathlib", "math", "operator", "posix", "os"}
#: Of these, functions that give what the world has for a name.
_READING = ("io.open", "os.environ", "os.getenv", "input")
#: The flags of generators and coroutines, whose results are not followed.
_GIVES_LATER = 0x20 | 0x80 | 0x200
#: Stands for an argument that is not passed.
_NOTHING = Part()


def shared_names(
    read: Iterable[tuple[FunctionType, Bound]],
    owns: Owns,
    by_sql: tuple[str, ...],
    root: FunctionType | None = None,
) -> list[str | tuple[Path, ...]]:
    """What items have in common that share a changed file's name, as the code has it.

    Ways to parts of the item, if they share it only where these are the same.

    Args:
        read: The functions that were read, with what is bound to them.
        owns: Whether a function is the project's.
        by_sql: What is done to databases.
        root: The function that is mapped.
    """
    found: dict[str, dict[str | tuple[Path, ...], None]] = {CHANGES: {}, ADDS: {}, LOOKS: {}}
    reached: set[FunctionType] = set()
    # What is passed to the others may be known once the mapped function was read.
    for func, bound in sorted(read, key=lambda one: one[0] is not root):
        if not func.__code__.co_argcount and not rest_arguments(func.__code__):
            continue  # no item gets there, unless one of the others calls it
        reader = _Uses(owns, by_sql)
        reader.follow(func, bound, {}, MOST_HELPERS)
        reached |= reader.reached if func is root else set()
        is_text = reader.is_text or func.__annotations__.get(_first(func)) in (str, "str")
        for use, part in reader.found:
            what = shared_by(part, is_text=is_text)
            is_guess = func is not root and type(what) is tuple
            if what and not (is_guess and (func in reached or _is_whole(what))):
                found[use][what] = None
    return [*found[CHANGES], *(one for one in found[ADDS] if one in found[LOOKS])]


def _is_whole(ways: Any) -> bool:
    return all(len(way) == 1 for way in ways)


def _first(func: FunctionType) -> str:
    return next(iter(func.__code__.co_varnames), "")


class _Uses:
    """Collects what a function and its helpers do to files.

    Attributes:
        found: What is done, with the name of the file.
        is_text: Whether the code treats the item as a text.
        reached: Functions of which the arguments are known.
    """

    def __init__(self, owns: Owns, by_sql: tuple[str, ...]) -> None:
        self.found: list[tuple[str, Part]] = []
        self.is_text = False
        self.reached: set[FunctionType] = set()
        self._owns, self._by_sql = owns, by_sql
        self._depth = 0
        self._running: list[CodeType] = []

    def follow(
        self,
        func: FunctionType,
        bound: Bound,
        given: dict[str, Part],
        depth: int,
        *,
        of_item: bool = True,
    ) -> Part:
        """What a function gives, while what it does to files is noted."""
        if func.__code__ in self._running:
            return OF_ITEM
        self._running.append(func.__code__)
        before, self._depth = self._depth, depth
        n_before = len(self.found)
        frame = NameFrame(func, bound, given, self._called, of_item=of_item)
        read_names(frame)
        self.is_text |= frame.is_text
        if "tell" in func.__code__.co_names:  # which says what others have added
            added = [part for use, part in self.found[n_before:] if use == ADDS]
            self.found += [(LOOKS, part) for part in added]
        self._depth = before
        self._running.pop()
        gives_later = func.__code__.co_flags & _GIVES_LATER
        return OF_ITEM if gives_later or frame.gives is None else frame.gives

    def _called(self, called: Part, passed: list[Part], named: dict[str, Part]) -> Part:
        """What a call gives."""
        name = public_name_of(called.known) if callable(called.known) else ""
        of_whole = called.owner if called.label in _OF_TEXTS else None
        if called.label == ".write" and passed:
            of_whole = passed[0]
        self.is_text |= of_whole is not None and is_argument(of_whole)
        self._note(called, name, passed, named)
        result = self._result_of_helper(called, passed, named)
        if result is None:
            self._follow_passed([*passed, *named.values()])
            result = _result(called, name, passed, named)
        return result

    def _result_of_helper(
        self, called: Part, passed: list[Part], named: dict[str, Part]
    ) -> Part | None:
        """What one of the project's functions gives; None: it is none, or that is not told."""
        helper = self._helper(called)
        if helper is None or not self._depth:
            return None
        func, bound, first = helper
        given = _given(func, bound, [*first, *passed], named)
        if given is None:
            return None
        self.reached.add(func)
        given |= called.closure or {}
        result = self.follow(func, bound, given, self._depth - 1, of_item=False)
        is_expression = func.__name__ == "<genexpr>"  # whose values are those it goes through
        return None if is_expression else result

    def _follow_passed(self, passed: list[Part]) -> None:
        """Note what functions that the code makes do, if others are to call them."""
        for part in passed if self._depth else ():
            if part.closure is not None:
                no_arguments = {"": Part(), **part.closure}
                self.follow(part.known, NOTHING, no_arguments, self._depth - 1, of_item=False)

    def _note(self, called: Part, name: str, passed: list[Part], named: dict[str, Part]) -> None:
        """Note what a call does to files."""

        def at(place: int, keyword: str) -> Part:
            return passed[place] if 0 <= place < len(passed) else named.get(keyword, _NOTHING)

        method, owner = called.label, called.owner
        if owner is not None and owner.kind == PATH and method in METHODS_OF_PATHS:
            uses = _by_mode(at(0, "mode")) if method == ".open" else [METHODS_OF_PATHS[method]]
            self.found += [(use, owner) for use in uses]
            if method in (".rename", ".replace"):
                self.found.append((CHANGES, at(0, "target")))
        if owner is not None and method in SAVING and called.known is MISSING:
            is_adding = _by_mode(at(-1, "mode")) == [ADDS]
            self.found.append((ADDS if is_adding else CHANGES, at(0, "path_or_buf")))
        self.found += uses_of(name, at, _by_mode, self._by_sql)

    def _helper(self, called: Part) -> tuple[FunctionType, Bound, list[Part]] | None:
        """The function of the project that is called, and what is passed before its arguments."""
        known, first = called.known, []
        if known is MISSING and called.owner is not None and called.owner.known is not MISSING:
            known = raw(member(type(called.owner.known), called.label[1:]))
            first = [] if type(known) is staticmethod else [called.owner]
            known = plain(known) if type(known) is staticmethod else known
            if type(known) is not FUNCTION:
                return None
        if known is MISSING or not callable(known) or issubclass(type(known), type):
            return None
        func, bound = with_arguments(known)
        return None if func is None or not self._owns(func) else (func, bound, first)


def _by_mode(mode: Part, opener: str = "") -> list[str]:
    """What opening a file may do to it; a mode that is chosen as items come may be any."""
    if type(mode.known) is not str:
        return [LOOKS] if mode is _NOTHING else [CHANGES]
    use = by_mode((None, mode.known), opener)
    return [ADDS, LOOKS] if use == ADDS and "+" in mode.known else [use]


def _given(
    func: FunctionType, bound: Bound, passed: list[Part], named: dict[str, Part]
) -> dict[str, Part] | None:
    """The arguments of a helper by their names; None where that is not told."""
    code = func.__code__
    by_place = code.co_varnames[bound.n_first : code.co_argcount]
    if len(passed) > len(by_place):
        return None
    return {**dict(zip(by_place, passed, strict=False)), **named}


def _result(called: Part, name: str, passed: list[Part], named: dict[str, Part]) -> Part:
    """What a function of a library gives, or one that is not known."""
    owner = called.owner or Part()
    if (taken := _part_taken(called, name, passed, named)) is not None:
        return taken
    everything = together(owner, called, *passed, *named.values())
    if name.startswith(_UNIQUE):
        return Part(frozenset((UNIQUE,)), kind=PATH if _is_path_class(called.known) else "")
    is_listing = name in _LISTING or (owner.kind == PATH and called.label in _LISTING_PATHS)
    is_apart = is_of_item(everything.tags) or everything.tags & {UNIQUE, DIGEST}
    if is_listing and not is_apart:
        return Part(frozenset((LISTED,)))
    if name in _COUNTING and LISTED in everything.tags:
        return Part(frozenset((COUNTED,)))
    if name == "divmod" and len(passed) == 2:
        return divided(*passed)
    first = passed[0] if passed else Part()
    if name in _MERGING or (name == "int" and first.kind == FLOAT):
        kept = together(*passed).replace(label=first.label)
        return merged(kept, "", "", f"{name}({first.label})")
    if called.label == ".get" and type(owner.known) is dict and passed:
        return looked_up(owner, first)
    if called.label in (".hexdigest", ".digest"):
        digest = {DIGEST} if is_of_item(everything.tags) else set()
        return Part(everything.tags - {ITEM} | digest)
    if name == "range":
        return Part(everything.tags or frozenset((TRIED,)))
    return _made(called, owner, name, everything, first)


def _part_taken(called: Part, name: str, passed: list[Part], named: dict[str, Part]) -> Part | None:
    """The part of the item that a call plainly takes; None: it does something else."""
    constants = [one.known for one in passed if type(one.known) in (str, int)]
    owner, method = called.owner, called.label[1:]
    if owner is not None and owner.way is not None and called.label[:1] == ".":
        if named or len(constants) != len(passed):
            return None
        if method == "get" and constants:
            return part_of(owner, ASKED, *constants)
        if method in item_paths.METHODS_OF_TEXTS and owner.kind != PATH:
            return part_of(owner, METHOD, method, *constants).replace(label=f".{method}(...)")
        if method in item_paths.METHODS_OF_PATHS and owner.kind == PATH:
            return part_of(owner, METHOD, method, *constants).replace(kind=PATH)
    if not passed or passed[0].way is None or named:
        return None
    if name == "getattr" and len(passed) == 2 and constants:
        return part_of(passed[0], ATTRIBUTE, *constants)
    module, _, function = name.rpartition(".")
    if len(passed) > 1 or passed[0].kind == PATH:
        return None
    if module == "posixpath" and function in item_paths.FUNCTIONS_OF_PATHS:
        return part_of(passed[0], OF_PATH, function)
    return part_of(passed[0], AS_PATH).replace(kind=PATH) if _is_path_class(called.known) else None


def _made(called: Part, owner: Part, name: str, everything: Part, first: Part) -> Part:
    """What a function gives that keeps items as much apart as its arguments do."""
    kind = FLOAT if name == "float" else ""
    if _is_path_class(called.known) or called.kind == PATH:
        kind = PATH
    elif name in _MAKING_TEXTS or called.label in _TEXTS:
        kind = TEXT
    if everything.tags or kind:
        label = first.label if name in ("str", "int", "repr") else f"{name or called.label}(...)"
        return everything.replace(kind=kind, label=label)
    module = own(called.known, "__module__") if called.known is not MISSING else None
    is_plain = module in _PLAIN and name not in _READING
    is_of_text = owner.kind in (TEXT, PATH) and not called.label.startswith(".read")
    return everything if is_plain or is_of_text else OF_ITEM


def _is_path_class(known: Any) -> bool:
    """Whether it is a class whose instances are paths."""
    return issubclass(type(known), type) and is_path(known)
