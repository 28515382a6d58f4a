"""What items cost in a call so far."""

from __future__ import annotations

from amorsize.policy.evidence.io_bound import MEMORY, OwnItems
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.policy.events import Inlined, Report
    from amorsize.policy.profile import Profile

#: A first item this many times the second was a warm-up (imports, JIT).
WARMUP_RATIO = 3.0

#: The least time of an item. A clock with large steps may not have moved.
LEAST_ITEM_S = 1e-9

#: Least weight of the latest inline slice in what items cost in CPU time. It has the weight of its
#: items: of the first slices, those of one item or eight measure mostly the clock.
LATEST_CPU = 0.1

#: Least weight of the past, and the items after which it is reached: costs may have changed.
LEAST_MEMORY, ITEMS_REMEMBERED = 0.5, 128

#: Chunk reports of each worker in the moving average.
CHUNKS_REMEMBERED = 4.0

#: Chunk reports of all workers in the moving average. With more, a change of cost would be noticed
#: too late.
MOST_REMEMBERED = 64.0


class AloneItems(Value):
    """The caller's items before there were workers."""

    #: Mean CPU seconds of one. None: there was none.
    cpu_s: float | None = None
    #: How many there were.
    n_items: int = 0
    #: Their CPU / wall.
    cpu_share: float = 1.0


class CallMeans:
    """Sums over the whole call, warm-ups left out."""

    def __init__(self) -> None:
        #: Wall seconds of what the caller ran while nothing ran beside it.
        self.alone_s = 0.0
        #: How many items that were.
        self.alone_n = 0.0
        #: Wall seconds of everything.
        self.all_s = 0.0
        #: How many items that were.
        self.all_n = 0.0

    def add(self, wall_s: float, n_items: int, *, alone: bool) -> None:
        """Take in a slice or a chunk."""
        self.all_s += wall_s
        self.all_n += n_items
        if alone:
            self.alone_s += wall_s
            self.alone_n += n_items


#: `math.log`, from the first chunk on: 1 ms to load, which a call without workers does not pay.
_log: Callable[[float], float] | None = None


def _load_log() -> Callable[[float], float]:
    """Load it once, as an import takes 1 us each time."""
    global _log
    from math import log

    _log = log
    return log


class ChunkSpread:
    """How what items cost varies from chunk to chunk, in logarithms."""

    def __init__(self) -> None:
        #: Chunks of workers behind these figures.
        self.n_chunks = 0
        self._n_items = 0
        self._sum = self._squares = 0.0

    def add(self, item_s: float, n_items: int) -> None:
        """Take in what an item of a chunk cost."""
        value = (_log or _load_log())(max(item_s, 1e-9))
        self._sum += value
        self._squares += value * value
        self.n_chunks += 1
        self._n_items += n_items

    @property
    def log(self) -> float | None:
        """Standard deviation of the log of what items cost; None before two chunks."""
        if self.n_chunks < 2:
            return None
        mean = self._sum / self.n_chunks
        return float(max(0.0, self._squares / self.n_chunks - mean * mean) ** 0.5)

    @property
    def typical_s(self) -> float | None:
        """Geometric mean of what items cost; None before the first chunk."""
        if not self.n_chunks:
            return None
        from math import exp

        return exp(self._sum / self.n_chunks)

    @property
    def chunk_items(self) -> float:
        """Mean items of a chunk."""
        return self._n_items / self.n_chunks if self.n_chunks else 1.0


class DecayedSums:
    """What the moving averages of items come from: what is older counts less."""

    __slots__ = ("n_cpu", "n_items", "undelayed_s", "wall_s")

    def __init__(self) -> None:
        #: Wall seconds of items.
        self.wall_s = 0.0
        #: The same without the time for which others had their core.
        self.undelayed_s = 0.0
        #: How many items that were.
        self.n_items = 0.0
        #: How many slices and chunks have told of CPU time.
        self.n_cpu = 0


