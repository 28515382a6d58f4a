"""Frozen records that cost almost nothing to define.

`dataclasses` would say the same, but importing it costs 22 ms (it pulls in `inspect`, `re` and
`typing`), more than many of the jobs a first call has to decide about. A `Value` is a tuple
underneath, so it is immutable, compares and hashes by content and takes 0.3 us to make.
"""

try:  # what named tuples read their fields with, in 0.6 of the time of a property
    from _collections import _tuplegetter  # type: ignore[import-not-found]
except ImportError:
    from operator import itemgetter

    def _tuplegetter(index: int, doc: str) -> property:
        return property(itemgetter(index), doc=doc)


TYPE_CHECKING = False  # the name is what type checkers know; importing typing would cost 10 ms
if TYPE_CHECKING:
    from typing import Any, Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        """Stand in for `typing.dataclass_transform`, which only type checkers read."""
        return lambda decorated: decorated


#: As `math` has it, without the 1 ms of loading that.
inf = float("inf")

#: Records of a kind that are made before their constructor is compiled.
OFTEN = 12


class _ValueType(type):
    """Turns the annotations of a class body into keyword-only, read-only fields."""

    def __new__(cls, name: str, bases: tuple[type, ...], body: "dict[str, Any]") -> "_ValueType":
        if not bases:
            return super().__new__(cls, name, (tuple,), {**body, "__slots__": ()})
        fields = tuple(body.get("__annotations__", ()))
        defaults = {field: body.pop(field) for field in fields if field in body}
        for index, field in enumerate(fields):
            body[field] = _tuplegetter(index, "")
        body.update(
            __new__=_compiled_when_often_made(fields, defaults),
            __slots__=(),
            __match_args__=(),
            _fields=fields,
        )
        return super().__new__(cls, name, bases, body)


def _compiled_when_often_made(fields: tuple[str, ...], defaults: "dict[str, Any]") -> "Any":
    """A constructor that compiles a quicker one when it is called again and again.

    To compile one takes as long as 50 records do without it, and most kinds are made once a call.
    """
    n_made = 0

    def __new__(cls: "type[Any]", **given: "Any") -> "Any":  # noqa: N807
        nonlocal n_made
        n_made += 1
        if n_made < OFTEN:
            values = {**defaults, **given}
            if len(values) == len(fields):
                try:
                    return tuple.__new__(cls, [values[field] for field in fields])
                except KeyError:
                    pass  # the compiled one says what is wrong
        quick = staticmethod(_compiled(fields, defaults))
        for owner in cls.__mro__:  # none has it any more where another thread was quicker
            if owner.__dict__.get("__new__") is slow:
                setattr(owner, "__new__", quick)  # noqa: B010 - mypy knows __new__ as a method
        return quick(cls, **given)

    slow = staticmethod(__new__)
    return slow


def _compiled(fields: tuple[str, ...], defaults: "dict[str, Any]") -> "Any":
    signature = ", ".join(f"{f}={f}_" if f in defaults else f for f in fields)
    space: dict[str, Any] = {f"{f}_": value for f, value in defaults.items()}
    space["make"] = tuple.__new__
    star = "*, " if fields else ""
    packed = "".join(f"{f}, " for f in fields)
    source = f"def __new__(cls, {star}{signature}):\n    return make(cls, ({packed}))"
    # Once per class, on names written in this package: what dataclasses does, too. Compiled first,
    # since Ctrl-C in the midst of an `exec` of text has the interpreter end by SIGINT at its exit,
    # although the program has caught it.
    exec(compile(source, "<amorsize>", "exec"), space)
    return space["__new__"]


@dataclass_transform(kw_only_default=True, frozen_default=True, eq_default=True)
class Value(metaclass=_ValueType):
    """Base of every frozen record; fields are the annotations of the class body, in order."""

    if TYPE_CHECKING:
        _fields: tuple[str, ...] = ()
    else:
        _fields = ()

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and tuple.__eq__(self, other)  # type: ignore[operator]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        return True  # also without fields, which as a tuple would be false

    def __hash__(self) -> int:
        return hash((type(self).__name__, tuple.__hash__(self)))  # type: ignore[arg-type]

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> "Any":
        return _remake, (type(self), self._by_name())

    def as_dict(self) -> "dict[str, Any]":
        """The fields by name, in order."""
        return self._by_name()

    def replace(self, **changes: "Any") -> "Self":
        """The same record with some fields changed."""
        return type(self)(**{**self._by_name(), **changes})

    def _by_name(self) -> "dict[str, Any]":
        return dict(zip(self._fields, self, strict=True))  # type: ignore[call-overload]


def _remake(kind: "type[Value]", fields: "dict[str, Any]") -> Value:
    return kind(**fields)
