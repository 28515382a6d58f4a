"""One entry of the state that workers take over from their caller."""

from __future__ import annotations

from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Entry(Value):
    """One piece of state of a module; skipped while the module is not loaded."""

    name: str  # in docs/dev/safety.md
    module: str
    read: Callable[[Any], Any]  # given the module
    take: Callable[[Any, Any], None]  # given the module, and what was read


def set_if_other(get: Callable[[], Any], put: Callable[[Any], Any], value: Any) -> None:
    if get() != value:
        put(value)


def registry(name: str) -> tuple[Callable[[Any], Any], Callable[[Any, Any], None]]:
    """How to carry a dict of a module in which programs register something."""

    def take(module: Any, value: Any) -> None:
        fill(getattr(module, name), value)

    return lambda module: dict(getattr(module, name)), take


def fill(own: dict[Any, Any], wanted: dict[Any, Any]) -> None:
    if own != wanted:
        own.clear()
        own.update(wanted)


def of(name: str) -> tuple[Callable[[Any], Any], Callable[[Any, Any], None]]:
    """How to carry an attribute of a module."""

    def take(module: Any, value: Any) -> None:
        setattr(module, name, value)

    return lambda module: getattr(module, name), take


def by(get: str, put: str) -> tuple[Callable[[Any], Any], Callable[[Any, Any], None]]:
    """How to carry what one function of a module returns and another sets."""

    def take(module: Any, value: Any) -> None:
        set_if_other(getattr(module, get), getattr(module, put), value)

    return lambda module: getattr(module, get)(), take


def entry(name: str, module: str, ways: tuple[Any, Any]) -> Entry:
    return Entry(name=name, module=module, read=ways[0], take=ways[1])
