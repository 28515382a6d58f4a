"""The disk's side of what is known: which record is a function's, and what of it can be trusted."""

from __future__ import annotations

import time

from amorsize import _identity, _machine, cache
from amorsize.policy.facts import Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

VERSION = 2
MAX_VARIANTS = 8  # of one function: 1000 values of a closure's integer must not make 1000 records


def read(func: Callable[..., Any], kind: str) -> Profile | None:
    """What earlier processes have learned about a function on one kind of item."""
    if not cache.known_on_disk():
        return None
    if (costs := cache.get(_costs_key())) is not None:
        _machine.costs_from_dict(costs.get("costs"))
    fingerprint = _identity.fingerprint(func)
    return _profile_in(cache.get(_disk_key(fingerprint.key, kind)), fingerprint.variant)


def write(learned: Iterable[tuple[Callable[..., Any], str, Profile]]) -> None:
    """Store functions' profiles, and what workers cost on this host."""
    for func, kind, profile in learned:
        fingerprint = _identity.fingerprint(func)
        disk_key = _disk_key(fingerprint.key, kind)
        record = _merged(cache.get(disk_key), fingerprint, kind, profile)
        if not cache.put(disk_key, record):
            return
    if costs := _machine.costs_as_dict():
        cache.put(_costs_key(), {"version": VERSION, "costs": costs})


def kinds(func: Callable[..., Any]) -> list[str]:
    """The kinds of item for which there is a record of this function, the newest first."""
    if not cache.known_on_disk():
        return []
    key = _identity.fingerprint(func).key
    found = [one for one in cache.entries() if one.get("key") == key]
    found.sort(key=lambda one: -float(one.get("saved_at_s") or 0))
    return [str(one.get("kind")) for one in found]


def forget(func: Callable[..., Any]) -> int:
    """Remove a function's records; how many there were."""
    if not cache.known_on_disk():
        return 0
    prefix = _disk_key(_identity.fingerprint(func).key, "")
    stored = [str(record["stored_as"]) for record in cache.entries()]
    return cache.forget(*(name for name in stored if name.startswith(prefix)))


def _disk_key(function_key: str, kind: str) -> str:
    return f"{cache.LISTED}{_machine.host_fingerprint()}:{function_key}:{kind}"


def _costs_key() -> str:
    return f"host:{_machine.host_fingerprint()}"


def _merged(
    record: dict[str, Any] | None, fingerprint: _identity.Fingerprint, kind: str, profile: Profile
) -> dict[str, Any]:
    """The stored record with this profile as the newest of its variants."""
    variants = {} if record is None else record.get("variants", {})
    kept = dict(variants) if isinstance(variants, dict) else {}
    kept.pop(fingerprint.variant, None)
    kept[fingerprint.variant] = profile.as_dict()
    while len(kept) > MAX_VARIANTS:
        del kept[next(iter(kept))]
    return {
        "version": VERSION,
        "name": fingerprint.name,
        "key": fingerprint.key,
        "variant": fingerprint.variant,
        "host": _machine.host_fingerprint(),
        "kind": kind,
        "saved_at_s": time.time(),
        "profile": profile.as_dict(),
        "variants": kept,
    }


def _profile_in(record: dict[str, Any] | None, variant: str) -> Profile | None:
    """The profile of this variant, else of the newest; both are checked before use."""
    if record is None or record.get("version") != VERSION:
        return None
    variants = record.get("variants")
    fields = variants.get(variant) if isinstance(variants, dict) else None
    return Profile.from_dict(record.get("profile") if fields is None else fields)
