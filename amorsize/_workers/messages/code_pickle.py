"""Pickles results with their code: lambdas, closures, instances of local classes.

The caller gets what the loop would have given. A class that the caller has arrives as that class; a
function reads the globals of its module there. Values that would arrive as a copy - a variable that
functions share, an open file, a view - are refused, as by pickle.
"""

from __future__ import annotations

import sys
from _weakref import ref  # `weakref` is two modules more to load before a first fork
from itertools import count

from amorsize._function.callables import (
    CELL,
    FUNCTION,
    METHOD,
    MODULE,
    READ_ONLY_DICT,
    is_made_at_run_time,
    is_partial,
    raw,
)
from amorsize._host.unpatched import kernel
from amorsize._workers.messages import class_pickling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import CodeType, FunctionType
    from typing import Any, TypeVar

    Key = TypeVar("Key")

PROTOCOL = 5
#: Levels of nested functions that are searched for classes.
DEEPEST = 3

#: Classes that workers refer to by an id, as long as they live.
_by_id: dict[str, ref[type]] = {}
#: Classes that this worker has made and the caller does not have, by `id()`, as long as they live.
_made_here: dict[int, ref[type]] = {}
_numbers = count()


def announce(func: Callable[..., Any], items: Iterable[Any] = ()) -> None:
    """Before a fork: give an id to each class that results may need but that no name leads to."""
    classes = (*_classes_in(func), *map(type, items))
    for cls in {id(one): one for one in classes}.values():  # some have no hash
        if is_made_at_run_time(cls) and not is_found(cls) and _id_of(cls) is None:
            _note(_by_id, f"{kernel.getpid()}-{next(_numbers)}", cls)


def _note(table: dict[Key, ref[type]], key: Key, cls: type) -> None:
    """Keep a class in a table without keeping it alive."""
    table[key] = ref(cls, lambda _: table.pop(key, None))


class Codes:
    """Pickles values with the code of functions and classes that no name leads to.

    Args:
        func: The mapped function, whose closure variables must not be copied.
        is_forked: Whether this process shares the caller's modules. Else a function finds its
            globals by the name of its module.
    """

    def __init__(self, func: Callable[..., Any] | None, *, is_forked: bool) -> None:
        self._variables = frozenset(map(id, _cells_in(func)))
        self._is_forked = is_forked

    def dumps(self, value: Any, buffer_callback: Callable[[Any], bool] | None = None) -> bytes:
        """Pickle a value.

        Raises:
            Exception: As pickle does, and where a value would arrive as a copy.
        """
        import io

        buffer = io.BytesIO()
        pickler = _pickler()(buffer, protocol=PROTOCOL, buffer_callback=buffer_callback)
        pickler.codes = self
        pickler.dump(value)
        return buffer.getvalue()

    def reduced(self, func: FunctionType) -> tuple[Any, ...] | None:
        """How to rebuild a function; None: as cloudpickle does, with globals of its own.

        Raises:
            TypeError: It would behave differently in the caller.
        """
        for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=True):
            if id(cell) in self._variables and not _is_settled(cell):
                raise TypeError(
                    f"{func.__qualname__} shares the variable {name} with the function that made "
                    "it, and would have one of its own"
                )
        space = func.__globals__
        home: Any = space.get("__name__")  # not that of the function: `functools.wraps` copies it
        module = sys.modules.get(home) if isinstance(home, str) else None
        if (module is not None and vars(module) is space) or (
            # The module has arrived with its code. Made-up globals lack what each module has.
            not self._is_forked and isinstance(home, str) and "__package__" in space
        ):
            return _reduced(func, home)
        if module is not None and any(one in space for one in func.__code__.co_names):
            raise TypeError(f"{func.__qualname__} reads names that are not those of {home}")
        return None


_class: Any = None


def _pickler() -> Any:
    """The pickler class, made at the first use: cloudpickle takes 40 ms to import."""
    global _class
    if _class is not None:
        return _class
    import cloudpickle
    from cloudpickle import cloudpickle as inside

    from amorsize._workers.messages import exception_results

    kept: set[Any] = {classmethod, staticmethod, property, METHOD, MODULE, CELL}
    kept |= {type(announce.__code__), READ_ONLY_DICT}
    # Found by their names: what marks the fields of a dataclass, and loggers.
    kept |= {inside.dataclasses._FIELD_BASE, inside.logging.Logger, inside.logging.RootLogger}
    copied = tuple(set(inside.Pickler._dispatch_table) - kept)

    class WithCode(cloudpickle.Pickler):  # type: ignore[misc]
        codes: Codes

        def reducer_override(self, obj: Any) -> Any:
            kind = type(obj)
            if issubclass(kind, BaseException):
                return exception_results.reduced(obj)
            if kind in copied:
                raise TypeError(f"a {kind.__name__} would be sent as a copy of another kind")
            if kind is not MODULE and issubclass(kind, MODULE):  # by its name, like the others
                return inside._module_reduce(obj)
            is_class = issubclass(kind, type)
            if (is_class or kind is FUNCTION) and is_found(obj):
                return NotImplemented  # cloudpickle would change the caller's class of the name
            if kind is FUNCTION:
                return self.codes.reduced(obj) or super().reducer_override(obj)
            if is_class:
                if (known := _id_of(obj)) is not None:
                    return _class_of, (known,)
                _note(_made_here, id(obj), obj)
                made = super().reducer_override(obj)
                return class_pickling.reduced(obj, made, _is_sent)
            return name_at_home(obj) or super().reducer_override(obj)

    _class = WithCode
    return _class


