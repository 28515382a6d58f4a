"""Keeps what this process knows about functions."""

from __future__ import annotations

import sys
from _weakref import ref

from amorsize._function.code_identity import identity_of as identity_of
from amorsize._function.code_identity import variant_of
from amorsize._function.item_kind import kind_of, neighbours
from amorsize._host import shortage
from amorsize._host.unpatched import perf_counter
from amorsize.policy.actions import Plan
from amorsize.policy.evidence.exploration_cost import Explored
from amorsize.policy.profile import Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable
    from typing import Any

    from amorsize._function.item_kind import Kind
    from amorsize._profiles import disk_store
    from amorsize.policy.evidence.drift import Drift
    from amorsize.policy.trace import Trace

    #: The identity of the function, the kind of its items, and the values that it is set up with.
    Key = tuple[Hashable, Kind, Hashable]

#: The most drifts that are kept of one function.
MAX_DRIFTS = 8
#: The most functions that are remembered in memory. The least recently used one goes first.
MAX_FUNCTIONS = 4096
#: The most variants of a function. A closure over a new number in each call makes one each time.
MAX_VARIANTS = 8
#: Seconds of a call from which its profile is written at once, and of the first call that writes.
#: A line in the journal takes 0.13 ms, or 4 ms with loading. Processes that end without running
#: exit handlers (a child of multiprocessing, a killed program) would lose what they have learned.
WRITE_NOW_S, FIRST_NOW_S = 0.05, 0.1
#: The largest share of the time of all calls that writing may take. On a busy host it waits for a
#: later call.
MOST_WRITING = 0.005
#: Shorter calls are written at exit if together they took this long.
WORTH_WRITING_S = 0.4
#: A profile that has not changed is written again after this many times as much use.
WRITE_AGAIN = 2.0


class Variants:
    """Values by function and variant: the same function, set up with other values.

    A new variant gets the latest value of its function, or of what stands for it in the keys.
    """

    def __init__(self) -> None:
        self._of: dict[Hashable, dict[Hashable, Any]] = {}

    def of(self, function: Hashable, variant: Hashable) -> Any:
        """The value of this variant, else the latest of its function; None: there is none."""
        found = self._of.get(function)
        if not found:
            return None
        return found[variant] if variant in found else found[next(reversed(found))]

    def exactly(self, function: Hashable, variant: Hashable) -> Any:
        """The value of this variant; None: there is none."""
        found = self._of.get(function)
        return None if found is None else found.get(variant)

    def put(self, function: Hashable, variant: Hashable, value: Any) -> Hashable | None:
        """Keep a value as the latest; gives the variant that was dropped for it."""
        found = self._of.pop(function, None) or {}
        found.pop(variant, None)
        found[variant] = value
        self._of[function] = found
        if len(self._of) > MAX_FUNCTIONS:
            del self._of[next(iter(self._of))]
        if len(found) <= MAX_VARIANTS:
            return None
        oldest: Hashable = next(iter(found))
        del found[oldest]
        return oldest

    def drop(self, function: Hashable) -> int:
        """Forget a function; gives the number of its variants."""
        return len(self._of.pop(function, ()))

    def all(self) -> list[tuple[Any, Hashable, Any]]:
        """Functions, variants and values."""
        return [(function, *one) for function, of in self._of.items() for one in of.items()]


class Unwritten:
    """What was learned of a function and is not on disk yet; holds the function weakly."""

    def __init__(self, learned: disk_store.Learned, calls_s: float) -> None:
        func, self.kind, self.profile, self.drifts = learned
        self._of: Any
        try:
            self._of = ref(func)
        except TypeError:  # some types written in C allow no weak references
            self._of = lambda: None
        self.calls_s = calls_s  # seconds of its calls since the last write

    def learned(self) -> disk_store.Learned | None:
        """The same with the function; None: the function is gone."""
        func = self._of()
        return None if func is None else (func, self.kind, self.profile, self.drifts)


