"""Records as texts: JSON objects, taken for forged until shown otherwise.

The `json` package takes 7 ms to import, mostly for `re`, which a second call would pay for reading
half a kilobyte. Its C half alone, 0.3 ms, is what does the work anyway; `json` where there is none.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

#: The largest record as JSON. A profile takes a few kB.
MAX_RECORD_BYTES = 64 * 1024
#: How deep objects and lists may be nested.
MAX_DEPTH = 32
MAX_KEY_BYTES = 512
#: The least bytes of a text for each nested value: empty lists alone take 30 times their text in
#: memory.
_MIN_BYTES_OF_A_NEST = 32


class RefusedError(Exception):
    """A record is not as it was written; the text says what gave it away."""


def encoded(key: str, record: dict[str, Any]) -> str:
    """The text of a record; TypeError or ValueError if it is not one that can be stored."""
    check_key(key)
    if not isinstance(record, dict):
        raise TypeError(f"it must be a dict, not {type(record).__name__}")
    text = _encode(record)
    if len(text) > MAX_RECORD_BYTES:  # ASCII: JSON escapes the rest
        raise ValueError(f"it takes {len(text)} bytes, more than the {MAX_RECORD_BYTES} allowed")
    return text


def quoted(text: str) -> str:
    """A text as JSON has it."""
    return _quote(text)


def check_key(key: str) -> None:
    """ValueError for what cannot be a key."""
    if type(key) is not str or not 0 < len(key.encode()) <= MAX_KEY_BYTES:
        raise ValueError(f"its key must be a text of 1 to {MAX_KEY_BYTES} bytes, not {key!r:.80}")


def decoded(text: str, *, at_most_bytes: int = MAX_RECORD_BYTES) -> dict[str, Any]:
    """The JSON object that a text is; RefusedError for anything else."""
    if len(text) > at_most_bytes:
        raise RefusedError("it is too large")
    n_nests = text.count("[") + text.count("{")
    if n_nests * _MIN_BYTES_OF_A_NEST > at_most_bytes:
        raise RefusedError("its value has too many parts")
    if n_nests > MAX_DEPTH and _is_too_deep(text):
        raise RefusedError("its value is nested too deeply, or not JSON")
    try:
        record = _decode(text)
    except (ValueError, RecursionError) as error:
        raise RefusedError("its value is not JSON with finite numbers") from error
    if type(record) is not dict:
        raise RefusedError("its value is not a JSON object")
    return record


def _is_too_deep(text: str) -> bool:
    """Whether brackets are nested deeper than `MAX_DEPTH`, or do not match: told before parsing.

    The parser calls itself for each level, and ends the process where a program has raised the
    limit of recursion beyond what its stack holds.
    """
    outside = "".join(text.replace("\\\\", "").replace('\\"', "").split('"')[::2])
    left = outside.translate(_BRACKETS_ALONE)
    for _ in range(MAX_DEPTH):  # each time the innermost level goes
        if not left:
            return False
        left = left.replace("[]", "")
    return bool(left)


class _BracketsAlone(dict[int, "int | None"]):
    """For `str.translate`: one kind of brackets, and no other sign."""

    def __missing__(self, sign: int) -> None:
        return None


_BRACKETS_ALONE = _BracketsAlone(
    {ord(sign): ord(as_) for sign, as_ in zip("[]{}", "[][]", strict=True)}
)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):  # 1e999
        raise ValueError(digits)
    return number


def _of_64_bits(digits: str) -> int:
    if len(digits) > len(str(-(2**63))):
        raise ValueError(digits[:80])
    return int(digits)


# ---- With the C half of json alone ----


class _Context:
    """What `json.JSONDecoder` hands to its scanner."""

    strict = True  # no control characters in texts
    object_hook = object_pairs_hook = None
    parse_float, parse_int = staticmethod(_finite), staticmethod(_of_64_bits)
    parse_constant = staticmethod(_refuse)
    memo: dict[str, str] = {}  # noqa: RUF012 - looked at by no one, asked for by some versions


def _not_json(value: object) -> NoReturn:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _with_c() -> tuple[Callable[[Any], str], Callable[[str], Any], Callable[[str], str]]:
    import _json

    quote = _json.encode_basestring_ascii
    scan = _json.make_scanner(_Context)  # type: ignore[arg-type]  # typeshed: a decoder

    def encode(record: Any) -> str:
        make = _json.make_encoder  # anew each time: it keeps what it is in, also after an error
        return "".join(make({}, _not_json, quote, None, ":", ",", False, False, False)(record, 0))

    def decode(text: str) -> Any:
        text = text.strip(" \t\r\n")
        try:
            value, end = scan(text, 0)
        except (StopIteration, SystemError):  # SystemError: it wants an error of `json`
            raise ValueError("no JSON") from None
        if end != len(text):
            raise ValueError("more than one value")
        return value

    return encode, decode, quote


def _with_json() -> tuple[Callable[[Any], str], Callable[[str], Any], Callable[[str], str]]:
    import json

    def encode(record: Any) -> str:
        return json.dumps(record, allow_nan=False, separators=(",", ":"))

    def decode(text: str) -> Any:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_of_64_bits)

    return encode, decode, encode


def _chosen() -> tuple[Callable[[Any], str], Callable[[str], Any], Callable[[str], str]]:
    """The C half where it works as it does in CPython 3.11 to 3.13, else the package."""
    try:
        encode, decode, quote = _with_c()
        sample = {"a": [1, 2.5, None, True, "\u00e9"], "b": {}}
        if decode(encode(sample)) == sample and decode(f"{{{quote('c')}:0}}") == {"c": 0}:
            return encode, decode, quote
    except (ImportError, AttributeError, TypeError, ValueError):
        pass  # another Python, or a later one
    return _with_json()


_encode, _decode, _quote = _chosen()
