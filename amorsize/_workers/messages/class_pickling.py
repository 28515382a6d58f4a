"""Rebuilds classes that are sent with their code as they are where they come from.

cloudpickle makes a class of the same name and sets its members one by one. So it drops the
qualified name, `__slots__`, the order of the members, those that are the same in a base class, and
what an enum calls a member besides its name. And it runs the hooks of base classes and metaclasses
once more, though what they have done is sent as well.
"""

from __future__ import annotations

from amorsize._function.callables import SLOT, is_enum, is_made_at_run_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_HOOK = "__init_subclass__"
#: What a class has without having been given it.
_MADE = frozenset(("__dict__", "__weakref__"))
#: The same of an enum, by its metaclass.
_MADE_BY_ENUM = frozenset(
    (
        *("_member_names_", "_member_map_", "_value2member_map_"),
        *("_member_type_", "_generate_next_value_"),
    )
)
#: What an enum sets on each of its members.
_OF_EACH_MEMBER = frozenset(("_value_", "_name_", "__objclass__", "_sort_order_"))


def dumps(value: Any, protocol: int) -> bytes:
    """Pickle a value, with the code of what others cannot import."""
    import io

    import cloudpickle
    from cloudpickle import cloudpickle as inside

    class WithClasses(cloudpickle.Pickler):  # type: ignore[misc]
        def reducer_override(self, obj: Any) -> Any:
            made = super().reducer_override(obj)
            return reduced(obj, made, _is_sent) if issubclass(type(obj), type) else made

    def _is_sent(cls: type) -> bool:
        return not inside._should_pickle_by_reference(cls)

    buffer = io.BytesIO()
    WithClasses(buffer, protocol).dump(value)
    return buffer.getvalue()


def reduced(cls: Any, by_cloudpickle: Any, is_sent: Callable[[type], bool]) -> Any:
    """How to rebuild a class.

    Args:
        cls: The class.
        by_cloudpickle: How cloudpickle rebuilds it.
        is_sent: Whether a class is sent with its code too.
    """
    if by_cloudpickle is NotImplemented or len(by_cloudpickle) < 6:
        return by_cloudpickle  # it has a name that leads to it
    make, arguments, (state, _), *_, fill = by_cloudpickle
    maker = next(one for one in type(cls).__mro__ if not is_sent(one))
    hook = next(one for one in cls.__mro__[1:] if _HOOK in vars(one))
    quiet = hook if hook is not object and is_sent(hook) else None
    if is_enum(cls):
        return _reduced_enum(cls, maker, state, arguments[-2], quiet)
    kind, name, bases, first, known, extra = arguments
    state = _in_order(cls, state)
    first = {**first, "__qualname__": cls.__qualname__, **_slots(cls)}
    of_library = hook is not quiet and hook is not object
    if of_library or (maker is not type and maker.__module__ != "abc"):  # it may look at the body
        made: tuple[Any, ...] = known, make, (kind, name, bases, first, known, extra)
        return _made_once, made, (state, {}), None, None, fill
    first |= {key: None for key in state if not _is_special(key)}
    made = maker, kind, name, cls.__bases__, first, known, quiet
    return _class_made, made, (state, {}), None, None, fill


