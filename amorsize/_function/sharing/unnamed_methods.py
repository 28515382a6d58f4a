"""Tells which methods run that code does not name: in operators, `with`, C code, libraries."""

from __future__ import annotations

from amorsize._function import bytecode
from amorsize._function.bound_arguments import NOTHING
from amorsize._function.bytecode import CLOSURE, GLOBAL, IMPORT
from amorsize._function.callables import has, is_class, own
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.name_lookup import callees_of
from amorsize._function.flow.value_flow import CALLED, leads_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType

    from amorsize._function.flow.value_flow import Symbol
    from amorsize._function.ownership import Owns

#: Methods that run whenever any attribute is read.
_ANSWERING = {"__getattr__", "__getattribute__", "__get__", "__set__", "__delete__"}
#: Methods that run in C or in a library, of whatever it is handed.
_UNNAMED = {
    f"__{name}__"
    for names in (
        "eq ne lt le gt ge hash bool len length_hint contains iter next reversed getitem missing",
        "index int float complex abs round trunc floor ceil str repr format bytes fspath buffer",
        "reduce reduce_ex getstate copy deepcopy array array_ufunc array_function",
        "instancecheck subclasscheck subclasshook dir sizeof",
    )
    for name in names.split()
}
_ENTERING = ("__enter__", "__exit__")
#: The method by which a decorator is known that is entered at each call (`ContextDecorator`).
_ENTERED_AT_CALLS = "_recreate_cm"
#: The method that runs when an item or a part of it is called, by whatever name.
OF_CALLS = {"__call__"}
#: The attribute of classes that names what a pattern of `match` reads without spelling it.
MATCHED = "__match_args__"
_BINARY = "add and floordiv lshift matmul mul mod or pow rshift sub truediv xor"
#: What functions run of their arguments, by the names of these functions: those of `operator`, ...
_RUN_BY: dict[str, tuple[str, ...]] = {
    name: (f"__{one}__", f"__r{one}__", f"__i{one}__")
    for one in _BINARY.split()
    for name in (one, f"{one}_", f"i{one}")
}
_RUN_BY |= {"sum": _RUN_BY["add"], "concat": _RUN_BY["add"], "iconcat": _RUN_BY["add"]}
_RUN_BY |= {"prod": _RUN_BY["mul"], "neg": ("__neg__",), "pos": ("__pos__",)}
_RUN_BY |= dict.fromkeys(("inv", "invert"), ("__invert__",))
_RUN_BY |= dict.fromkeys(("enter_context", "push", "closing"), _ENTERING)


def methods_run_by(func: FunctionType, owns: Owns) -> set[str]:
    """The names that a function's code spells, and what runs without being spelled there.

    Args:
        func: The function.
        owns: Whether a function is the project's: what others give is no item.
    """
    found = set(bytecode.names(func.__code__))
    found.update(*(_RUN_BY[name] for name in _RUN_BY.keys() & found))
    for origin, method in flow_of(func).run:
        if method not in found and (method == MATCHED or _may_be_shared(func, origin, owns)):
            found.add(method)
    return found


def _may_be_shared(func: FunctionType, origin: Symbol, owns: Owns) -> bool:
    """Whether it may be an item or a shared object that no name leads to: those are followed."""
    if origin is None:
        return True
    space, name, steps = origin
    if space not in (GLOBAL, IMPORT, CLOSURE) or any(map(leads_inside, steps)):
        return True
    if steps[-1:] != (CALLED,):
        return CALLED in steps
    makers = callees_of(func, NOTHING, (space, name, steps[:-1]))
    gives_others = (not is_class(one) and owns(own(one, "__func__", one)) for one in makers)
    return not makers or any(gives_others)


def unnamed_of(kind: type) -> set[str]:
    """The methods of a class that may run of an object whatever code does with it."""
    entering = _ENTERING if has(kind, _ENTERED_AT_CALLS) else ()
    return {*_ANSWERING, *_UNNAMED, *entering}
