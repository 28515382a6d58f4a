"""Threads, processes or the loop: read off what was measured, not searched."""

from __future__ import annotations

from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize.policy.facts import Host, Job, Watched, Weighed
    from amorsize.policy.model import Estimates

HOLDS_GIL_SHARE = 0.6  # lag above: items hold the GIL (0.90-0.95 seen; 0.19-0.31 where they do not)
CLEAR_MARGIN = 0.15  # this close to the threshold it is watched longer
WATCH_S = 6e-3  # one GIL switch (5 ms) and a nap: the least that tells anything
WATCH_LONGER_S = 30e-3


class Route(Value):
    """Where items are to run, or what must be known before that can be said."""

    backend: str | None = None  # "serial", "thread" or "process"; None: not decided yet
    need: str | None = None  # "weigh" or "watch"
    why: str = ""


def serial(why: str) -> Route:
    """The loop, and the reason."""
    return Route(backend="serial", why=why)


def choose(
    host: Host,
    job: Job,
    costs: Estimates,
    *,
    weighed: Weighed | None,
    holds_gil: bool | None,
) -> Route:
    """Where the items of a call with `backend="auto"` are best run."""
    if costs.waits:
        return _for_waiting(job, weighed)
    if host.n_cores == 1:
        return serial("one usable core, and the items compute")
    if job.thread_reason is None and not host.has_gil:
        return Route(backend="thread", why="this Python has no GIL")
    if job.thread_reason is None and holds_gil is None:
        return Route(need="watch")
    if job.thread_reason is None and holds_gil is False:
        return Route(backend="thread", why="the items release the GIL")
    if job.process_reason is not None:
        return serial(job.process_reason)
    if weighed is None:
        return Route(need="weigh")
    if weighed.reason is not None:
        return serial(weighed.reason)
    return Route(backend="process", why=job.thread_reason or "the items hold the GIL")


def _for_waiting(job: Job, weighed: Weighed | None) -> Route:
    if job.thread_reason is None:
        return Route(backend="thread", why="the items wait")
    if job.process_reason is not None:
        return serial(f"{job.thread_reason}; {job.process_reason}")
    if weighed is None:
        return Route(need="weigh")
    if weighed.reason is not None:
        return serial(weighed.reason)
    return Route(backend="process", why=job.thread_reason)


def verdict(watched: Watched) -> bool | None:
    """Whether the items hold the GIL; None while that is not clear enough."""
    if watched.watched_s < WATCH_S:
        return None
    distance = abs(watched.lag_share - HOLDS_GIL_SHARE)
    if distance < CLEAR_MARGIN and watched.watched_s < WATCH_LONGER_S:
        return None
    return watched.lag_share >= HOLDS_GIL_SHARE
