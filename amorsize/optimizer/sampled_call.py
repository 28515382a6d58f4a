"""A call that runs each item of a sample in the caller, measured by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amorsize._engine.engine import Engine
from amorsize._engine.options import call_options
from amorsize._engine.state.call import Invocation, Recorder
from amorsize._workers import nesting
from amorsize.policy.events import Inlined

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from amorsize._engine.state.call import Call
    from amorsize.policy.events import Event
    from amorsize.policy.evidence.item_costs import ItemCosts

#: Items that take no time, run to see what measuring one takes.
N_EMPTY = 9


class SampleRecorder(Recorder):
    """Takes from each item's time what timing it took."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        #: Seconds that timing one item takes by itself.
        self.clock_s = 0.0
        #: What each item took.
        self.seen: list[Inlined] = []

    def tell(self, event: Event) -> None:
        if not isinstance(event, Inlined):
            super().tell(event)
            return
        event = event.replace(
            wall_s=max(1e-9, event.wall_s - self.clock_s),
            cpu_s=max(0.0, event.cpu_s - self.clock_s),
        )
        self.seen.append(event)
        # What others took of the core does not belong to the items.
        own_s = max(1e-9, event.wall_s - event.run_delay_s)
        super().tell(event.replace(wall_s=own_s, run_delay_s=0.0))


class SampledCall(Engine):
    """A call in the caller that keeps what each of its items took.

    Args:
        func: Called with each item, keywords bound.
        items: The sample.
        indices: Where its items lie in the data.
        clock_s: Seconds that timing one item takes by itself.
        tell: Called with the number of items that are done, after each.
    """

    remembers = False
    recorder_type = SampleRecorder

    def __init__(
        self,
        func: Callable[..., Any],
        items: Sequence[Any],
        indices: Sequence[int],
        *,
        clock_s: float,
        tell: Callable[[int], object],
    ) -> None:
        options = call_options.validated(backend="serial")
        super().__init__(Invocation(func=func, iterables=(items,), options=options))
        self.plain_loop = None
        assert isinstance(self.recorder, SampleRecorder)
        self.recorder.clock_s = clock_s
        #: What each item took.
        self.seen = self.recorder.seen
        self.failures.indices = indices
        self._tell = tell

    def run(self, *, longest_s: float | None = None) -> list[Any]:
        """All results, in order; a tuned function in an item is a loop, as it is in a worker."""
        before = nesting.mark()
        nesting.enter()
        try:
            return super().run(longest_s=longest_s)
        finally:
            nesting.leave(before)

    def step(self) -> None:
        """Run the next item alone, whatever the tuner would make of it."""
        self.inline.run_inline(1, float("inf"))
        self._tell(len(self.seen))

    @property
    def costs(self) -> ItemCosts:
        """What the tuner has made of it."""
        return self.call.tuner.costs


def clock_s() -> float:
    """Seconds that timing one item takes by itself."""
    empty = SampledCall(_nothing, range(N_EMPTY), range(N_EMPTY), clock_s=0.0, tell=_nothing)
    empty.run()
    return sorted(event.wall_s for event in empty.seen)[N_EMPTY // 2]


def _nothing(_: Any) -> None:
    """Do nothing: what timing such an item shows is the cost of timing."""
