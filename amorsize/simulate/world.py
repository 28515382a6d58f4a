"""A world whose truth is known: its items, its host, its surprises."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from math import isfinite
from random import Random
from typing import TYPE_CHECKING, Any

from amorsize.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True, slots=True)
class Neighbour:
    """Another program that takes cores for a while."""

    from_s: float
    to_s: float
    n_cores: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Death:
    """A worker process that ends at a moment, whatever it is doing."""

    worker: int
    at_s: float


@dataclass(frozen=True, kw_only=True)
class ItemFigures:
    """The items of a call, in seconds of one undisturbed core.

    Args:
        costs_s: Seconds of each item.
        is_length_known: Whether the data is a list rather than a generator.
        waits: Items wait instead of computing; they use `cpu_share` of a core each.
        cpu_share: CPU / wall of a waiting item.
        holds_gil: Threads take turns at computing.
        thread_reason: Why threads may not be used; None when they may.
        warmup_s: What the first item costs on top in the caller, and in each worker that was
            not forked from a warm caller.
        warmup_is_import: The warm-up imports modules, which a caller can see.
        pickle_s: Of the caller, per item there and back; `remote_pickle_s` of the worker.
    """

    costs_s: tuple[float, ...]
    is_length_known: bool = True
    waits: bool = False
    cpu_share: float = 0.02
    holds_gil: bool = True
    thread_reason: str | None = None
    warmup_s: float = 0.0
    warmup_is_import: bool = False
    pickle_s: float = 2e-6
    remote_pickle_s: float = 2e-6


@dataclass(frozen=True, kw_only=True)
class HostFigures:
    """The host of a call: its cores, and what it costs to use them.

    Args:
        n_cores: Cores there are.
        quota_cores: Cores that may be used at once (a CPU quota); None for no limit.
        slowdown: Speed of each item when n of them run at once: shared bandwidth, second
            hyperthreads, locks, slower cores. `Bandwidth` and the like below are the usual ones.
        start_s, ready_s: Of the caller, per worker process; from then until it can work.
        is_forked: Workers are forked: what the caller has warmed up they inherit.
        load_s: Loading what runs workers, once; inspecting and measuring need a part of it.
        thread_start_s: Of the caller, per thread.
        dispatch_s: Of the caller, per chunk to a process and back; `thread_dispatch_s` to a thread.
        latency_s: One way through a pipe.
        inspect_s, weigh_s, watch_s: What inspecting the host, measuring pickling and starting the
            GIL probe cost the caller, beside loading.
    """

    n_cores: int
    quota_cores: float | None = None
    slowdown: Callable[[int], float] | None = None
    start_s: float = 0.4e-3
    ready_s: float = 0.6e-3
    is_forked: bool = True
    load_s: float = 6e-3
    thread_start_s: float = 80e-6
    dispatch_s: float = 60e-6
    thread_dispatch_s: float = 25e-6
    latency_s: float = 30e-6
    inspect_s: float = 0.3e-3
    weigh_s: float = 0.1e-3
    watch_s: float = 0.3e-3


@dataclass(frozen=True, kw_only=True)
class Surprises:
    """What the policy is not told of, or not rightly.

    Args:
        n_cores_told: Cores the policy is told of; all of them if None.
        told_error: The policy is told host costs that are off by up to this factor, at random.
        tells_run_delay: Whether the system counts how long items wait for a core, as Linux does.
        jitter: Standard deviation of the log of what a chunk of 10 ms or less takes by what it
            should; longer ones average it out.
        neighbours: Other programs.
        deaths: Workers that die.
        seed: Of all randomness in the world.
    """

    n_cores_told: int | None = None
    told_error: float = 1.4
    tells_run_delay: bool = False
    jitter: float = 0.04
    neighbours: tuple[Neighbour, ...] = ()
    deaths: tuple[Death, ...] = ()
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class World(ItemFigures, HostFigures, Surprises):
    """One call: its items, its host, its surprises.

    It takes the arguments of all three, and a name.

    Raises:
        InvalidOptionError: A world that cannot be, naming the figure.
    """

    name: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        self._check(self.n_cores >= 1, "n_cores", "at least 1")
        told = self.n_cores_told
        self._check(told is None or told >= 1, "n_cores_told", "at least 1, or None")
        self._check(all(cost >= 0 for cost in self.costs_s), "costs_s", "no negative cost")
        quota = self.quota_cores
        fits = quota is None or 0 < quota <= self.n_cores
        self._check(fits, "quota_cores", f"above 0 and at most n_cores={self.n_cores}, or None")
        self._check(0 <= self.cpu_share <= 1, "cpu_share", "from 0 to 1")
        self._check(self.told_error >= 1, "told_error", "a factor from 1 on")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("_s") and isinstance(value, int | float):
                self._check(value >= 0 and isfinite(value), field.name, "seconds, 0 or more")

    def _check(self, holds: bool, name: str, allowed: str) -> None:
        if not holds:
            value = getattr(self, name)
            shown = repr(value) if not isinstance(value, tuple) else f"{len(value)} values"
            raise InvalidOptionError(f"World: {name}={shown} cannot be: {allowed}.")

    @property
    def serial_s(self) -> float:
        """What the loop takes."""
        return sum(self.costs_s) / self.speed(1) + self.warmup_s

    def speed(self, n_running: int) -> float:
        """Speed of each of so many items that run at once."""
        return 1.0 if self.slowdown is None else self.slowdown(max(1, n_running))

    def replace(self, **changes: Any) -> World:
        """The same world with some figures changed."""
        return replace(self, **changes)

    def random(self, what: str) -> Random:
        """A generator of this world's own, one for each purpose."""
        return Random(f"{self.seed}/{what}")


# -- usual limits: speed of each item by how many run ----------------------------------------


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Memory bandwidth, or a server, that feeds `n_fed` items at full speed."""

    n_fed: float

    def __call__(self, n_running: int) -> float:
        """Speed of each of n."""
        return min(1.0, self.n_fed / n_running)


@dataclass(frozen=True, slots=True)
class Hyperthreads:
    """Second threads of `n_physical` cores bring `gain` of a core each."""

    n_physical: int
    gain: float = 0.3

    def __call__(self, n_running: int) -> float:
        """Speed of each of n."""
        n_second = max(0, n_running - self.n_physical)
        return min(1.0, (self.n_physical + self.gain * n_second) / n_running)


@dataclass(frozen=True, slots=True)
class Retrograde:
    """More workers are slower in the end: Gunther's law with contention and coherence costs."""

    contention: float = 0.02
    coherence: float = 0.002

    def __call__(self, n_running: int) -> float:
        """Speed of each of n."""
        n = n_running
        return 1 / (1 + self.contention * (n - 1) + self.coherence * n * (n - 1))


@dataclass(frozen=True, slots=True)
class SlowCores:
    """`n_fast` cores at full speed, the others at `speed` of it; work is spread evenly."""

    n_fast: int
    speed: float = 0.5

    def __call__(self, n_running: int) -> float:
        """Speed of each of n."""
        n_slow = max(0, n_running - self.n_fast)
        return (min(n_running, self.n_fast) + self.speed * n_slow) / n_running


@dataclass(frozen=True, slots=True)
class Thrashing:
    """Memory is enough for `n_fit` workers; with more, all of them crawl."""

    n_fit: int
    speed: float = 0.1

    def __call__(self, n_running: int) -> float:
        """Speed of each of n."""
        return 1.0 if n_running <= self.n_fit else self.speed
