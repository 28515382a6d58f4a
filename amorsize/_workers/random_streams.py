"""Finds the random generators that the items of a call draw from.

Each item gets streams of its own. With `seed=` they follow from the seed. Without it, where items
may run in worker processes, they follow from one number drawn from each generator of the caller. A
program that seeds its generators gets the same results again, whatever the number of workers; two
calls get independent results. The plain loop (`backend="serial"`) and threads draw as usual.

Seeding takes 3 to 10 us per item and more, too much for trivial items. The time of the first
`FIRST` items decides, once per function and process, whether the others run in the caller and draw
as in the loop. So their results do not depend on the number of workers either.
"""

from __future__ import annotations

from itertools import chain, islice

from amorsize._function.library.drawn_libraries import libraries_of
from amorsize._function.plain_values import PLAIN
from amorsize._function.sharing.thread_safety import examine
from amorsize._workers.random_generators import can_be_seeded
from amorsize._workers.seeding import (
    OF_NUMPY,
    OF_RANDOM,
    OF_TORCH,
    PROCESS_WIDE,
    KeptStreams,
    Reached,
    begin_s,
    implicit_seeds,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from amorsize._function.sharing.findings import Objects, Reach

#: Items that have streams in any case: at most 3 ms of seeding for `random`.
FIRST = 256
#: An item is quick below this multiple of the seeding time. For others seeding costs at most 25 %.
QUICK = 5
#: Functions that are remembered.
MAX_FUNCTIONS = 1024

#: Libraries whose functions draw, with their generators.
LIBRARIES = {
    "random": (OF_RANDOM,),
    "numpy": (OF_NUMPY,),
    "pandas": (OF_NUMPY,),
    "scipy": (OF_NUMPY,),
    "sklearn": (OF_NUMPY,),
    "torch": (OF_TORCH,),
    "networkx": (OF_RANDOM, OF_NUMPY),
}

#: Whether items of a function are quick, by owner.
_are_quick: dict[Any, bool] = {}


class Drawing:
    """The streams of one call.

    Args:
        func: The function, with the keywords of the call bound.
        owner: Identifies the function across calls.
        seed: The seed of the user; None: one is drawn from each generator.
        item: The first item, if it was read.
        known_item_s: Seconds of an item in earlier calls.
        caller_may_run_items: Whether all items may run in the caller.
        found: What the function reaches, with its objects; not needed with a seed.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        owner: Any,
        *,
        seed: int | None,
        item: object,
        known_item_s: float | None,
        caller_may_run_items: bool,
        found: tuple[Reach, Objects] | None = None,
    ) -> None:
        self._owner, self._took_s = owner, 0.0
        self.generators = _all_behind(func, item) if found is None else _drawn_by(*found)
        self.seed: int | tuple[int, ...] | None = seed
        self.is_quick: bool | None = False  # None: not decided yet
        if not self.generators:
            self.seed = None
        elif seed is None:
            self.seed = implicit_seeds(self.generators)
        self._kept = KeptStreams(self.generators)
        if seed is None and self.generators and caller_may_run_items:
            self.is_quick = _are_quick.get(owner)
            if self.is_quick is None and known_item_s is not None:
                self._decide(known_item_s)

    def keep(self) -> None:
        """Save the states of the caller's own generators."""
        self._kept.keep()

    def put_back(self) -> None:
        """Restore the states of the caller's own generators."""
        self._kept.put_back()

    def limited(self, n_items: int, n_before: int) -> int:
        """How many of `n_items` may run now, after `n_before` items of the call."""
        if self.is_quick is False or n_before >= FIRST:
            return n_items
        return min(n_items, FIRST - n_before)

    def ends(self, took_s: float, n_before: int, *, are_shared: bool) -> bool:
        """Whether items draw as in the loop from now on.

        Args:
            took_s: Seconds of the items that were just run.
            n_before: Items of the call that have run.
            are_shared: Whether workers have run some of them.
        """
        self._took_s += took_s
        if self.is_quick is False or n_before < FIRST:
            return False
        if self.is_quick is None:
            self._decide(None if are_shared else self._took_s / FIRST)
        return bool(self.is_quick)

    def _decide(self, item_s: float | None) -> None:
        """Decide once for this process, so that equal seeds give equal results."""
        if item_s is None:  # workers run items with streams
            self.is_quick = False
        else:
            self.is_quick = item_s < QUICK * begin_s(self.seed, self.generators)
        _remember(_are_quick, self._owner, self.is_quick)


# -- what code draws from -------------------------------------------------------------------------


def _drawn_by(reach: Reach, objects: Objects) -> tuple[Any, ...]:
    """The generators that the code draws from, as far as code can be read."""
    wanted = {place for name in reach.draws for place in places_of(name)}
    found: list[Any] = [place for place in PROCESS_WIDE if place in wanted]
    for generator in objects.generators.values():
        if can_be_seeded(generator):
            found.append(Reached(generator=generator))
    return tuple(found)


def as_sent(one: Any) -> str | None:
    """The form in which a generator is sent; None: a worker finds it by the function."""
    return one if isinstance(one, str) else None


def as_reached_here(fields: dict[str, Any]) -> dict[str, Any]:
    """The generators of a task that was sent, with their seeds, in the worker.

    A generator that a function of a module refers to was made again by the import of the module. It
    is found in the same order as in the caller, by the same code.
    """
    sent, seed = fields["generators"], fields["seed"]
    places = tuple(one for one in sent if one is not None)
    if len(places) == len(sent):
        return {}
    reached = tuple(
        one for one in _drawn_by(*examine(fields["function"])) if isinstance(one, Reached)
    )
    if isinstance(seed, tuple):
        seeds = seed[len(places) :]
        more = (seeds[0] + number for number in range(1, 1 + len(reached)))
        seed = (*seed[: len(places)], *islice(chain(seeds, more), len(reached)))
    return {"generators": (*places, *reached), "seed": seed}


def _all_behind(func: Callable[..., Any], item: object) -> tuple[Any, ...]:
    """All generators that the code may draw from."""
    libraries = libraries_of(func)
    if libraries is not None and _is_plain(item):  # it has no methods that could draw
        behind = {place for library in libraries for place in LIBRARIES[library]}
        return tuple(place for place in PROCESS_WIDE if place in behind)
    return *PROCESS_WIDE, *(one for one in _drawn_by(*examine(func)) if one not in PROCESS_WIDE)


def _is_plain(item: object) -> bool:
    return type(item) in PLAIN or (type(item) is tuple and PLAIN.issuperset(map(type, item)))


def places_of(name: str) -> Sequence[str]:
    """The generators of whole programs that a function of a library draws from."""
    return LIBRARIES.get(name.partition(".")[0], PROCESS_WIDE)


def _remember(memory: dict[Any, Any], owner: Any, value: Any) -> None:
    memory[owner] = value
    if len(memory) > MAX_FUNCTIONS:
        del memory[next(iter(memory))]
