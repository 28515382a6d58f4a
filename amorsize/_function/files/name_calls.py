"""Tells what calls give that are parts of a name."""

from __future__ import annotations

from functools import reduce

from amorsize._function.callables import MISSING, is_class, own
from amorsize._function.files import item_paths
from amorsize._function.files.changing_programs import words_of_text
from amorsize._function.files.item_paths import (
    AS_PATH,
    ASKED,
    ATTRIBUTE,
    EACH,
    METHOD,
    OF_PATH,
    PARSED,
)
from amorsize._function.files.item_values import PATH_OF, is_harmless, known_function, known_method
from amorsize._function.files.name_arithmetic import IN_BRACES, divided, formatted, looked_up
from amorsize._function.files.name_parts import (
    COUNTED,
    COUNTED_UP,
    DIGEST,
    FILE,
    FLOAT,
    LISTED,
    NUMBER,
    NUMBERED,
    PATH,
    TEXT,
    TREE,
    UNIQUE,
    UNKNOWN,
    Part,
    constant,
    in_folder,
    is_of_item,
    is_path,
    joined,
    made,
    merged,
    part_of,
    together,
)
from amorsize._function.files.names_of_others import LISTING, LISTING_PATHS
from amorsize._function.library.changes import OPENING_BY_MODE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Functions that give the same for many values.
_MERGING = {"round", "len", "hash", "abs", "bool", "any", "all", "isinstance"}
_MERGING |= {"math.floor", "math.ceil", "math.trunc"}
#: Functions that tell how many values something has.
_COUNTING = {"len", "sum", "max"}
#: Beginnings of the names of functions that give what nothing else has.
_UNIQUE = (
    *("uuid.", "tempfile.", "os.getpid", "posix.getpid", "random.Random.", "random.SystemRandom."),
    *("random.getrandbits", "random.random", "secrets.", "os.urandom"),
    *("threading.", "_thread.", "itertools.count", "time.time_ns", "time.monotonic_ns"),
    *("time.perf_counter", "io.BytesIO", "io.StringIO"),
)
#: Of these, those of functions that give the same for all items, or for the same values.
_NOT_UNIQUE = ("tempfile.gettemp", "uuid.uuid3", "uuid.uuid5", "uuid.getnode")
#: Beginnings of the names of functions that tell the time, often the same one for many items.
_TELLING_TIME = ("time.", "datetime.", "date.")
#: Methods that give a text.
_TEXTS = {
    *(".format", ".join", ".lower", ".upper", ".strip", ".lstrip", ".rstrip", ".replace"),
    *(".title", ".casefold", ".zfill", ".as_posix", ".decode", ".capitalize", ".removesuffix"),
    *(".isalpha", ".isdigit", ".startswith", ".endswith", ".hexdigest"),
}
#: Those of them whose object must be a text.
OF_TEXTS = _TEXTS - {".format", ".join", ".as_posix", ".hexdigest", ".decode", ".replace"}
#: Functions that give a text.
_MAKING_TEXTS = {
    *("str", "repr", "format", "hex", "bin", "oct", "chr", "os.fspath", "posixpath.join"),
}
#: Functions and methods that give something else for each value.
_KEEPING = _MAKING_TEXTS | {
    *("float", "bytes", "list", "tuple", "dict", "enumerate", "zip", "reversed", "iter", "vars"),
    *("posixpath.abspath", "posixpath.realpath", "os.fsencode", "os.fsdecode", "json.dumps"),
    *("pickle.dumps", "base64.b64encode", "base64.urlsafe_b64encode", "binascii.hexlify"),
    *("urllib.parse.quote", "urllib.parse.quote_plus", "copy.copy", "copy.deepcopy"),
    *("dataclasses.asdict", "dataclasses.astuple", "os.fdopen", "shlex.quote", "sorted"),
}
_KEEPING_METHODS = {
    *(".encode", ".decode", ".hex", ".format", ".join", ".as_posix", ".joinpath", ".resolve"),
    *(".absolute", ".expanduser", ".rjust", ".ljust", ".center", ".zfill", ".copy", ".items"),
    *(".values", ".keys", ".isoformat", ".tobytes", ".tolist", ".as_uri", ".append", ".open"),
}
#: Of these, those that give the same path, or one below it.
_SAME_TEXTS = {"str", "os.fspath", "posixpath.join", "posixpath.abspath", "posixpath.realpath"}
_SAME_PATHS = {".joinpath", ".as_posix", ".resolve", ".absolute", ".expanduser"}
_NUMBER = Part(frozenset((COUNTED_UP,)))
#: Beginnings of the names of functions that make digests.
_DIGESTING = ("hashlib.", "_hashlib.", "_blake2.", "_md5.", "_sha", "_sha3.", "uuid.uuid")
#: Functions whose results are documents that can be written to a file.
_TREES = {"xml.etree.ElementTree.parse", "xml.etree.ElementTree.ElementTree"}
#: Functions whose results are open files.
_OPENING = {"os.fdopen", "io.BytesIO", "io.StringIO"} | OPENING_BY_MODE
#: Modules whose functions give the same for the same values.
_PLAIN = {"builtins", "posixpath", "genericpath", "pathlib", "math", "operator", "posix", "os"}
#: Of these, functions that read what exists under a name.
_READING = ("io.open", "os.environ", "os.getenv", "input", "next")