# -- classes --------------------------------------------------------------------------------


def _is_sent(cls: type) -> bool:
    return not is_found(cls) and _id_of(cls) is None


def _id_of(cls: type) -> str | None:
    """The id by which the caller knows a class; None: it does not have the class."""
    for known, one in tuple(_by_id.items()):
        if one() is cls:
            return known
    inside: Any = sys.modules.get("cloudpickle.cloudpickle")
    if inside is None or id(cls) in _made_here:
        return None
    tracked: str | None = inside._DYNAMIC_CLASS_TRACKER_BY_CLASS.get(
        cls
    )  # set: it came from the caller
    return tracked


def _class_of(known: str) -> type:
    noted = _by_id.get(known)
    found: type | None = None if noted is None else noted()
    if found is None:
        from cloudpickle import cloudpickle as inside

        found = inside._DYNAMIC_CLASS_TRACKER_BY_ID[known]
    return found


def is_found(one: Any) -> bool:
    """Whether the name of a class or function leads to it, as pickle requires."""
    module: Any = sys.modules.get(one.__module__) if isinstance(one.__module__, str) else None
    found = module
    for step in one.__qualname__.split("."):
        found = getattr(found, step, None)
    return found is not None and raw(found) is one


def name_at_home(one: Any) -> str | None:
    """The name that a mark without state, such as `dataclasses.MISSING`, has beside its class."""
    kind: Any = type(one)
    has_state = getattr(one, "__dict__", None) or kind.__reduce_ex__ is not object.__reduce_ex__
    if has_state or kind.__reduce__ is not object.__reduce__ or not is_made_at_run_time(kind):
        return None
    home = vars(sys.modules.get(kind.__module__, object))
    return next((name for name, value in tuple(home.items()) if value is one), None)


def _classes_in(func: Any, depth: int = DEEPEST) -> Iterable[type]:
    """Classes that a function holds or names, found by a quick search."""
    func = raw(func)
    if isinstance(func, type):
        yield func
    elif not depth:
        return
    elif type(func) is METHOD:
        yield type(func.__self__)
        yield from _classes_in(func.__func__, depth - 1)
    elif is_partial(func):
        for one in (func.func, *func.args, *func.keywords.values()):
            yield from _classes_in(one, depth - 1)
    elif type(func) is FUNCTION:
        named = (func.__globals__.get(name) for name in func.__code__.co_names)
        for one in (*_contents(func), *named):
            if isinstance(one, type) or type(one) is FUNCTION or type(one) is METHOD:
                yield from _classes_in(one, depth - 1)


# -- functions ------------------------------------------------------------------------------


def _is_settled(cell: Any) -> bool:
    """Whether a cell holds a function, class or module, which programs rarely replace."""
    return all(isinstance(one, (type, FUNCTION, MODULE)) for one in _content(cell))


def _reduced(func: FunctionType, space: str) -> tuple[Any, ...]:
    n_cells = None if func.__closure__ is None else len(func.__closure__)
    state = {
        "cells": tuple(map(_content, func.__closure__ or ())),
        "defaults": func.__defaults__,
        "kwdefaults": func.__kwdefaults__,
        "dict": func.__dict__,
        "annotations": func.__annotations__,
        "module": func.__module__,
        "qualname": func.__qualname__,
        "doc": func.__doc__,
    }
    made = func.__code__, space, func.__name__, n_cells
    return _function, made, state, None, None, _filled


def _function(code: CodeType, module: str, name: str, n_cells: int | None) -> FunctionType:
    """A function with the globals of a module and empty cells, which may be about to hold it."""
    __import__(module)
    space = vars(sys.modules[module])
    cells = None if n_cells is None else tuple(CELL() for _ in range(n_cells))
    made: FunctionType = FUNCTION(code, space, name, None, cells)
    return made


def _filled(func: FunctionType, state: dict[str, Any]) -> None:
    for cell, content in zip(func.__closure__ or (), state["cells"], strict=True):
        if content:
            (cell.cell_contents,) = content
    func.__defaults__, func.__kwdefaults__ = state["defaults"], state["kwdefaults"]
    func.__dict__.update(state["dict"])
    func.__annotations__, func.__qualname__ = state["annotations"], state["qualname"]
    func.__doc__, func.__module__ = state["doc"], state["module"]


def _contents(func: FunctionType) -> Iterable[Any]:
    for cell in func.__closure__ or ():
        yield from _content(cell)


def _content(cell: Any) -> tuple[Any, ...]:
    """The content of a cell; empty: not set yet."""
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def _cells_in(func: Any, depth: int = DEEPEST) -> Iterable[Any]:
    """The closure cells of a function, with those of functions in them."""
    func = raw(func)
    if type(func) is METHOD:
        func = func.__func__
    if is_partial(func):
        for one in (func.func, *func.args, *func.keywords.values()):
            yield from _cells_in(one, depth)
    elif type(func) is FUNCTION and depth:
        for cell in func.__closure__ or ():
            yield cell
            for one in _content(cell):
                yield from _cells_in(one, depth - 1)