class ItemCosts:
    """Moving averages over what was run, inline and in workers; seconds per item."""

    def __init__(self) -> None:
        #: Wall seconds of the items that the caller has run itself.
        self.elapsed_inline_s = 0.0
        #: The same without the time for which others had its core.
        self.undelayed_inline_s = 0.0
        #: How many these were.
        self.n_inline = 0
        #: The items that were run before there were workers.
        self.alone = AloneItems()
        #: Items run anywhere.
        self.n_seen = 0
        #: Chunks that came back.
        self.n_reports = 0
        #: Items of the largest of them.
        self.n_largest = 0
        #: Mean wall seconds of an item. None: the first one has not ended.
        self.item_s: float | None = None
        #: Mean CPU seconds of an item.
        self.item_cpu_s: float | None = None
        #: Mean item of the latest slice or chunk.
        self.latest_s: float | None = None
        #: The same without what others kept it waiting.
        self.latest_own_s: float | None = None
        #: Items spend most of their time waiting.
        self.waits = False
        #: Process CPU / wall of the caller's own items.
        self.cores_per_item = 1.0
        #: What a first item seems to cost on top.
        self.warmup_s = 0.0
        #: Modules were imported, or a fresh worker has shown the warm-up, too.
        self.is_warmup_sure = False
        #: Cost of the first item while no second one has shown whether that was a warm-up.
        self.first_unconfirmed_s: float | None = None
        #: How what items cost varies, chunk by chunk.
        self.spread = ChunkSpread()
        self._means = CallMeans()
        #: The items that the caller has run.
        self.own = OwnItems()
        self._sums = DecayedSums()

    @property
    def mean_s(self) -> float | None:
        """Mean wall seconds of an item over the whole call; of waiting ones, while undisturbed."""
        means = self._means
        if self.waits and means.alone_n:
            return self.mean_alone_s
        return max(means.all_s / means.all_n, LEAST_ITEM_S) if means.all_n else self.item_s

    @property
    def mean_alone_s(self) -> float | None:
        """Mean wall seconds of the items beside which there was no other; None: there are none."""
        means = self._means
        return means.alone_s / means.alone_n if means.alone_n else None

    @property
    def work_s(self) -> float:
        """CPU seconds of one item, which a crowded core does not inflate."""
        item_s = self.item_s or 0.0
        return item_s if self.item_cpu_s is None else min(item_s, self.item_cpu_s)

    @property
    def undisturbed_s(self) -> float:
        """Wall seconds of one item without what others kept it from its core."""
        item_s, sums = self.item_s or 0.0, self._sums
        return min(item_s, sums.undelayed_s / sums.n_items) if sums.n_items else item_s

    def fits(self, *, waits: bool) -> bool:
        """Whether items may be waiting ones, or computing ones, as far as can be told by now."""
        return self.waits is waits or (waits and self.own.idle_streak.is_too_short)

    @property
    def cpu_share(self) -> float:
        """CPU / wall of the caller's latest items while nothing ran beside them."""
        own = self.own
        return min(1.0, own.cpu_s / own.wall_s) if own.wall_s else 1.0

    @property
    def computing_share(self) -> float:
        """CPU / wall of items that wait for a part of their time; 1 where they do not.

        Items that seem to do nothing but wait count as 1: there is no part that computes.
        """
        is_part = self.n_at_once > 1 and not self.own.are_idle
        return self.own.process_cpu_s / self.own.wall_s if is_part else 1.0

    @property
    def n_at_once(self) -> float:
        """Items that one core can have under way; 1 where they compute all the time, or wait."""
        return 1.0 if self.waits else self.own.n_at_once

    def end_alone(self) -> None:
        """The first worker is started: the items so far were undisturbed."""
        self.alone = AloneItems(
            cpu_s=self.item_cpu_s, n_items=self.n_inline, cpu_share=self.cpu_share
        )

    def agree(self, profile: Profile) -> None:
        """Items of this call have confirmed a profile: believe the rest of it as well."""
        self.waits = profile.traits.waits
        self.n_largest = max(self.n_largest, profile.plan.chunksize)
        self.first_unconfirmed_s = None

    def inlined(self, event: Inlined, *, alone: bool, beside_threads: bool = False) -> None:
        """Items the caller ran; `alone` while no worker was running beside them."""
        n, item_s = event.n_items, max(event.wall_s / event.n_items, LEAST_ITEM_S)
        is_import = not self.n_inline and event.n_modules > 0
        if not self.n_inline:
            self.first_unconfirmed_s = item_s
            self._mean_of(event.wall_s, n, event.undelayed_s)
            if is_import:
                # It imported something: never a sound reference for the items to come.
                self._mean_of(0.0, 0, 0.0)
                self.warmup_s, self.is_warmup_sure = event.wall_s, True
            else:
                self._means.add(event.wall_s, n, alone=alone)
        else:
            self._confirm(item_s)
            keep = max(LEAST_MEMORY, min(MEMORY, 1 - n / ITEMS_REMEMBERED))
            self._add(event.wall_s, n, event.undelayed_s, keep)
            self._means.add(event.wall_s, n, alone=alone)
        self.latest_s, self.latest_own_s = item_s, event.undelayed_s / n
        n_remembered = self._sums.n_items
        self._note_cpu(event.cpu_s / n, max(LATEST_CPU, n / n_remembered if n_remembered else 1.0))
        is_told = event.run_delay_s > 0 and not beside_threads  # those take the GIL as well
        # Otherwise an item that gets no core looks like one that waits; and what an import computes
        # says nothing of the items to come.
        if (alone or is_told) and not is_import:
            self.own.add(event)
            self.waits = self.own.are_idle and (self.waits or self.own.idle_streak.is_enough)
            if alone and event.wall_s > 1e-3:
                self.cores_per_item = max(1.0, event.process_cpu_s / event.wall_s)
        self.elapsed_inline_s += event.wall_s
        self.undelayed_inline_s += event.undelayed_s
        self.n_inline += n
        self.n_seen += n

    def _add(self, wall_s: float, n: int, undelayed_s: float, keep: float) -> None:
        """Take in items, with this weight of the past."""
        sums = self._sums
        undelayed_s += keep * sums.undelayed_s
        self._mean_of(keep * sums.wall_s + wall_s, keep * sums.n_items + n, undelayed_s)

    def _mean_of(self, wall_s: float, n: float, undelayed_s: float) -> None:
        self._sums.wall_s, self._sums.n_items, self._sums.undelayed_s = wall_s, n, undelayed_s
        self.item_s = max(wall_s / n, LEAST_ITEM_S) if n else None

    def _confirm(self, second_s: float) -> None:
        """The second item tells whether the first was ordinary."""
        first_s = self.first_unconfirmed_s
        if first_s is None:
            return
        self.first_unconfirmed_s = None
        if second_s * WARMUP_RATIO < first_s:
            self.warmup_s = first_s - second_s
            self._means = CallMeans()
            self._mean_of(0.0, 0, 0.0)
            self.item_cpu_s = None

    def reported(
        self, event: Report, *, n_workers: int, is_cold: bool, in_process: bool = False
    ) -> None:
        """A chunk that a worker ran; the first of a cold one contains its own warm-up."""
        self.counted(event)
        if in_process and self.own.idle_streak.is_too_short:  # the caller's items began it
            self.own.idle_streak.count(event)
            self.waits = self.own.idle_streak.is_enough
        if not event.n_items:
            return
        wall_s = event.wall_s
        self._confirm(wall_s / event.n_items)
        if is_cold and self.warmup_s and not self.is_warmup_sure:
            self._settle_warmup(event)
        if is_cold and self.warmup_s:
            wall_s = wall_s - self.warmup_s if wall_s > self.warmup_s else wall_s
        keep = 1 - 1 / min(MOST_REMEMBERED, CHUNKS_REMEMBERED * max(2, n_workers))
        if not (is_cold and self.warmup_s and self._sums.n_items):
            own_s = max(LEAST_ITEM_S, wall_s - (event.wall_s - event.undelayed_s))
            self._add(wall_s, event.n_items, own_s, keep)
            self.spread.add(own_s / event.n_items, event.n_items)
            self._means.add(wall_s, event.n_items, alone=False)
        self.latest_s = self.latest_own_s = wall_s / event.n_items
        self._note_cpu(event.cpu_s / event.n_items, 1 - keep)

    def counted(self, event: Report) -> None:
        """A chunk that was run, whatever it says of what items cost."""
        self.n_reports += 1
        self.n_seen += event.n_items
        self.n_largest = max(self.n_largest, event.n_items)

    def _settle_warmup(self, event: Report) -> None:
        """A fresh worker's first items tell whether the caller's first one was only long."""
        extra_s = event.wall_s - event.n_items * (self.item_s or 0.0)
        self.is_warmup_sure = extra_s > self.warmup_s / WARMUP_RATIO
        if not self.is_warmup_sure:
            self.warmup_s = 0.0

    def begin_means(self) -> None:
        """Items have changed: what is remembered of this call is what they cost from here on."""
        self._means, self.spread = CallMeans(), ChunkSpread()

    def _note_cpu(self, cpu_s: float, weight: float) -> None:
        known = self.item_cpu_s
        self._sums.n_cpu = 1 if known is None else self._sums.n_cpu + 1
        weight = max(weight, 1 / self._sums.n_cpu)  # of the first ones, the mean
        self.item_cpu_s = cpu_s if known is None else known + weight * (cpu_s - known)
