"""What a class needs in a worker."""

from __future__ import annotations

import sys

from amorsize._function import callable_walk, callables
from amorsize._function.callables import FUNCTION
from amorsize._function.needs.code_digest import digest_of, is_scalar
from amorsize._function.needs.worker_needs import CONTAINERS, OWN_TO_EACH, is_data
from amorsize._function.ownership import MAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._function.needs.worker_needs import Needs

#: Modules whose objects a class makes anew in each process: locks, queues, what it knows of others.
_GUARDING = frozenset({"_thread", "threading", "_threading_local", "queue", "_queue", "_abc"})
_MAPPING_VIEW: Any = type(type.__dict__)


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
        self._needs.note_registered(cls)
        self._needs.lead_to((type(cls),))
        for way, name, value in callable_walk.held(cls):
            inner = callable_walk.layers(value)[-1]
            if way == callable_walk.BASE:
                self._needs.lead_to((value,))
            elif type(inner) is FUNCTION:
                self._needs.lead_to((inner, *_layers_that_choose(value)))
                self._needs.note_cache(
                    value, None if home is None else f"{home}:{cls.__qualname__}.{name}"
                )
                if home is not None and self._needs.owns.function(inner):
                    self._needs.digests[f"{home}:{cls.__qualname__}.{name}"] = digest_of(value)
            elif home is not None and not name.startswith("__") and self._is_kept(cls, value):
                self._needs.settings[f"{home}:{cls.__qualname__}.{name}"] = value
            elif self._needs.owns.class_(type(value)):
                self._needs.lead_to((value,))  # a descriptor, whose class may have been changed
        if isinstance(getattr(cls, "__members__", None), _MAPPING_VIEW):
            self._members(cls, None if home is None else f"{home}:{cls.__qualname__}")

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
        if place is not None:
            self._needs.digests[f"{place}.__members__"] = digest_of(cls.__members__)
        for name, member in cls.__members__.items():
            for attribute, value in vars(member).items():
                is_kept = attribute == "_value_" and type(value) in (list, dict, set)
                if place is None and not attribute.startswith("_"):
                    self._needs.members.append((member, attribute, value))
                elif place is not None and (is_kept or not attribute.startswith("_")):
                    self._needs.keep(f"{place}.{name}.{attribute}", value)


def _layers_that_choose(value: Any) -> list[Any]:
    """Of a `singledispatchmethod`: what holds the functions that were registered."""
    layers = callable_walk.layers(value)
    return [one for one in layers if type(one) is FUNCTION and "registry" in vars(one)]


def _is_at(cls: type) -> bool:
    """Is this class found under its name, in a module that can be imported?"""
    module = sys.modules.get(cls.__module__)
    if cls.__module__ in MAIN or getattr(module, "__spec__", None) is None:
        return False
    found: Any = module
    for step in cls.__qualname__.split("."):
        found = getattr(found, step, None)
    return found is cls
