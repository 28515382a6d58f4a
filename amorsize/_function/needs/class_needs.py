"""What a class needs in a worker."""

from __future__ import annotations

import sys

from amorsize._function import callable_walk, callables
from amorsize._function.callables import FUNCTION, SLOT, is_class
from amorsize._function.needs import shape
from amorsize._function.needs.code_digest import brief_name_of, digest_of
from amorsize._function.needs.shape import is_scalar
from amorsize._function.needs.worker_needs import CONTAINERS, OWN_TO_EACH, is_data
from amorsize._function.ownership import MAIN
from amorsize._function.references import is_under_its_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any

    from amorsize._function.needs.worker_needs import Needs

#: Modules whose objects a class makes anew in each process: locks, queues, what it knows of others.
_GUARDING = frozenset({"_thread", "threading", "_threading_local", "queue", "_queue", "_abc"})


class ClassNeeds:
    """Reads classes for what a worker must have."""

    def __init__(self, needs: Needs) -> None:
        self._needs = needs

    def read(self, cls: type) -> None:
        """Note what a class of the project has."""
        if not self._needs.owns.class_(cls):
            return
        home = cls.__module__ if _is_at(cls) else None
        if home is not None:
            self._needs.modules.add(home)
            bases = f"{home}:{cls.__qualname__}.__bases__"
            self._needs.names[bases] = brief_name_of(cls.__bases__)
            names = frozenset(vars(cls))
            self._needs.shapes[f"{home}:{cls.__qualname__}"] = shape.of_class(cls), names
        self._needs.note_registered(cls)
        self._needs.lead_to((type(cls),))
        if (name := _replaced_slot(cls)) is not None:
            self._needs.reasons.append(
                f"{cls.__qualname__}.{name} stands in the place of a slot, which cannot be sent"
            )
        for way, name, value in callable_walk.held(cls):
            if way == callable_walk.BASE or is_class(value):
                self._needs.lead_to((value,))
            else:
                place = None if home is None else f"{home}:{cls.__qualname__}"
                self._member(cls, place, name, value)
        if callables.is_enum(cls):
            self._members(cls, None if home is None else f"{home}:{cls.__qualname__}")

    def _member(self, cls: type, place: str | None, name: str, value: Any) -> None:
        if callables.type_name(value) == "functools.cached_property":
            self._needs.lead_to((value.func,))
            if place is not None and type(value.func) is FUNCTION:
                way = f"{place}.<{callable_walk.MEMBER} {name}>.func"
                self._needs.digests[way] = digest_of(value.func)
            return
        inner = callable_walk.layers(value)[-1]
        if type(inner) is FUNCTION:
            self._needs.lead_to((inner, *_layers_that_choose(value)))
            self._needs.note_cache(value, None if place is None else f"{place}.{name}")
            is_generated = _is_generated(inner)
            if place is not None and (is_generated or self._needs.owns.function(inner)):
                self._needs.digests[f"{place}.{name}"] = digest_of(value)
                if is_generated:  # it names no module that would lead to it
                    self._needs.keep_defaults_of(inner, f"{place}.{name}")
                if type(value) is classmethod:  # which no name leads to
                    way = f"<{callable_walk.MEMBER} {name}>.__func__"
                    func: Any = value.__func__
                    self._needs.keep_all_of(func, f"{place}.{way}")
        elif place is not None and not name.startswith("__") and self._is_kept(cls, value):
            self._needs.settings[f"{place}.{name}"] = value
        elif place is not None and callables.type_name(value) == "functools.partialmethod":
            self._needs.keep(f"{place}.{name}", value)
        elif self._needs.owns.class_(type(value)):
            self._needs.lead_to((value,))  # a descriptor, whose class may have been changed
            if place is not None and hasattr(type(value), "__get__"):
                self._descriptor(value, f"{place}.<{callable_walk.MEMBER} {name}>")

    def _descriptor(self, descriptor: Any, place: str) -> None:
        """Note the data of a descriptor of the project's, not the functions that it was given."""
        attributes = callables.own(descriptor, "__dict__")
        for name, value in attributes.items() if type(attributes) is dict else ():
            is_data = is_scalar(value) or type(value) in CONTAINERS
            if is_data or self._needs.owns.class_(type(value)):
                self._needs.keep(f"{place}.{name}", value)

    def _is_kept(self, cls: type, value: Any) -> bool:
        """Is it data of a class: a limit, a table, its one instance?"""
        if is_scalar(value):
            return True
        if type(cls).__name__ not in ("type", "ABCMeta"):
            return False  # an enum's tables, or a model's fields: made by its metaclass
        if type(value) in CONTAINERS:
            return True
        kind = type(value)
        is_of_each = callables.type_name(value) in OWN_TO_EACH or kind.__module__ in _GUARDING
        return is_data(value) and not (
            is_of_each
            or callables.is_module(value)
            or hasattr(kind, "__get__")  # properties and fields
        )

    def _members(self, cls: Any, place: str | None) -> None:
        """What has been set on the members of an enum, or lies in a value that can change."""
        if (name := _renamed_member(cls)) is not None:
            self._needs.reasons.append(
                f"the member {cls.__qualname__}.{name} has another name or value than in its enum"
            )
        if place is not None:
            self._needs.digests[f"{place}.__members__"] = digest_of(cls.__members__)
        for name, member in cls.__members__.items():
            for attribute, value in vars(member).items():
                is_named = not attribute.startswith("_")
                is_kept = attribute == "_value_" and type(value) in (list, dict, set)
                if is_named:  # code that is sent makes members of their values alone
                    home = "" if place is None else place.partition(":")[0]
                    self._needs.members.append((home, member, attribute, value))
                if place is not None and (is_kept or is_named):
                    self._needs.keep(f"{place}.{name}.{attribute}", value)


def _renamed_member(cls: Any) -> str | None:
    """A member of an enum that its tables do not know by its own name and value; None: none."""
    members, by_value = vars(cls).get("_member_map_", {}), vars(cls).get("_value2member_map_", {})
    made_by = [one for one in cls.__mro__ if callables.is_enum(one) and one.__module__ != "enum"]
    sets_value = any("__init__" in vars(one) for one in made_by)
    for name, member in members.items():
        own = vars(member)
        value = own.get("_value_")
        is_found = by_value.get(value) is member if is_scalar(value) else True
        if members.get(own.get("_name_", name)) is not member or not (is_found or sets_value):
            return str(name)
    return None


def _is_generated(func: FunctionType) -> bool:
    """Whether a library has made it for this class, as the `__new__` of a named tuple."""
    return func.__code__.co_filename.startswith("<")


def _replaced_slot(cls: type) -> str | None:
    """A slot that another descriptor was put in the place of; None: there is none."""
    slots = vars(cls).get("__slots__", ())
    for name in (slots,) if isinstance(slots, str) else slots:
        found = vars(cls).get(name)
        if not (found is None or name.startswith("__") or type(found) is SLOT):
            return str(name)
    return None


def _layers_that_choose(value: Any) -> list[Any]:
    """Of a `singledispatchmethod`: what holds the functions that were registered."""
    layers = callable_walk.layers(value)
    return [one for one in layers if type(one) is FUNCTION and "registry" in vars(one)]


def _is_at(cls: type) -> bool:
    """Is this class found under its name, in a module that can be imported?"""
    module = sys.modules.get(cls.__module__)
    if cls.__module__ in MAIN or getattr(module, "__spec__", None) is None:
        return False
    return is_under_its_name(cls)
