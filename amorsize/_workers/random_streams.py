"""Which random generators the items of a call draw from, so that each item gets streams of its own.

With `seed=` the streams follow from that. Without, where items may go to worker processes, from one
number drawn from each generator as the caller has it: who seeds it before the call gets the same
results again, whatever the number of workers, and independent ones from each call. The plain loop
(`backend="serial"`) and threads draw as they always did.

To begin a stream takes 3 to 10 us and more, which items that take no time would feel. What the
first `FIRST` items took decides, once for a function in this process, whether the others draw as in
the loop, in the caller; so their results do not depend on the number of workers either.
"""

from __future__ import annotations

import opcode
import sys
from itertools import chain, islice

from amorsize._function import callables
from amorsize._function.callables import FUNCTION, MODULE
from amorsize._function.shareable_values import PLAIN
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
    from types import CodeType
    from typing import Any

FIRST = 256  # items with streams in any case: at most 3 ms for `random`
QUICK = 5  # times what it takes to begin a stream, that included; other items feel that by 25 %
MAX_FOLLOWED = 30  # functions of the project that are looked through for names
MAX_FUNCTIONS = 1024  # that are remembered
MAX_PLAIN = 256  # elements of a container that are looked through: 5 us
WHY_QUICK = "items draw random numbers, and take less time than it takes to seed a stream"

LIBRARIES = {  # whose functions draw, and from which generators
    "random": (OF_RANDOM,),
    "numpy": (OF_NUMPY,),
    "pandas": (OF_NUMPY,),
    "scipy": (OF_NUMPY,),
    "sklearn": (OF_NUMPY,),
    "torch": (OF_TORCH,),
    "networkx": (OF_RANDOM, OF_NUMPY),
}
_HARMLESS = frozenset({"math", "time", "os", "sys", "json", "re", "itertools", "functools", "zlib"})
_DOORS = frozenset({"eval", "exec", "getattr", "globals", "vars", "__import__"})
_CONTAINERS = (dict, list, tuple, set, frozenset)
_IMPORT = opcode.opmap["IMPORT_NAME"]

_are_quick: dict[Any, bool] = {}  # by owner: whether items take no time
_draw: dict[Any, bool] = {}  # owners of functions that were read to draw


class Drawing:
    """The streams of one call.

    Args:
        func: The function, keywords of the call bound.
        owner: What stands for the function between calls.
        seed: What the user has given; None: one is drawn from each generator.
        item: The first one, if it has been read.
        known_item_s: What an item took in earlier calls.
        may_stay_here: Whether items that take no time may all run in the caller.
    """

    def __init__(
        self,
        func: Callable[..., Any],
        owner: Any,
        *,
        seed: int | None,
        item: object,
        known_item_s: float | None,
        may_stay_here: bool,
    ) -> None:
        self._owner, self._took_s = owner, 0.0
        self.generators = _drawn_by(func) if seed is None else _all_behind(func, item)
        self.seed: int | tuple[int, ...] | None = seed
        self.is_quick: bool | None = False  # None: not decided yet
        if not self.generators:
            self.seed = None
        elif seed is None:
            self.seed = implicit_seeds(self.generators)
            _remember(_draw, owner, True)
        self._kept = KeptStreams(self.generators)
        if seed is None and self.generators and may_stay_here:
            self.is_quick = _are_quick.get(owner)
            if self.is_quick is None and known_item_s is not None:
                self._decide(known_item_s)

    def keep(self) -> None:
        """Save the states of the caller's own generators."""
        self._kept.keep()

    def put_back(self) -> None:
        """Let the caller's own generators go on where they were."""
        self._kept.put_back()

    def limited(self, n_items: int, n_before: int) -> int:
        """How many items may run now, `n_before` of the call having been run."""
        if self.is_quick is False or n_before >= FIRST:
            return n_items
        return min(n_items, FIRST - n_before)

    def ends(self, took_s: float, n_before: int, *, are_shared: bool) -> bool:
        """Whether from now on items draw as in the loop; `took_s`: what those just run took."""
        self._took_s += took_s
        if self.is_quick is False or n_before < FIRST:
            return False
        if self.is_quick is None:
            self._decide(None if are_shared else self._took_s / FIRST)
        return bool(self.is_quick)

    def _decide(self, item_s: float | None) -> None:
        """Once and for all: calls of one seed are to give the same results."""
        if item_s is None:  # workers have some, with streams
            self.is_quick = False
        else:
            self.is_quick = item_s < QUICK * begin_s(self.seed, self.generators)
        _remember(_are_quick, self._owner, self.is_quick)


def is_known_to_draw(owner: Any) -> bool:
    """Was this function read to draw, in an earlier call?"""
    return owner in _draw