class Memory:
    """What this process knows. It reads the disk once for each key, and writes seldom."""

    def __init__(self) -> None:
        self._profiles = Variants()  # by identity and kind of item
        self._traces = Variants()  # by identity
        self._drifts: dict[Hashable, list[Drift]] = {}
        self._caller_reasons: dict[Hashable, str] = {}
        self._asked: dict[tuple[Hashable, Kind], set[Hashable]] = {}  # the variants of each
        self._unwritten: dict[Key, Unwritten] = {}
        self._writing_s = self._calls_s = 0.0  # seconds of writing so far, and of all calls
        self._written_used_s: dict[Key, float] = {}  # the use of each function at its last write
        self._at_exit = False

    def profile(self, key: Key) -> Profile | None:
        """What this process has learned or read about a function on one kind of item."""
        identity, kind, variant = key
        found: Profile | None = self._profiles.of((identity, kind), variant)
        for near in neighbours(kind) if found is None else ():
            if found is None:
                found = self._profiles.of((identity, near), variant)
        return found

    def profiles(self) -> list[tuple[Key, Profile]]:
        """All profiles, with their keys."""
        return [((*function, variant), one) for function, variant, one in self._profiles.all()]

    def put(self, key: Key, profile: Profile) -> None:
        """Keep a profile under this key."""
        identity, kind, variant = key
        gone = self._profiles.put((identity, kind), variant, profile)
        if gone is not None:
            self._unwritten.pop((identity, kind, gone), None)

    def caller_reason(self, identity: Hashable) -> str | None:
        """What an item was seen to do that only the caller may do; None: nothing."""
        return self._caller_reasons.get(identity)

    def trace(self, identity: Hashable, variant: Hashable) -> Trace | None:
        """The trace of the last call of this variant, else of any variant."""
        found: Trace | None = self._traces.of(identity, variant)
        return found

    def keep_trace(self, identity: Hashable, variant: Hashable, trace: Trace) -> None:
        """Remember the trace of a function's last call."""
        self._traces.put(identity, variant, trace)

    def drifts(self, identity: Hashable) -> list[Drift]:
        """The drifts of a function, the latest last."""
        return self._drifts.get(identity, [])

    def keep_drifts(self, identity: Hashable, drifts: Iterable[Drift]) -> None:
        """Remember new drifts; the oldest are dropped."""
        kept = [*self._drifts.get(identity, []), *drifts][-MAX_DRIFTS:]
        _keep_latest(self._drifts, identity, kept or None)

    def keep(
        self,
        key: Key,
        func: Callable[..., Any],
        profile: Profile,
        makespan_s: float,
        *,
        on_disk: bool,
        has_drifted: bool = False,
    ) -> None:
        """Remember what a call has learned, on disk if that takes little time beside the call."""
        self._calls_s += makespan_s
        before = self._profiles.exactly(key[:2], key[2])
        self.put(key, profile)
        self.keep_caller_reason(key[0], profile.bound)
        drifts = tuple(self.drifts(key[0]))
        is_news = has_drifted and drifts != ()
        if not on_disk or (not is_news and self._is_unchanged_on_disk(key, before, profile)):
            return
        waiting = self._unwritten.pop(key, None)
        unwritten_s = makespan_s + (0.0 if waiting is None else waiting.calls_s)
        learned = (func, key[1], profile, drifts)
        if self._is_due(profile, makespan_s, unwritten_s):
            self._write({key: learned})
            return
        self._unwritten[key] = Unwritten(learned, unwritten_s)
        if not self._at_exit:
            import atexit

            self._at_exit = True
            atexit.register(self._write_at_exit)

    def _is_unchanged_on_disk(self, key: Key, before: Profile | None, profile: Profile) -> bool:
        """Whether the disk has much the same as this profile, from nearly as much use."""
        if before is None or key not in self._written_used_s or key in self._unwritten:
            return False
        if Explored.of(profile).used_s > WRITE_AGAIN * self._written_used_s[key]:
            return False
        from amorsize._profiles import worth_writing  # a first call does not load it

        return worth_writing.is_same(before, profile)

    def _is_due(self, profile: Profile, makespan_s: float, unwritten_s: float) -> bool:
        """Whether to write now: the calls were long, and writing has taken little of their time."""
        now_s = WRITE_NOW_S if "amorsize._profiles.disk_store" in sys.modules else FIRST_NOW_S
        is_long = makespan_s >= now_s or unwritten_s >= WORTH_WRITING_S
        is_cheap = self._writing_s <= MOST_WRITING * self._calls_s
        return is_cheap and (is_long or profile.bound is not None)

    def keep_caller_reason(self, identity: Hashable, reason: str | None) -> None:
        """Remember why a function's items have to run in the caller; None: they need not."""
        _keep_latest(self._caller_reasons, identity, reason)

    def ask_disk(self, key: Key, func: Callable[..., Any]) -> Profile | None:
        """The profile of earlier processes if it rests on more; each key is read once."""
        asked = self._asked.setdefault(key[:2], set())
        if key[2] in asked or len(asked) >= MAX_VARIANTS:
            return None
        asked.add(key[2])
        from amorsize._profiles import disk_store  # short calls do not load it

        found = disk_store.read(func, key[1])
        if found is None:
            return None
        from amorsize._profiles import worth_writing

        profile, drifts = found
        known = self._profiles.exactly(key[:2], key[2])
        rests_on = worth_writing.rests_on
        if known is not None and rests_on(known) >= rests_on(profile):
            return None
        self.put(key, profile)
        self._written_used_s[key] = Explored.of(profile).used_s
        if not self._drifts.get(key[0]):
            self.keep_drifts(key[0], drifts)
        return profile

    def write(self) -> None:
        """Put on disk what is not there yet."""
        unwritten, self._unwritten = self._unwritten, {}
        self._write({key: found for key, one in unwritten.items() if (found := one.learned())})

    def _write(self, unwritten: dict[Key, disk_store.Learned]) -> None:
        if not unwritten or (disk := shortage.loaded("_profiles.disk_store")) is None:
            return
        began = perf_counter()
        are_asked = {key: key[2] in self._asked.get(key[:2], ()) for key in unwritten}
        for is_asked in set(are_asked.values()):
            learned = [one for key, one in unwritten.items() if are_asked[key] is is_asked]
            disk.write(learned, knows_earlier=is_asked)
        for key, (_, _, profile, _) in unwritten.items():
            self._written_used_s[key] = Explored.of(profile).used_s
        self._writing_s += perf_counter() - began

    def _write_at_exit(self) -> None:
        unwritten = self._unwritten.values()
        is_for_caller = any(one.profile.bound for one in unwritten)
        if is_for_caller or sum(one.calls_s for one in unwritten) >= WORTH_WRITING_S:
            self.write()

    def forget(self, identity: Hashable, func: Callable[..., Any]) -> int:
        """Drop all that is known of a function; gives the number of records."""
        known = {function for function, _, _ in self._profiles.all() if function[0] == identity}
        n_known = sum(map(self._profiles.drop, known))
        self._unwritten = {key: one for key, one in self._unwritten.items() if key[0] != identity}
        self._asked = {key: asked for key, asked in self._asked.items() if key[0] != identity}
        self._traces.drop(identity)
        self._drifts.pop(identity, None)
        self._caller_reasons.pop(identity, None)
        from amorsize._profiles import disk_store

        return max(n_known, disk_store.forget(func))


