"""One thing that a watched item changed or called, told in plain words."""

from __future__ import annotations

from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

# Where an item has left a trace that others may meet:
#: What the whole process has once: its folder, its environment, ...
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
#: A thread that the item has left running.
THREADS = "threads"
#: A process that the item has left running.
CHILDREN = "children"
# Seen by `Inside` alone, where a called function is known for it:
#: It is bound to the thread that calls it.
THREAD = "thread"
#: Only the caller may call it.
CALLER = "caller"

PLACES = (PROCESS, DESCRIPTOR, GENERATOR, CONTEXT, STATE, ITEM, THREADS, CHILDREN)


class Finding(Value):
    """Something that an item did and others would notice."""

    what: str  # its name: "the current folder", "/data/table.bin", "os.chdir"
    where: str  # one of the places above
    why: str  # in words for explain() and warnings: "an item changed the current folder"


class Ones:
    """Objects that are compared by which they are, never by what they say of themselves.

    They are held, so that no other object can come to lie where one of them was.
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
