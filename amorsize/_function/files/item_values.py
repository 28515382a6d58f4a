"""Calls what gives the same for the same plain values: `int`, `re.match`, `text.lower`.

No code of the program runs: neither in a function, nor in a value that is handed to one.
"""

from __future__ import annotations

import operator

from amorsize._function.callables import CELL, FUNCTION, public_name_of
from amorsize._function.plain_values import PLAIN, is_plain
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

#: Functions that give the same for the same values, and neither change nor ask anything else.
FUNCTIONS = {
    *("int", "float", "ord", "chr", "str", "repr", "bytes", "hex", "bin", "oct", "format", "bool"),
    *("sorted", "min", "max", "sum", "pow", "len", "abs", "round", "divmod", "list", "tuple"),
    *("re.match", "re.search", "re.fullmatch", "re.findall", "re.split", "re.sub", "re.escape"),
    *("re.Pattern.match", "re.Pattern.search", "re.Pattern.fullmatch", "re.Pattern.findall"),
    *("re.Pattern.split", "re.Pattern.sub"),
    *("datetime.strptime", "datetime.fromisoformat", "datetime.fromtimestamp"),
    *("datetime.utcfromtimestamp", "datetime.combine", "datetime.datetime", "datetime.date"),
    *("date.fromisoformat", "date.fromtimestamp", "date.fromordinal", "datetime.timedelta"),
    *("time.strftime", "time.gmtime", "time.localtime", "time.mktime"),
    *("urllib.parse.urlparse", "urllib.parse.urlsplit", "urllib.parse.quote"),
    *("urllib.parse.quote_plus", "urllib.parse.unquote", "urllib.parse.unquote_plus"),
    *("urllib.parse.parse_qs", "urllib.parse.parse_qsl", "urllib.parse.urljoin"),
    *("posixpath.join", "posixpath.normpath", "posixpath.basename", "posixpath.dirname"),
    *("posixpath.splitext", "posixpath.split", "posixpath.abspath", "os.fspath"),
    *("json.loads", "json.dumps", "base64.b64encode", "base64.urlsafe_b64encode"),
    *("base64.b64decode", "base64.urlsafe_b64decode", "html.unescape", "html.escape"),
    *("textwrap.shorten", "unicodedata.normalize", "int.from_bytes", "zlib.crc32"),
    *("binascii.crc32", "zlib.adler32", "binascii.hexlify", "str.maketrans", "shlex.split"),
}
#: Types whose values may be handed to them if those inside may.
_SEQUENCES = {list, tuple}
#: The types of what `keys()`, `values()` and `items()` of a dict give.
VIEWS = frozenset(map(type, ({}.keys(), {}.values(), {}.items())))
#: Types of what functions of the standard library give.
_RESULTS = {
    *(("urllib.parse", "ParseResult"), ("urllib.parse", "SplitResult"), ("time", "struct_time")),
}
#: Methods of times that ask the clock.
_ASKING = {"now", "utcnow", "today"}
#: Methods of paths that neither ask the world nor change it, or only ask where they are.
_OF_PATHS = {
    *("with_suffix", "with_name", "with_stem", "joinpath", "relative_to", "as_posix", "as_uri"),
    *("is_absolute", "is_relative_to", "match", "resolve", "absolute", "expanduser"),
}
#: Methods of plain containers that only look.
_LOOKING = {"get", "index", "count", "copy", "keys", "values", "items"}


#: The name of the argument that a comprehension iterates over.
ITERATED = ".0"
#: Packages whose objects make their own texts without running code of the program.
_TRUSTED = {"numpy", "pandas", "datetime", "decimal", "fractions", "uuid", "pathlib", "ipaddress"}
#: Values that have the same text as other values.
_TOO_LARGE = {"ndarray", "DataFrame", "Series"}


class UnknownPartError(Exception):
    """What lies there can only be had by running the program's code."""


class Given(Value):
    """A value of the program that is the same for all items."""

    value: Any
    label: str

    def __eq__(self, other: object) -> bool:
        return type(other) is Given and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)

    def __repr__(self) -> str:
        return self.label


class Known(Value):
    """A function that is called to see what it gives."""

    name: str
    call: Callable[..., Any]
    named: tuple[str, ...] = ()  # the names of its last arguments

    def __eq__(self, other: object) -> bool:
        return type(other) is Known and (self.name, self.named) == (other.name, other.named)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return self.name

    def spelled(self, arguments: Sequence[tuple[str, bool]]) -> str:
        """A call as code would write it; each argument comes with whether all items have it."""
        texts = [text for text, _ in arguments]
        if self in (TEXT_OF, PATH_OF, FILLED, PERCENT):
            return ", ".join(text for text, is_same in arguments if not is_same)
        if self.name == METHOD_OF.name:
            return f"{texts[0]}.{texts[1]}({', '.join(texts[2:])})"
        if self == GONE_THROUGH:
            return f"[... for ... in {texts[1]}]"
        if self == LOOKED_UP:
            return f"{texts[0]}[{texts[1]}]"
        if self.name == "/":
            return " / ".join(text for text, is_same in arguments if not is_same)
        if self in OPERATORS.values() or self == FIRST_TRUE:
            return f" {self.name} ".join(texts)
        return f"{self.name}({', '.join(texts)})"


