"""Pickles exceptions completely: pickle drops their causes."""

from __future__ import annotations

from amorsize._host.signals import in_words, reraise_from_handler, short_text
from amorsize._workers.messages import tracebacks
from amorsize._workers.messages.pickling_apart import dumps_without, loads_with
from amorsize._workers.messages.serialization import dumps, loads, short_repr
from amorsize.errors import RemoteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._workers.messages.framing import Piece

#: Characters of a traceback or message that is sent with the exception.
TEXT_LENGTH = 20_000
#: Causes, contexts and members of groups that are sent with an exception.
MOST_LINKS = 10_000
#: In place of the number of an exception that was not sent.
CUT = -1
MORE = f"over {MOST_LINKS} exceptions led to this one; those before were not sent"


def pack_error(error: BaseException) -> bytes:
    """An exception as bytes, with its causes and its traceback; they can always be unpickled."""
    return dumps((as_plain(error), shortened(_traceback_text(error))))


def unpack_error(data: Piece) -> tuple[BaseException, str]:
    """The exception, with the text of its traceback in the worker."""
    plain, text = loads(data)
    return from_plain(plain), text


def as_plain(error: BaseException) -> list[tuple[Any, ...]]:
    """An exception with its causes as plain values, as pickle drops the causes.

    Exceptions refer to each other by number, so neither a long chain nor a cycle needs recursion.
    Groups refer to their members by number too: one that cannot be sent is replaced alone.
    """
    family = tracebacks.family_of(error, MOST_LINKS)
    numbers = {id(one): number for number, one in enumerate(family)}
    return [_one_as_plain(one, numbers) for one in family]


def _one_as_plain(error: BaseException, numbers: dict[int, int]) -> tuple[Any, ...]:
    kind = type(error)
    told = shortened(f"{kind.__module__}.{kind.__qualname__}: {short_text(error)}")
    links = [
        None if one is None else numbers.get(id(one), CUT)
        for one in (error.__cause__, error.__context__)
    ]
    members = tracebacks.members_of(error)
    apart = {numbers[id(one)]: one for one in members if id(one) in numbers}
    member_numbers = [numbers.get(id(one), CUT) for one in members]
    data, why = _packed_alike(error, apart)
    if why is not None:
        data = dumps_without(_remote_error(told, why, _numbered(member_numbers, apart)), apart)
    places = tracebacks.places_of(error.__traceback__)
    return data, told, places, error.__suppress_context__, links, member_numbers


def from_plain(family: list[tuple[Any, ...]]) -> BaseException:
    """The exception that `as_plain` was given."""
    made = _all_made(family)
    for number, (_, _, places, suppresses, links, _) in enumerate(family):
        cause, context = (None if one is None else _numbered([one], made)[0] for one in links)
        tracebacks.give(
            made[number],
            __traceback__=tracebacks.made_of(places),
            __cause__=cause,
            __context__=context,
            __suppress_context__=suppresses,
        )
    return made[0]


def _all_made(family: list[tuple[Any, ...]]) -> dict[int, BaseException]:
    """The exceptions by number; each group is made after its members."""
    made: dict[int, BaseException] = {}
    left = list(range(len(family)))
    while left:
        packed, told, *_, members = family[left[-1]]
        if missing := [one for one in members if one != CUT and one not in made]:
            left += missing
        elif (number := left.pop()) not in made:
            made[number] = _loaded(packed, told, members, made)
    return made


def _numbered(numbers: list[int], made: dict[int, BaseException]) -> list[BaseException]:
    """The exceptions of these numbers; a stand-in for each that was not sent."""
    return [RemoteError(MORE) if one == CUT else made[one] for one in numbers]


def _loaded(
    packed: bytes, told: str, members: list[int], made: dict[int, BaseException]
) -> BaseException:
    try:
        error: BaseException = loads_with(packed, made if members else {})
    except Exception as failure:  # only the worker has its class, for example
        reraise_from_handler(failure)
        why = in_words(failure)
        error = _remote_error(told, why, _numbered(members, made))
    return error


