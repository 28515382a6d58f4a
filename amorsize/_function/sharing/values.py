"""Finds what items that run at the same time share through a value."""

from __future__ import annotations

import sys
from _weakref import CallableProxyType, ProxyType, proxy, ref

from amorsize._function.bound_arguments import NOTHING, Bound, with_arguments
from amorsize._function.callable_walk import FUNC, Walk, held
from amorsize._function.callables import (
    BUILTINS,
    CACHE,
    FUNCTION,
    METHOD,
    MISSING,
    READ_ONLY_DICT,
    has,
    is_enum_member,
    is_made_at_run_time,
    is_module,
    is_partial,
    member,
    own,
    raw,
    type_name,
)
from amorsize._function.container_elements import elements
from amorsize._function.library.changes import changes_bound, changes_owner
from amorsize._function.library.network_packages import NETWORK
from amorsize._function.object_contents import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    is_container,
    is_frozen,
    is_standard_stream,
    is_trusted,
    parts,
    results_kept_by,
    state,
)
from amorsize._function.ownership import refuse_to_run
from amorsize._function.plain_values import PLAIN, PLAIN_IDS
from amorsize._function.shareable_values import is_shareable
from amorsize._function.sharing.calls import is_known_call, judge_builtin, top_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FunctionType
    from typing import Any

    from amorsize._function.ownership import Owns
    from amorsize._function.sharing.changes import Changes
    from amorsize._function.sharing.classes import Classes
    from amorsize._function.sharing.findings import Findings

#: The most functions of the project that are examined, in about 50 ms.
MAX_EXAMINED = 500
#: The most values of a tuple that are judged one by one.
MAX_ITEMS = 1000
#: The most numbers and texts of a tuple that are checked, in about 3 ms.
MAX_PLAIN_ITEMS = 100_000
#: The most objects that are searched for handles.
MAX_HELD = 400

_DESCRIPTORS: Any = (type(str.upper), type(str.__add__), type(dict.__dict__["fromkeys"]))
_WEAK: Any = (ref, ProxyType, CallableProxyType)


