"""Pickles exceptions completely: pickle drops their causes."""

from __future__ import annotations

from amorsize._host.signals import let_through
from amorsize._workers import tracebacks
from amorsize._workers.serialization import dumps, loads, short_repr, short_text
from amorsize.errors import RemoteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.framing import Piece

#: Characters of a traceback or message that is sent with the exception.
TEXT_LENGTH = 20_000
#: Causes, contexts and members of groups that are sent with an exception.
MOST_LINKS = 10_000
#: In place of the number of an exception that was not sent.
CUT = -1
MORE = f"over {MOST_LINKS} exceptions led to this one; those before were not sent"


def pack_error(error: BaseException) -> bytes:
    """An exception as bytes, with its causes and its traceback; they can always be unpickled."""
    return dumps((_as_plain(error), shortened(_traceback_text(error))))


def unpack_error(data: Piece) -> tuple[BaseException, str]:
    """The exception, with the text of its traceback in the worker."""
    plain, text = loads(data)
    return _from_plain(plain), text


def _as_plain(error: BaseException) -> list[tuple[Any, ...]]:
    """An exception and all that it came from as plain values: pickle drops that.

    They name each other by number, so that neither a long chain nor one that leads back to itself
    needs recursion.
    """
    family = tracebacks.family_of(error, MOST_LINKS)
    numbers = {id(one): number for number, one in enumerate(family)}
    in_groups = {id(member) for one in family for member in tracebacks.members_of(one)}
    return [_one_as_plain(one, numbers, is_member=id(one) in in_groups) for one in family]


def _one_as_plain(
    error: BaseException, numbers: dict[int, int], *, is_member: bool
) -> tuple[Any, ...]:
    kind = type(error)
    told = shortened(f"{kind.__module__}.{kind.__qualname__}: {short_text(error)}")
    data, why = (b"", None) if is_member else _packed_alike(error)  # its group has it
    if why is not None:
        data = dumps(_stand_in(told, why))
    links = [
        None if one is None else numbers.get(id(one), CUT)
        for one in (error.__cause__, error.__context__)
    ]
    members = [numbers.get(id(one), CUT) for one in tracebacks.members_of(error)]
    places = tracebacks.places_of(error.__traceback__)
    return data, told, places, error.__suppress_context__, links, members


def _from_plain(family: list[tuple[Any, ...]]) -> BaseException:
    """The exception that `_as_plain` was given."""
    made: dict[int, BaseException] = {}
    for number, (packed, told, *_) in enumerate(family):
        if packed:
            _keep_with_members(number, _loaded(packed, told), family, made)
    for number, (_, told, *_) in enumerate(family):
        if number not in made:
            made[number] = _stand_in(told, "the group that it is in could not be rebuilt")
    for number, (_, _, places, suppresses, links, _) in enumerate(family):
        cause, context = (_linked(one, made) for one in links)
        tracebacks.give(
            made[number],
            __traceback__=tracebacks.made_of(places),
            __cause__=cause,
            __context__=context,
            __suppress_context__=suppresses,
        )
    return made[0]


def _keep_with_members(
    number: int, error: BaseException, family: list[tuple[Any, ...]], made: dict[int, BaseException]
) -> None:
    """Number an exception, and those that came in its pickle because it is a group."""
    left = [(number, error)]
    while left:
        number, error = left.pop()
        if number != CUT and number not in made:
            made[number] = error
            left += zip(family[number][-1], tracebacks.members_of(error), strict=False)


def _linked(number: int | None, made: dict[int, BaseException]) -> BaseException | None:
    if number is None:
        return None
    return RemoteError(MORE) if number == CUT else made[number]


def _loaded(packed: bytes, told: str) -> BaseException:
    try:
        error: BaseException = loads(packed)
    except Exception as failure:  # only the worker has its class, for example
        let_through(failure)
        error = _stand_in(told, f"{type(failure).__name__}: {failure}")
    return error


def _packed_alike(error: BaseException) -> tuple[bytes, str | None]:
    """Bytes that unpickle to an equal exception, or the reason why there are none.

    Pickle calls the class with `args`. A constructor with other parameters may refuse them or
    misunderstand them; then the exception is made without its constructor.
    """
    why = None
    for value in (error, Bare(error)):
        try:
            data = dumps(value)
            rebuilt = loads(data)
            if type(rebuilt) is type(error) and dumps(rebuilt.args) == dumps(error.args):
                return data, None
            why = why or f"it was rebuilt as {short_repr(rebuilt)}"
        except Exception as failure:
            why = why or f"{type(failure).__name__}: {failure}"
    return b"", why


class Bare:
    """Pickles an exception as its class, its arguments and its attributes."""

    __slots__ = ("_error",)

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __reduce__(self) -> tuple[Any, ...]:
        error, args = self._error, self._error.args
        if isinstance(error, BaseExceptionGroup):
            args = (error.message, [Bare(one) for one in error.exceptions])
        return _bare, (type(error), args, error.__dict__)


def _bare(kind: type[BaseException], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    error = kind.__new__(kind, *args)
    BaseException.args.__set__(error, args)  # type: ignore[attr-defined]  # whatever its class does
    error.__dict__.update(state)
    return error


class kept_error:  # noqa: N801 - is called like a function, for what arrives in its place
    """An exception that is a result: arrives with its traceback, or as a stand-in."""

    __slots__ = ("_plain",)

    def __init__(self, error: BaseException) -> None:
        self._plain = _as_plain(error)

    def __reduce__(self) -> tuple[Any, ...]:
        return _from_plain, (self._plain,)


def shortened(text: str) -> str:
    """The beginning and the end of a long text."""
    if len(text) <= TEXT_LENGTH:
        return text
    half = TEXT_LENGTH // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters ...]\n{text[-half:]}"


def _stand_in(told: str, why: str) -> RemoteError:
    return RemoteError(
        f"{told} (raised in a worker process; the exception itself cannot travel: {why})"
    )


def _traceback_text(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