def _packed_alike(
    error: BaseException, apart: dict[int, BaseException]
) -> tuple[bytes, str | None]:
    """Bytes that unpickle to an equal exception, or the reason why there are none.

    Pickle calls the class with `args`. A constructor with other parameters may refuse them or
    misunderstand them; then the exception is made without its constructor.
    """
    why = None
    for value in (error, Bare(error)):
        try:
            data = dumps_without(value, apart)
            rebuilt = loads_with(data, apart)
            if _are_alike(rebuilt, error, apart):
                return data, None
            why = why or f"it was rebuilt as {short_repr(rebuilt)}"
        except Exception as failure:
            why = why or in_words(failure)
    return b"", why


def _are_alike(
    rebuilt: BaseException, error: BaseException, apart: dict[int, BaseException]
) -> bool:
    if type(rebuilt) is not type(error):
        return False
    found, members = tracebacks.members_of(rebuilt), tracebacks.members_of(error)
    sent = {id(one) for one in apart.values()}
    if len(found) != len(members) or any(
        one is not other and id(other) in sent for one, other in zip(found, members, strict=True)
    ):
        return False
    if _fields_set(rebuilt) != _fields_set(error):
        return False
    return dumps_without(rebuilt.args, apart) == dumps_without(error.args, apart)


def _fields_set(error: BaseException) -> set[tuple[int, str]]:
    """Which fields have a value: those that pickle drops are missing in what it has rebuilt."""
    return set(fields_of(error))


def fields_of(error: BaseException) -> dict[tuple[int, str], Any]:
    """What an exception keeps outside its `__dict__`, by the number of its class and the name.

    Types written in C keep `errno` or `name` there, others what they name in `__slots__`.
    """
    found = {}
    for number, kind in enumerate(type(error).__mro__[:-1]):
        for name, place in tuple(vars(kind).items()) if kind not in _TOLD_APART else ():
            if type(place) is not _PLACE or (name == "obj" and kind is AttributeError):
                continue
            try:
                value = place.__get__(error)
            except AttributeError:  # it was never set
                continue
            if value is not None:
                found[number, name] = value
    return found


_PLACE: Any = type(OSError.errno)
#: What these keep is sent in ways of its own; the object of an `AttributeError` may be anything.
_TOLD_APART = (BaseException, BaseExceptionGroup)


class Bare:
    """Pickles an exception as its class, its arguments, its attributes and its other fields."""

    __slots__ = ("_error",)

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __reduce__(self) -> tuple[Any, ...]:
        error, group = self._error, None
        if isinstance(error, BaseExceptionGroup):
            group = error.message, list(tracebacks.members_of(error))
        return bare, (type(error), error.args, error.__dict__, fields_of(error), group)


def bare(
    kind: type[BaseException],
    args: tuple[Any, ...],
    state: dict[str, Any],
    fields: dict[tuple[int, str], Any],
    group: tuple[str, list[BaseException]] | None,
) -> BaseException:
    """An exception that is made without its constructor."""
    error: BaseException = _new_in_c(kind)(kind, *(group or args))
    BaseException.args.__set__(error, args)  # type: ignore[attr-defined]  # whatever its class does
    set_fields(error, state, fields)
    return error


def set_fields(
    error: BaseException, state: dict[str, Any], fields: dict[tuple[int, str], Any]
) -> None:
    """Set attributes and other fields as `fields_of` tells them, without code of its class."""
    error.__dict__.update(state)
    for (number, name), value in fields.items():
        vars(type(error).__mro__[number])[name].__set__(error, value)


def _new_in_c(kind: type[BaseException]) -> Any:
    """What makes objects of this class without running code of the user's."""
    made = (vars(one).get("__new__") for one in kind.__mro__)
    return next(one for one in made if type(one) is type(len))


class kept_error:  # noqa: N801 - is called like a function, for what arrives in its place
    """An exception that is a result: arrives with its traceback, or as a stand-in."""

    __slots__ = ("_plain",)

    def __init__(self, error: BaseException) -> None:
        self._plain = as_plain(error)

    def __reduce__(self) -> tuple[Any, ...]:
        return from_plain, (self._plain,)


def shortened(text: str) -> str:
    """The beginning and the end of a long text."""
    if len(text) <= TEXT_LENGTH:
        return text
    half = TEXT_LENGTH // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters ...]\n{text[-half:]}"


def _remote_error(told: str, why: str, members: list[BaseException]) -> BaseException:
    """Tells of an exception; a group if that was one."""
    text = f"{told} (raised in a worker process; the exception itself cannot travel: {why})"
    return BaseExceptionGroup(text, members) if members else RemoteError(text)


def _traceback_text(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(type(error), error, error.__traceback__))
