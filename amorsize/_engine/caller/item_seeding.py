"""Gives each item random streams of its own."""

from __future__ import annotations

import sys

from amorsize._engine.data.source import Sliced
from amorsize._engine.options import call_options
from amorsize._function import callables
from amorsize._profiles import memory_store
from amorsize._workers import nesting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._engine.state.call import Call
    from amorsize._engine.state.caller_only import CallerOnly
    from amorsize._function.sharing.findings import Objects, Reach
    from amorsize._workers.random_streams import Drawing

#: Modules with generators that a whole program shares. If none is loaded, nothing is seeded.
GENERATORS = ("random", "numpy.random", "torch")
#: The most functions that are remembered.
MAX_FUNCTIONS = 1024
WHY_QUICK = "items draw random numbers, and take less time than it takes to seed a stream"

#: The identities of functions that draw.
_known: dict[Any, bool] = {}


def is_known_to_draw(identity: Any) -> bool:
    """Whether an earlier call found that this function draws."""
    return identity in _known


class ItemSeeding:
    """Seeds the generators that the items of one call draw from."""

    def __init__(self, call: Call, caller_only: CallerOnly) -> None:
        self._call, self._caller_only = call, caller_only
        #: The generators that are seeded; None: none are.
        self.drawing: Drawing | None = None
        #: Whether the last item is left out until all others are done, and the caller runs it.
        self.holds_last = False

    def begin(self) -> None:
        """Give each item streams of its own, by `seed=` or because it draws random numbers."""
        options, is_implicit = self._call.options, self._call.options.seed is None
        if (
            is_implicit
            and self._call.shortage_reason is not None
            and self._call.tuner.request.is_loop
        ):
            return
        if is_implicit and not (self._may_share() and self._may_draw()):
            return
        if not is_implicit and self._only_compute():
            self._call.draw_from(None, ())
            return
        found = self._found() if is_implicit else None
        if found is not None and (self._stays(found[0]) or self._is_seeded_by_data()):
            return
        from amorsize._workers.random_streams import Drawing

        identity, source = memory_store.identity_of(self._call.func), self._call.source
        first = source.first
        drawing = self.drawing = Drawing(
            self._call.task.function,
            identity,
            seed=options.seed,
            item=self._call.work.item(first) if source.holds(first) else callables.MISSING,
            known_item_s=None if self._call.known is None else self._call.known.traits.item_s,
            caller_may_run_items=is_implicit
            and self._call.caller_may_run_items
            and not self._call.is_stream,
            found=found,
        )
        self._call.draw_from(drawing.seed, drawing.generators)
        if is_implicit and drawing.generators:
            _remember(identity)
        if drawing.is_quick:
            self._caller_only.enforce(WHY_QUICK)

    def _only_compute(self) -> bool:
        """Whether items are proven to draw nothing. That takes 25 ns each, to seed for one 1 us."""
        call, options = self._call, self._call.options
        if not isinstance(call.source, Sliced) or options.setup or options.teardown:
            return False
        from amorsize._function.purity.pure_code import is_pure

        return is_pure(call.func, (*call.source.sequences, [*call.item_kwargs.values()]))

    def _may_share(self) -> bool:
        """Whether items may run in worker processes, and are not asked to run in threads."""
        options = self._call.options
        asked = call_options.environment_backend() or options.backend
        if nesting.is_inside():
            return False
        if options.given_workers is not None and asked != "serial":
            from amorsize._clusters import plain

            return not (options.thread_safe or plain.runs_in_threads(options.executor))
        return asked == "process" or (asked == "auto" and not options.thread_safe)

    def _found(self) -> tuple[Reach, Objects]:
        from amorsize._engine.placement.placement import last_refusal
        from amorsize._function.sharing.thread_safety import examine

        func, options = self._call.task.function, self._call.options
        known = last_refusal(func, (), options) if self._call.caller_may_run_items else None
        return known or examine(func)

    def _stays(self, reach: Reach) -> bool:
        """Whether items stay in the caller by what was read, and so draw as in the loop."""
        if not self._call.caller_may_run_items:
            return False
        from amorsize._engine.placement.placement import from_reading
        from amorsize._engine.placement.verdict import WHY_SEEDS

        if reach.seeds:
            if not self._holds_last(reach):
                self._caller_only.enforce(WHY_SEEDS)
            return True
        verdict = from_reading(reach, self._call.options)
        return None not in (verdict.thread_reason, verdict.process_reason)

    def _holds_last(self, reach: Reach) -> bool:
        """Have the caller run the last item last, if that leaves the generators as the loop does.

        Each item has to seed all generators that it draws from, before it draws.
        """
        from amorsize._workers.random_streams import places_of

        work, source = self._call.work, self._call.source
        is_told = source.all_read and not source.in_lockstep and not self._call.is_stream
        drawn = {place for name in reach.draws for place in places_of(name)}
        seeded = {place for name in reach.reseeds for place in places_of(name)}
        if not (is_told and seeded and drawn <= seeded):
            return False
        self.holds_last = True
        work.end_at(source.n_read - 1)
        return True

    def _is_seeded_by_data(self) -> bool:
        """Whether reading an item sets the generator that it draws from; it stays in the caller."""
        source = self._call.source
        if not (source.in_lockstep and self._call.caller_may_run_items):
            return False
        from amorsize._engine.data.source import Reading
        from amorsize._engine.reading.reading_order import why_as_in_loop

        assert isinstance(source, Reading)  # no other data is read
        why = why_as_in_loop(source.parts)
        if why is not None:
            self._caller_only.enforce(why)
        return why is not None

    def _may_draw(self) -> bool:
        """Whether the function may draw, by the names in its code."""
        if not any(name in sys.modules for name in GENERATORS):
            return False
        from amorsize._function.library.drawn_libraries import may_draw

        return may_draw(self._call.task.function)

    def n_alike(self, n_items: int) -> int:
        """How many of these items draw alike: from their own streams, or as in a loop."""
        if self.drawing is None:
            return n_items
        return self.drawing.limited(n_items, self._call.work.results.n_in_order)

    def lend(self) -> None:
        """Restore the generators for a result's consumer, as a loop would have left them."""
        if self.drawing is not None:
            self.drawing.put_back()

    def take(self) -> None:
        """Let items go on with the generators as the consumer has left them."""
        if self.drawing is not None:
            self.drawing.keep()

    def see_quick_items(self, wall_s: float) -> None:
        """After quick first items, let the others draw as in a loop."""
        drawing = self.drawing
        if drawing is not None and drawing.ends(
            wall_s, self._call.work.results.n_in_order, are_shared=bool(self._call.pools)
        ):
            drawing.put_back()
            self._call.draw_from(None, ())
            self.drawing = None
            self._caller_only.enforce(WHY_QUICK)

    def end(self) -> None:
        """Leave the generators to the program as a loop would have left them."""
        if self.drawing is not None:  # decide now, as no further items will show it
            self.drawing.ends(0.0, self._call.work.results.n_in_order, are_shared=True)
        self.lend()


def _remember(identity: Any) -> None:
    _known[identity] = True
    if len(_known) > MAX_FUNCTIONS:
        del _known[next(iter(_known))]