def known_function(function: Any, named: tuple[str, ...] = ()) -> Known | None:
    """A function of a library, if it may be called to see what it gives."""
    name = public_name_of(function) if callable(function) else ""
    is_known = name in FUNCTIONS or (type(function) is type(str.strip) and name[:4] == "str.")
    return Known(name=name, call=function, named=named) if is_known else None


def called(known: Known, values: Sequence[Any]) -> Any:
    """What a known function gives.

    Raises:
        UnknownPartError: One of the values may run code of the program.
    """
    if not all(map(is_harmless, values[1:] if known in _OF_PROGRAM else values)):
        raise UnknownPartError
    n_by_place = len(values) - len(known.named)
    named = dict(zip(known.named, values[n_by_place:], strict=True))
    return known.call(*values[:n_by_place], **named)


def method_of(value: Any, name: str) -> Callable[..., Any]:
    """A method that changes nothing, and gives the same for the same values.

    Raises:
        UnknownPartError: It may run code of the program, or do more.
    """
    kind = type(value)
    if kind in {list, tuple, dict}:
        looks = name in _LOOKING
    elif kind.__module__.partition(".")[0] == "pathlib":
        looks = name in _OF_PATHS
    else:
        looks = name not in _ASKING
    if not looks or name.startswith("_") or not is_harmless(value):
        raise UnknownPartError
    found: Callable[..., Any] = getattr(value, name)
    return found


def text_of(*pieces: Any) -> str:
    """A text that is put together from several values."""
    return "".join(map(str, pieces))


def method(value: Any, name: str, *arguments: Any, **named: Any) -> Any:
    """What a method gives."""
    return method_of(value, name)(*arguments, **named)


def known_method(named: tuple[str, ...]) -> Known:
    """A method that is called with arguments of these names."""
    return METHOD_OF.replace(named=named)


def is_harmless(value: Any) -> bool:
    """Whether no code of the program runs when it is asked for something, or compared."""
    kind = type(value)
    if kind in PLAIN:
        return True
    if kind in _SEQUENCES or kind in VIEWS:
        return all(map(is_harmless, value))
    if kind is dict:
        return all(map(is_harmless, (*value, *value.values())))
    name = kind.__module__, kind.__name__
    return kind.__module__ in ("re", "_decimal") or is_trusted(value) or name in _RESULTS


def _path(*parts: Any) -> Any:
    from pathlib import Path

    return Path(*parts)


def _looked_up(table: Any, key: Any) -> Any:
    if type(table) not in (dict, list, tuple, str):
        raise UnknownPartError
    return table[key]


def _gone_through(comprehension: Any, value: Any, *held: Any) -> list[Any]:
    """What a comprehension of the program makes, which is known to change nothing."""
    if not all(map(is_plain, (*_elements(value), *held))):
        raise UnknownPartError
    code = comprehension.__code__
    n_cells = len(code.co_freevars)
    passed = [*held[n_cells:]]
    passed.insert(code.co_varnames.index(ITERATED), iter(value))
    cells = tuple(map(CELL, held[:n_cells]))
    return list(FUNCTION(code, comprehension.__globals__, closure=cells)(*passed))


def _mapped(function: Any, value: Any) -> list[Any]:
    return list(map(function, _elements(value)))


def _filtered(function: Any, value: Any) -> list[Any]:
    return list(filter(function, _elements(value)))


def _elements(value: Any) -> Any:
    if type(value) not in (str, list, tuple, dict, *VIEWS):
        raise UnknownPartError
    return value


def is_trusted(value: Any) -> bool:
    """Whether a value makes its text without running code of the program."""
    kind = type(value)
    return kind.__module__.partition(".")[0] in _TRUSTED and kind.__name__ not in _TOO_LARGE


#: What code does without naming a function for it.
TEXT_OF = Known(name="text", call=text_of)
METHOD_OF = Known(name="method", call=method)
PATH_OF = Known(name="Path", call=_path)
FILLED = Known(name="format", call=str.format)
PERCENT = Known(name="%", call=lambda template, *values: template % values)
LOOKED_UP = Known(name="table", call=_looked_up)
GONE_THROUGH = Known(name="comprehension", call=_gone_through)
MAPPED = Known(name="map", call=_mapped)
FILTERED = Known(name="filter", call=_filtered)
#: Those of which the first value is the program's: a table, code or a function that is known.
_OF_PROGRAM = {LOOKED_UP, GONE_THROUGH, MAPPED, FILTERED}
FIRST_TRUE = Known(name="or", call=lambda one, other: one or other)
#: Binary operators by their numbers in bytecode.
OPERATORS = {
    0: Known(name="+", call=operator.add),
    5: Known(name="*", call=operator.mul),
    7: Known(name="|", call=operator.or_),
    10: Known(name="-", call=operator.sub),
    11: Known(name="/", call=operator.truediv),
    12: Known(name="^", call=operator.xor),
}