def _in_order(
    cls: Any, state: dict[str, Any], left_out: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The members of a class in their order, with those that a base class has as well."""
    told = {key: (key, value) for key, value in state.items()}
    ordered = {}
    for key, value in vars(cls).items():
        if key in left_out or key in _MADE or _is_slot(cls, value):
            continue
        if key in told:
            name, content = told[key]  # the name is a text of its own, as cloudpickle wants it
            ordered[name] = content
        elif not _is_special(key) and any(vars(one).get(key) is value for one in cls.__bases__):
            ordered[key] = value
    return ordered


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _is_slot(cls: type, value: Any) -> bool:
    return type(value) is SLOT and value.__objclass__ is cls


def _slots(cls: type) -> dict[str, tuple[str, ...]]:
    has = vars(cls)
    if "__slots__" not in has:
        return {}
    own = [key for key, value in has.items() if _is_slot(cls, value)]
    return {"__slots__": (*own, *(one for one in ("__dict__", "__weakref__") if one in has))}


def _class_made(
    maker: Any,
    kind: type,
    name: str,
    bases: tuple[type, ...],
    first: dict[str, Any],
    known: str,
    quiet: type | None,
) -> Any:
    """A class that is filled later."""
    return _once(known, quiet, lambda: maker.__new__(kind, name, bases, dict(first)))


def _made_once(known: str, make: Callable[..., type], arguments: tuple[Any, ...]) -> type:
    return _once(known, None, lambda: make(*arguments))


def _once(known: str, quiet: type | None, make: Callable[[], type]) -> type:
    """Make a class, unless it is here, and keep the hook of a base class from running.

    What the hook has done is sent, too.
    """
    from cloudpickle import cloudpickle as inside

    found: type | None = inside._DYNAMIC_CLASS_TRACKER_BY_ID.get(known)
    if found is not None:
        return found
    hook = None if quiet is None else vars(quiet).get(_HOOK)  # None: it is still being filled
    if hook is not None:
        type.__setattr__(quiet, _HOOK, classmethod(lambda _: None))
    try:
        found = inside._lookup_class_or_track(known, make())
    finally:
        if hook is not None:
            type.__setattr__(quiet, _HOOK, hook)
    return found


# -- enums ----------------------------------------------------------------------------------


def _reduced_enum(
    cls: Any, maker: Any, state: dict[str, Any], known: str, quiet: type | None
) -> tuple[Any, ...]:
    names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
    made = maker, type(cls), cls.__name__, cls.__bases__, names, _members(cls), known, quiet
    state = _in_order(cls, state, _MADE_BY_ENUM.union(cls.__members__))
    return _enum_made, made, (state, _attributes(cls)), None, None, _enum_filled


def _members(cls: Any) -> tuple[Any, dict[str, tuple[tuple[Any, ...], Any]]]:
    """The builtin type of an enum's members; by each name, what makes one and its value."""
    base: Any = next(one for one in cls._member_type_.__mro__ if not is_made_at_run_time(one))
    told = getattr(base, "__getnewargs__", lambda one: () if base is object else (one._value_,))
    return base, {name: (told(one), one._value_) for name, one in cls.__members__.items()}


def _attributes(cls: Any) -> dict[str, dict[str, Any]]:
    """What the members of an enum have besides their names and values."""
    return {
        one._name_: {key: value for key, value in vars(one).items() if key not in _OF_EACH_MEMBER}
        for one in cls.__members__.values()
    }


class _Member:
    """Stands for a member while its enum is made."""

    def __init__(self, base: Any, arguments: tuple[Any, ...], value: Any) -> None:
        self.base, self.arguments, self.value = base, arguments, value


def _member(cls: type, one: Any) -> Any:
    """Make a member, in place of the `__new__` of its enum, which need not know its value."""
    told = one[0] if type(one) is tuple else one  # as an enum of tuples hands it over
    made = told.base.__new__(cls, *told.arguments)
    made._value_ = told.value
    return made


def _enum_made(
    maker: Any,
    kind: Any,
    name: str,
    bases: tuple[type, ...],
    names: dict[str, Any],
    members: tuple[Any, dict[str, tuple[tuple[Any, ...], Any]]],
    known: str,
    quiet: type | None,
) -> Any:
    """An enum with its members, to be filled with its methods."""
    import enum

    base, told = members

    def make() -> Any:
        body = maker.__prepare__(name, bases)
        body.update(names)
        body["__new__"], body["__init__"] = _member, lambda *_: None
        body["__reduce_ex__"] = enum.Enum.__reduce_ex__
        for key, (arguments, value) in told.items():
            body[key] = _Member(base, arguments, value)
        keeping = {"boundary": enum.KEEP} if issubclass(bases[-1], enum.Flag) else {}
        return maker.__new__(kind, name, bases, body, **keeping)

    return _once(known, quiet, make)


def _enum_filled(cls: Any, rest: tuple[dict[str, Any], dict[str, dict[str, Any]]]) -> None:
    from cloudpickle import cloudpickle as inside

    state, attributes = rest
    inside._class_setstate(cls, (state, {}))
    for name in ("__init__", "__new_member__", "__reduce_ex__"):  # which made the members
        if name not in state and name in vars(cls):
            type.__delattr__(cls, name)
    for name, own in attributes.items():
        vars(cls.__members__[name]).update(own)