def result_of(called: Part, name: str, passed: list[Part], named: dict[str, Part]) -> Part:
    """What a call gives of a library's function, or of an unknown one."""
    owner = called.owner or Part()
    if (taken := _part_taken(called, name, passed, named)) is not None:
        return taken
    if (text := _text_of_pieces(called, owner, name, passed)) is not None and not named:
        return text
    everything = together(owner, called, *passed, *named.values())
    if name.startswith(_UNIQUE) and not name.startswith(_NOT_UNIQUE):
        kind = PATH if _is_path_class(called.known) else FILE if name in _OPENING else ""
        return Part(frozenset((UNIQUE,)), kind=kind)
    is_listing = name in LISTING or (owner.kind == PATH and called.label in LISTING_PATHS)
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
        return merged(kept, NUMBER, "", f"{name}({first.label})")
    if called.label == ".get" and type(owner.known) is dict and passed:
        return looked_up(owner, first)
    if called.label in (".hexdigest", ".digest"):
        digest = {DIGEST} if is_of_item(everything.tags) else set()
        return Part(everything.tags | digest)
    if name == "range":
        return Part(frozenset((COUNTED_UP,)) | (everything.tags & {LISTED, COUNTED}))
    if name == "enumerate":
        return everything.replace(parts=(_NUMBER, part_of(first, EACH)), kind=NUMBERED)
    if (exact := _exactly(called, owner, passed, named)) is not None:
        return exact.replace(kind=_kind_of(called, name), label=_label(called, name, first))
    given = _made(called, owner, name, everything, first)
    if called.label == ".with_suffix" and passed:
        return given.replace(pieces=_with_ending(owner.pieces, passed[0].known))
    below = _below(called, owner, name, passed)
    return given.replace(pieces=reduce(in_folder, below).pieces) if below else given


def _below(called: Part, owner: Part, name: str, passed: list[Part]) -> list[Part]:
    """The parts of a path, or of its text, one below the other; none of another value."""
    if called.label in _SAME_PATHS:
        return [owner, *passed]
    return passed if name in _SAME_TEXTS or _is_path_class(called.known) else []


def _with_ending(pieces: tuple[Part, ...], ending: Any) -> tuple[Part, ...]:
    """The pieces of a path with another ending; none if its own ending depends on the item."""
    last = pieces[-1].known if pieces and not pieces[-1].tags else MISSING
    if type(ending) is not str or type(last) is not str or "." not in last:
        return ()
    return (*pieces[:-1], constant(last.rpartition(".")[0] + ending))


def _exactly(called: Part, owner: Part, passed: list[Part], named: dict[str, Part]) -> Part | None:
    """What a call gives that is made to see its result; None: its arguments are not known."""
    values = [*passed, *named.values()]
    if _is_path_class(called.known):
        return None if named else made(PATH_OF, *values)
    if (known := known_function(called.known, tuple(named))) is not None:
        return made(known, *values)
    is_method = called.known is MISSING and called.label[:1] == "."
    if not is_method or (owner.way is None and not is_harmless(owner.known)):
        return None
    return made(known_method(tuple(named)), owner, constant(called.label[1:]), *values)


def _label(called: Part, name: str, first: Part) -> str:
    return first.label if name in ("str", "int", "repr") else f"{name or called.label}(...)"


def _kind_of(called: Part, name: str) -> str:
    """What a call's result plainly is."""
    if name in _OPENING or (called.label == ".open" and name not in _OPENING):
        return FILE
    if _is_path_class(called.known) or called.kind == PATH:
        return PATH
    if name in _TREES:
        return TREE
    if name in _MAKING_TEXTS or called.label in _TEXTS:
        return TEXT
    return FLOAT if name == "float" else ""


def _text_of_pieces(called: Part, owner: Part, name: str, passed: list[Part]) -> Part | None:
    """A text that is put together from others, or its words; None: the call does something else."""
    if called.label == ".format" and type(owner.known) is str:
        return formatted(owner, passed, IN_BRACES)
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
    if not _is_path_class(called.known):
        return None
    path = part_of(passed[0], AS_PATH).replace(kind=PATH)
    return path.replace(tags=passed[0].tags) if passed[0].kind == TEXT else path


def _made(called: Part, owner: Part, name: str, everything: Part, first: Part) -> Part:
    """What a function gives, found without calling it."""
    kind, label = _kind_of(called, name), _label(called, name, first)
    everything = everything.replace(kind=kind, label=label)
    is_kept = name in _KEEPING or name.startswith(_DIGESTING) or called.label in _KEEPING_METHODS
    if is_kept or kind in (PATH, FILE, TREE):
        return everything
    if everything.tags:
        return merged(everything, "", "", label).replace(kind=kind)
    module = own(called.known, "__module__") if called.known is not MISSING else None
    is_plain = (module in _PLAIN and name not in _READING) or name.startswith(_DIGESTING)
    is_of_text = owner.kind in (TEXT, PATH) and not called.label.startswith(".read")
    if is_plain or is_of_text:
        return everything
    if name.startswith(_TELLING_TIME):
        return Part(frozenset(((NUMBER, "", "the time"),)))
    return UNKNOWN.replace(label=label)


def _is_path_class(known: Any) -> bool:
    """Whether it is a class whose instances are paths."""
    return is_class(known) and is_path(known)
