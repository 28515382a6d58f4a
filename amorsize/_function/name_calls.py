"""Tells what calls give that are parts of a name."""

from __future__ import annotations

from amorsize._function import item_paths
from amorsize._function.callables import MISSING, own
from amorsize._function.changing_programs import words_of_text
from amorsize._function.item_paths import AS_PATH, ASKED, ATTRIBUTE, METHOD, OF_PATH, PARSED
from amorsize._function.name_parts import (
    COUNTED,
    DIGEST,
    FLOAT,
    IN_BRACES,
    ITEM,
    LISTED,
    OF_ITEM,
    PATH,
    TEXT,
    TRIED,
    UNIQUE,
    Part,
    divided,
    formatted,
    is_of_item,
    is_path,
    joined,
    looked_up,
    merged,
    part_of,
    together,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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
OF_TEXTS = _TEXTS - {".format", ".join", ".as_posix", ".hexdigest", ".decode", ".replace"}
#: Functions that give one.
_MAKING_TEXTS = {
    *("str", "repr", "format", "hex", "bin", "oct", "chr", "os.fspath", "posixpath.join"),
}
#: Modules whose functions give the same for the same values.
_PLAIN = {"builtins", "posixpath", "genericpath", "pathlib", "math", "operator", "posix", "os"}
#: Of these, functions that give what the world has for a name.
_READING = ("io.open", "os.environ", "os.getenv", "input")


def result_of(called: Part, name: str, passed: list[Part], named: dict[str, Part]) -> Part:
    """What a function of a library gives, or one that is not known."""
    owner = called.owner or Part()
    if (taken := _part_taken(called, name, passed, named)) is not None:
        return taken
    if (text := _text_of_pieces(called, owner, name, passed)) is not None and not named:
        return text
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


def _text_of_pieces(called: Part, owner: Part, name: str, passed: list[Part]) -> Part | None:
    """A text that is put together from others, or its words; None: the call does something else."""
    if called.label == ".format" and type(owner.known) is str:
        return formatted(owner.known, passed, IN_BRACES)
    if called.label == ".join" and owner.kind == TEXT and passed and passed[0].parts:
        first, *others = passed[0].parts
        return joined(first, *(part for one in others for part in (owner, one)))
    splits = called.label == ".split" and not passed
    text = passed[0] if name == "shlex.split" and passed else owner if splits else Part()
    if text.pieces or type(text.known) is str:
        return together(text).replace(parts=words_of_text(text))
    return None


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
        if method in item_paths.METHODS_OF_TIMES and owner.kind != PATH:
            return part_of(owner, METHOD, method, *constants).replace(label=f".{method}(...)")
        if method in item_paths.METHODS_OF_PATHS:
            return part_of(owner, METHOD, method, *constants).replace(kind=PATH)
    if not passed or passed[0].way is None or named:
        return None
    if name == "getattr" and len(passed) == 2 and constants:
        return part_of(passed[0], ATTRIBUTE, *constants)
    module, _, function = name.rpartition(".")
    if len(passed) > 1 or passed[0].kind == PATH:
        return None
    if name == "json.loads":
        return part_of(passed[0], PARSED)
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