class Values:
    """Judges values and everything that they lead to, each once.

    Attributes:
        walk: The functions to examine, with their bound arguments and the names of methods.
        caches: Each `lru_cache` that was met, by name; it may keep other objects the next time.
    """

    def __init__(self, findings: Findings, owns: Owns, changes: Changes) -> None:
        self.findings, self.owns, self.changes = findings, owns, changes
        self.walk = Walk(MAX_EXAMINED + 1)
        self.caches: dict[str, Any] = {}
        self._held: dict[int, Any] = {}  # objects that were looked into for handles
        self._classes: Classes | None = None

    def lead_to(self, func: FunctionType, bound: Bound = NOTHING, method: str = "") -> None:
        """Examine this function too, with its bound arguments."""
        self.walk.beside(func, (bound, method), per=(bound.key, method))

    def judge(self, value: Any, label: str) -> bool:
        """Note everything that is shared through a value; False if the value itself may not be."""
        refuse_to_run(value)
        if type(value) in PLAIN:
            return True
        value = raw(value)
        kind = type(value)
        self.findings.connects = self.findings.connects or top_of(value, kind) in NETWORK
        if is_module(value):
            self.judge_all_of(value)
            return True
        if is_partial(value):
            return self._judge_partial(value, label)
        if type_name(value) in (CACHE, "builtins.staticmethod"):
            return self._judge_cached(value, label)
        if kind is METHOD or issubclass(kind, BUILTINS):
            return self._judge_method(value, label)
        if kind is not FUNCTION and not issubclass(kind, type) and kind not in _DESCRIPTORS:
            return self._judge_instance(value, kind, label)
        if not self.owns(value) and is_known_call(self.findings, value):
            return True
        if kind is FUNCTION:
            self.lead_to(value)
        elif issubclass(kind, type):
            self.judge_class(value)
        return True

    def _judge_instance(self, value: Any, kind: type, label: str) -> bool:
        if issubclass(kind, _WEAK):
            return self._judge_weak(value, label)
        if self.owns.class_(kind):
            self.judge_class(kind)
        if issubclass(kind, tuple | frozenset):
            return self._judge_items([*elements(value), *state(value).values()], label)
        if kind is READ_ONLY_DICT:
            return self._judge_items([*value, *value.values()], label)
        if (safe := self._judge_holding(value, kind, label)) is not None:
            return safe
        if is_shareable(value) or is_trusted(value):
            is_known_call(self.findings, value)
            held = own(value, "_value_") if is_enum_member(value) else None
            return self.judge(held, f"value of {label}")
        if is_frozen(kind):
            return self._judge_items([one for _, one in parts(value)], label)
        self._share_object(value, kind, label)
        return False

    def _judge_weak(self, value: Any, label: str) -> bool:
        if issubclass(type(value), ref):
            return self.judge(ref.__call__(value), f"in {label or 'self'}")
        named = f"{label or 'self'} (weak proxy)"  # nobody can see its object
        self.findings.shared[named] = self.findings.copies[named] = None
        return False

    def _share_object(self, value: Any, kind: type, label: str) -> None:
        self.findings.shared[f"{label or 'self'} ({kind.__name__})"] = None
        self.findings.keep("mutables", value, label)
        self._look_inside(value, label or "self", 0)

    def _judge_holding(self, value: Any, kind: type, label: str) -> bool | None:
        """Judge a value by its type; None: the type is unknown."""
        from amorsize._function.library.effects import holding_of

        holding = holding_of(kind)
        if holding is None:
            return None
        named = f"{label or 'self'} ({kind.__name__})"
        match holding.what:
            case "safe":
                if self.owns.class_(kind) and state(value) and not is_shareable(value):
                    return None  # the project may have added to it
                if "logging" in sys.modules:  # else there is no logger
                    from amorsize._function.sharing.loggers import judge_logger

                    judge_logger(self, value, label)
                return True
            case "lock" | "rlock" | "queue":
                self.findings.copies[named] = None
                self.findings.keep("mutables" if holding.what == "queue" else "locks", value, label)
                return True
            case "local":
                return self._judge_local(value, named, label)
            case "generator":
                self.findings.shared[named] = None
                self.findings.keep("generators", value, label)
            case "handle":
                if is_standard_stream(value):
                    self.findings.shared[named] = None
                    return False
                self.findings.copies[named] = None
                self.findings.keep("handles", value, label)
                if holding.threads:
                    from amorsize._function.sharing.client_state import may_share

                    if may_share(self.findings, value, holding.name, label):
                        return True
                self.findings.shared[named] = None
            case "iterator":
                self.findings.shared[named] = self.findings.copies[named] = None
            case _:
                if is_shareable(value):  # an array that nobody can write to
                    return True
                self._share_object(value, kind, label)
        return False

    def _judge_local(self, value: Any, named: str, label: str) -> bool:
        """Judge a variable that each thread or context has of its own."""
        if type_name(value) == "_contextvars.ContextVar":
            try:
                current = value.get()
            except LookupError:
                return True
            return self.judge(current, f"value of {label}")
        self.findings.doubt(named)
        # It may be made once, but not changed by each item.
        self.findings.keep("mutables", value, label)
        self._look_inside(state(value), label, 0)
        return False

    def _judge_cached(self, value: Any, label: str) -> bool:
        """Judge the results in an `lru_cache`: threads may use the cache, but share its results."""
        safe = self.judge(value.__wrapped__, label)
        if type_name(value) != CACHE:
            return safe
        self.caches[label or "self"] = value
        if not value.cache_info().currsize:
            self.findings.doubt(f"{label or 'self'} (what it will cache)")
        for one in results_kept_by(value)[:MAX_ELEMENTS]:
            safe &= self.judge(one, f"kept by {label}")
        return safe

    def _judge_items(self, items: list[Any], label: str) -> bool:
        if len(items) <= MAX_PLAIN_ITEMS and PLAIN_IDS.issuperset(map(id, map(type, items))):
            return True
        if len(items) > MAX_ITEMS:
            self.findings.doubt(f"{label or 'self'} (over {MAX_ITEMS} values)")
            return False
        safe = True
        for item in items:
            safe &= self.judge(item, label if label.startswith("in ") else f"in {label or 'self'}")
        return safe

    def _judge_method(self, method: Any, label: str) -> bool:
        """Judge the object of a bound method, and the function that it runs."""
        owner = method.__self__
        is_known = (type(method) is not METHOD or not self.owns(method.__func__)) and (
            is_known_call(self.findings, method)
        )
        if owner is None or is_module(owner) or is_trusted(method):
            return is_known or judge_builtin(self.findings, method)
        if type(method) is METHOD and not is_known:
            func = raw(method.__func__)
            if type(func) is FUNCTION:
                self.lead_to(func, Bound.to(func, owner))
            else:
                self.judge(func, "method")
        of = f" of {method.__name__}" if type(method) is not METHOD else ""
        if label and changes_owner(method):
            self.findings.stores["", f"{label}()"] = None
        return self.judge(owner, f"self{of} in {label}" if label else f"self{of}")

    def _judge_partial(self, func: Any, label: str) -> bool:
        safe = True
        function, bound = with_arguments(func)
        if is_own := function is not None and self.owns.function(function):
            self.lead_to(function, bound)
        for way, name, value in held(func):
            if way != FUNC:
                safe &= self.judge(value, f"partial argument {name}")
            elif not is_own or type(raw(value)) is not FUNCTION:
                safe &= self.judge(value, label)
        if changes_bound(func):
            self.findings.stores["", f"{label or 'partial argument 0'}()"] = None
        return safe

    def _look_inside(self, value: Any, label: str, depth: int) -> None:
        """Find the handles, locks, iterators and generators in an object."""
        if id(value) in self._held:
            return
        if len(self._held) >= MAX_HELD or depth > MAX_DEPTH:
            self.findings.unread[f"{label} (too large to look into)"] = None
            return
        self._held[id(value)] = value
        is_own = issubclass(type(value), tuple) or is_container(value)
        is_own |= self.owns.class_(type(value))
        for name, part in parts(value):
            refuse_to_run(part)
            kind = type(part)
            if kind in PLAIN:
                continue
            inner = f"{label}{name}"
            if is_module(part):
                self.judge_all_of(part)
            elif kind is FUNCTION or kind is METHOD or issubclass(kind, type) or is_partial(part):
                if is_own or self.owns(part.__func__ if kind is METHOD else part):
                    self.judge(part, inner)
            elif is_own and issubclass(kind, BUILTINS) and changes_owner(part):
                self._judge_method(part, inner)  # its holder may call it
            else:
                self.look_at_part(part, kind, inner, depth, is_own)

    def look_at_part(self, part: Any, kind: type, label: str, depth: int, is_own: bool) -> None:
        from amorsize._function.library.effects import holding_of

        if issubclass(kind, _WEAK):
            self._judge_weak(part, label)
            return
        holding = holding_of(kind)
        what = None if holding is None else holding.what
        if what in ("lock", "rlock") and not is_own:
            return  # it guards what its library keeps in this process
        if what not in (None, "mutable", "safe"):
            self._judge_holding(part, kind, label)
        if what not in (None, "mutable") or is_shareable(part):
            return
        if self.owns.class_(kind):
            self.judge_class(kind)
        if what == "mutable" or is_made_at_run_time(kind) or issubclass(kind, tuple):
            if not issubclass(kind, tuple):
                self.findings.keep("mutables", part, label)
            self._look_inside(part, label, depth + 1)

    def judge_class(self, cls: type) -> None:
        """Judge a class, once: its methods, and the data that they name."""
        if not self.walk.meets(cls):
            return
        if self._classes is None:
            from amorsize._function.sharing.classes import Classes

            self._classes = Classes(proxy(self))  # a cycle would keep what the user holds
        self._classes.judge(cls)

    def judge_members(self, owner: Any, names: Iterable[str]) -> None:
        """Judge the data that a class or a module holds under these names."""
        kind = "class" if issubclass(type(owner), type) else "module"
        for name in names:
            found = member(owner, name)
            if found is MISSING or name.startswith("__"):
                continue
            if is_module(found):
                self.judge_module(found, names)
            elif kind == "module" or not has(type(found), "__get__"):
                self.judge(found, f"{kind} {owner.__name__}.{name}")

    def judge_all_of(self, module: Any) -> None:
        """Judge a module of the project that is used as a value: code may take anything from it."""
        if self.owns.module(module.__name__) and self.walk.meets(module, per="all"):
            for name, found in tuple(vars(module).items()):
                if self.owns(found):
                    self.judge(found, f"{module.__name__}.{name}")

    def judge_module(self, module: Any, names: Iterable[str]) -> None:
        """Judge a module of which the bytecode does not show which attributes are used."""
        if not self.walk.meets(module, per=tuple(names)):
            return
        if self.owns.module(module.__name__):
            self.judge_members(module, names)
            return
        for name in names:
            found = member(module, name)
            if callable(found):
                self.judge(found, f"{module.__name__}.{name}")