def may_draw(func: Callable[..., Any]) -> bool:
    """A quick look that loads nothing; no is sure, as far as code can be read."""
    if not any(name in sys.modules for name in ("random", "numpy.random", "torch")):
        return False
    return _libraries_of(func) != set()


# -- what code draws from -------------------------------------------------------------------------


def _drawn_by(func: Callable[..., Any]) -> tuple[Any, ...]:
    """The generators that the code draws from, as far as it can be read."""
    from amorsize._function.thread_safety import examine

    reach, objects = examine(func)
    wanted = {place for name in reach.draws for place in _places(name)}
    found: list[Any] = [place for place in PROCESS_WIDE if place in wanted]
    for generator in objects.generators.values():
        if can_be_seeded(generator):
            found.append(Reached(generator=generator))
    return tuple(found)


def as_sent(one: Any) -> str | None:
    """A generator as it is sent to a worker, which finds by itself what the function leads to."""
    return one if isinstance(one, str) else None


def as_reached_here(fields: dict[str, Any]) -> dict[str, Any]:
    """The generators of a task that was sent, and their seeds, where the function has arrived.

    What a function of a module leads to, its module has made anew here. It is found in the same
    order as in the caller, by the same code.
    """
    sent, seed = fields["generators"], fields["seed"]
    places = tuple(one for one in sent if one is not None)
    if len(places) == len(sent):
        return {}
    reached = tuple(one for one in _drawn_by(fields["function"]) if isinstance(one, Reached))
    if isinstance(seed, tuple):
        seeds = seed[len(places) :]
        more = (seeds[0] + number for number in range(1, 1 + len(reached)))
        seed = (*seed[: len(places)], *islice(chain(seeds, more), len(reached)))
    return {"generators": (*places, *reached), "seed": seed}


def _all_behind(func: Callable[..., Any], item: object) -> tuple[Any, ...]:
    """All generators that the code may draw from, whether it is seen to or not."""
    libraries = _libraries_of(func)
    if libraries is not None and _is_plain(item):  # it brings no methods along
        behind = {place for library in libraries for place in LIBRARIES[library]}
        return tuple(place for place in PROCESS_WIDE if place in behind)
    return *PROCESS_WIDE, *(one for one in _drawn_by(func) if one not in PROCESS_WIDE)


def _is_plain(item: object) -> bool:
    return type(item) in PLAIN or (type(item) is tuple and PLAIN.issuperset(map(type, item)))


def _places(name: str) -> Sequence[str]:
    """The generators behind a function that draws from those of whole programs."""
    return LIBRARIES.get(name.partition(".")[0], PROCESS_WIDE)


def _libraries_of(func: Any) -> set[str] | None:
    """Which of `LIBRARIES` a function names; None where it names what that cannot be told of."""
    left, found, seen = [func], set(), set()
    while left:
        one = callables.raw(left.pop())
        if id(one) in seen or (type(one) is type(len) and one.__module__ in ("builtins", "math")):
            continue
        seen.add(id(one))
        if type(one) is not FUNCTION or len(seen) > MAX_FOLLOWED or _holds_more(one):
            return None
        for name in _names(one.__code__):
            value = one.__globals__.get(name)
            if type(value) is FUNCTION:
                left.append(value)
            elif type(value) is MODULE:
                found.add(value.__name__.partition(".")[0])
            elif name in _DOORS or not _is_plain_data(value):
                return None
    found -= _HARMLESS
    return found if found <= LIBRARIES.keys() else None


def _is_plain_data(value: Any) -> bool:
    """Is it a number, a text, or a small container of such: nothing that could be drawn from?"""
    kind = type(value)
    if kind in PLAIN:
        return True
    if kind not in _CONTAINERS or len(value) > MAX_PLAIN:
        return False
    parts = (*value, *value.values()) if kind is dict else value
    return PLAIN.issuperset(map(type, parts))


def _holds_more(func: Any) -> bool:
    """Has a function more to draw from than what its code names?"""
    if func.__closure__ or func.__defaults__ or func.__kwdefaults__ or func.__dict__:
        return True
    return _imports(func.__code__)


def _imports(code: CodeType) -> bool:
    if _IMPORT in code.co_code[::2]:
        return True
    return any(_imports(one) for one in code.co_consts if type(one) is type(code))


def _names(code: CodeType) -> set[str]:
    """All names in a function's code, and in that of the functions inside."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if type(constant) is type(code):
            names |= _names(constant)
    return names


def _remember(memory: dict[Any, Any], owner: Any, value: Any) -> None:
    memory[owner] = value
    if len(memory) > MAX_FUNCTIONS:
        del memory[next(iter(memory))]
