"""Random numbers that items draw, each from a stream of its own."""

from __future__ import annotations

from amorsize._engine import call_options
from amorsize._function import callables
from amorsize._profiles import store
from amorsize._workers import nesting, random_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize._engine.call import Call
    from amorsize._engine.confinement import Confinement


class Draws:
    """Seeds the generators that the items of one call draw from."""

    def __init__(self, call: Call, confinement: Confinement) -> None:
        self._call, self._confinement = call, confinement
        #: What is drawn from, where that is seeded.
        self.drawing: random_streams.Drawing | None = None

    def begin(self) -> None:
        """Give each item streams of its own, by `seed=` or because it draws random numbers."""
        options, is_implicit = self._call.options, self._call.options.seed is None
        if is_implicit and self._call.no_room is not None and self._call.tuner.job.is_loop:
            return
        if is_implicit and not (
            self._may_share() and random_streams.may_draw(self._call.task.function)
        ):
            return
        drawing = self.drawing = random_streams.Drawing(
            self._call.task.function,
            store.owner_of(self._call.func),
            seed=options.seed,
            item=self._call.work.item(0) if self._call.source.n_read else callables.MISSING,
            known_item_s=None if self._call.known is None else self._call.known.item_s,
            may_stay_here=is_implicit and self._call.may_stay_here and not self._call.is_stream,
        )
        self._call.draw_from(drawing.seed, drawing.generators)
        if drawing.is_quick:
            self._confinement.bind(random_streams.WHY_QUICK)

    def _may_share(self) -> bool:
        """Whether items may run in worker processes, and are not asked to run in threads."""
        options, asked = (
            self._call.options,
            call_options.environment_backend() or self._call.options.backend,
        )
        if nesting.is_inside() or options.executor is not None:
            return False
        return asked == "process" or (asked == "auto" and not options.thread_safe)

    def n_alike(self, n_items: int) -> int:
        """How many of these draw in the same way: in streams of their own, or as in a loop."""
        if self.drawing is None:
            return n_items
        return self.drawing.limited(n_items, self._call.work.results.n_in_order)

    def lend(self) -> None:
        """Whoever takes a result goes on with the numbers that it would have drawn."""
        if self.drawing is not None:
            self.drawing.put_back()

    def take(self) -> None:
        """Items go on with theirs, where the consumer has left the generators."""
        if self.drawing is not None:
            self.drawing.keep()

    def see_quick_items(self, wall_s: float) -> None:
        """Where items take no time, the first ones have had streams; the others draw as a loop."""
        drawing = self.drawing
        if drawing is not None and drawing.ends(
            wall_s, self._call.work.results.n_in_order, are_shared=bool(self._call.pools)
        ):
            drawing.put_back()
            self._call.draw_from(None, ())
            self.drawing = None
            self._confinement.bind(random_streams.WHY_QUICK)

    def end(self) -> None:
        """The program goes on with the numbers that it would have drawn after a loop."""
        if self.drawing is not None:  # decided by now: workers may have run what would have told
            self.drawing.ends(0.0, self._call.work.results.n_in_order, are_shared=True)
        self.lend()