def _keep_latest(of: dict[Hashable, Any], identity: Hashable, value: Any) -> None:
    """Keep a value of a function as its latest; None removes the value."""
    of.pop(identity, None)
    if value is not None:
        of[identity] = value
    if len(of) > MAX_FUNCTIONS:
        del of[next(iter(of))]


_memory: Memory | None = None


def memory() -> Memory:
    """The memory of this process, made at the first use."""
    global _memory
    if _memory is None:
        _memory = Memory()
        if (earlier := sys.modules.get("amorsize._api.trivial_calls")) is not None:
            earlier.remember()  # calls that ended before there was a memory
    return _memory


def write() -> None:
    """Put on disk what this process has learned, if anything."""
    if _memory is not None:
        _memory.write()


def key_of(func: Callable[..., Any], item: Any, item_kwargs: dict[str, Any] | None = None) -> Key:
    """The key of what is learned about a function on one kind of item."""
    return identity_of(func), kind_of(item), variant_of(func, item_kwargs)


def plan_of(func: Callable[..., Any]) -> Plan | None:
    """The plan that was last learned for a function on this host; None: there is none."""
    if (trace := last_trace(func)) is not None:
        return trace.plan
    from amorsize._profiles import disk_store

    if (found := disk_store.newest(func)) is None:
        return None
    return found[0].plan


def drifts_of(func: Callable[..., Any]) -> tuple[Drift, ...]:
    """The drifts of a function, the latest last."""
    if drifts := memory().drifts(identity_of(func)):
        return tuple(drifts)
    if last_trace(func) is not None:
        return ()
    from amorsize._profiles import disk_store

    found = disk_store.newest(func)
    return () if found is None else tuple(found[1])


def last_trace(func: Callable[..., Any]) -> Trace | None:
    """The trace of the last call of a function; None: there was none."""
    return memory().trace(identity_of(func), variant_of(func))


def keep_trace(func: Callable[..., Any], trace: Trace) -> None:
    """Remember the trace of a function's last call."""
    memory().keep_trace(identity_of(func), variant_of(func), trace)


def forget(func: Callable[..., Any]) -> int:
    """Drop all that was learned about a function; gives the number of records."""
    return memory().forget(identity_of(func), func)
