"""A finding: something that a watched item has changed or called."""

from __future__ import annotations

from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# The places where others may meet what an item has done.
#: State of the whole process: its folder, its environment, ...
PROCESS = "process"
#: A file or connection that was open before.
DESCRIPTOR = "descriptor"
#: A random generator.
GENERATOR = "generator"
#: The caller's context: context variables, the decimal precision.
CONTEXT = "context"
#: An object that the function reaches.
STATE = "state"
#: The item itself.
ITEM = "item"
#: A thread that the item has started and that still runs.
THREADS = "threads"
#: A process that the item has started and that still runs.
CHILDREN = "children"
# Only `Inside` finds these, if a called function is known for them.
#: The function is bound to the thread that calls it.
THREAD = "thread"
#: Only the caller may call the function.
CALLER = "caller"

PLACES = (PROCESS, DESCRIPTOR, GENERATOR, CONTEXT, STATE, ITEM, THREADS, CHILDREN)


class Finding(Value):
    """Something that an item has done and others would notice."""

    what: str  # its name: "the current folder", "/data/table.bin", "os.chdir"
    where: str  # one of the places above
    why: str  # for explain() and warnings: "an item changed the current folder"


class Ones:
    """Objects that are compared by identity, without their own `__eq__`.

    It keeps them alive, so that no new object gets the id of one of them.
    """

    __slots__ = ("objects",)

    def __init__(self, objects: Iterable[Any]) -> None:
        self.objects = tuple(objects)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Ones)
            and len(self.objects) == len(other.objects)
            and all(mine is its for mine, its in zip(self.objects, other.objects, strict=True))
        )

    __hash__ = None  # type: ignore[assignment]
