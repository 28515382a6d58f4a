"""Records of functions on disk, from their keys to the profiles in them."""

from __future__ import annotations

import os
import sys

from amorsize import cache
from amorsize._function import fingerprints
from amorsize._function.item_kind import neighbours
from amorsize._host import resources
from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import wall_clock
from amorsize.policy.profile import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from amorsize._function.item_kind import Kind
    from amorsize.policy.evidence.drift import Drift
    from amorsize.policy.profile import Profile

    Learned = tuple[Callable[..., Any], Kind, Profile, tuple[Drift, ...]]
    Found = tuple[Profile, list[Drift]]


#: The variable that names a file of profiles for all users of a site.
SITE_VARIABLE = "AMORSIZE_SITE_PROFILES"


def read(func: Callable[..., Any], kind: Kind) -> Found | None:
    """Read what earlier processes have learned about a function on one kind of item.

    The user's own records come first, then those of the site.
    """
    if cache.switched_off():
        return None
    fingerprint = fingerprints.fingerprint(func)
    found = _read(fingerprint, kind) if cache.known_on_disk() else None
    if found is None and (path := os.environ.get(SITE_VARIABLE)):
        from amorsize._profiles import exchange

        of_site = exchange.of_site(SITE_VARIABLE, path, _prefix(fingerprint.key))
        found = _best(of_site, fingerprint, kind)
    return found


def _read(fingerprint: fingerprints.Fingerprint, kind: Kind) -> Found | None:
    prefix, costs_key = _prefix(fingerprint.key), _costs_key()
    found = cache.recent(prefix, costs_key)
    costs = {key: found.pop(key) for key in tuple(found) if key == costs_key}
    if _disk_key(fingerprint, kind) not in found:
        found, costs = cache.family(prefix), cache.family(costs_key)
    for one in costs.values():
        resources.costs_from_dict(one.get("costs"))
    return _best(found, fingerprint, kind)


def write(learned: Iterable[Learned], *, knows_earlier: bool = True) -> None:
    """Store functions' profiles, with the costs of workers on this host if those have changed.

    Args:
        learned: One entry per function and kind of item.
        knows_earlier: Whether the profiles include what earlier processes have learned. The
            profile of a call that was too short to read the disk gets a key of its own. It is
            used only where there is no other record.
    """
    host, records = resources.host_fingerprint(), {}
    for func, kind, profile, drifts in learned:
        fingerprint = fingerprints.fingerprint(func)
        key = _disk_key(fingerprint, kind, host)
        records[key if knows_earlier else f"{key}{UNREAD}"] = {
            "version": VERSION,
            "name": fingerprint.name,
            "key": fingerprint.key,
            "variant": fingerprint.variant,
            "host": host,
            "kind": list(kind),
            "saved_at_s": wall_clock(),
            "load": _load(),
            "python": _python(),
            "profile": profile.as_dict(),
            "drifts": [one.as_dict() for one in drifts],
        }
    costs = resources.costs_as_dict()
    if are_news := _are_news(costs):
        records[_costs_key()] = {"version": VERSION, "costs": costs}
    if cache.note_all(records) and are_news:
        _written_costs[os.environ.get(cache.location.HOME_VARIABLE)] = costs


#: The costs of workers as this process has last written them, by folder.
_written_costs: dict[str | None, dict[str, float]] = {}
#: Costs that moved by less than this factor are not written again.
NEWS = 1.25


def _are_news(costs: dict[str, float]) -> bool:
    written = _written_costs.get(os.environ.get(cache.location.HOME_VARIABLE), {})
    ratios = (cost_s / written.get(name, 1e-12) for name, cost_s in costs.items())
    return any(not 1 / NEWS < ratio < NEWS for ratio in ratios)


def newest(func: Callable[..., Any]) -> Found | None:
    """Find what was learned last about this function, on any kind of item."""
    if not cache.known_on_disk():
        return None
    found = cache.family(_prefix(fingerprints.fingerprint(func).key))
    sound = [_found_in(record) for record in found.values()]
    return next((one for one in reversed(sound) if one is not None), None)


def forget(func: Callable[..., Any]) -> int:
    """Remove a function's records; gives their number."""
    if not cache.known_on_disk():
        return 0
    prefix, n_removed = _prefix(fingerprints.fingerprint(func).key), 0
    for _ in range(MOST_LOOKS):
        n = cache.forget(*cache.family(prefix))
        n_removed += n
        if not n:
            break
    return n_removed


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _load() -> float | None:
    """The mean number of runnable processes in the last minute; None: the system does not tell."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError) as error:
        reraise_from_handler(error)
        return None


def _prefix(function_key: str, host: str | None = None) -> str:
    return f"{cache.LISTED}{host or resources.host_fingerprint()}:{function_key}:"


def _disk_key(fingerprint: fingerprints.Fingerprint, kind: Kind, host: str | None = None) -> str:
    return f"{_prefix(fingerprint.key, host)}{_plain(kind)}:{fingerprint.variant}"


def _plain(kind: Kind) -> str:
    """A kind as part of a key, without characters that keys may not have."""
    name, size_class = kind
    if len(name) > MAX_NAME_CHARS or not name.isascii() or not name.isprintable() or ":" in name:
        name = "".join(c if c.isascii() and c.isalnum() else "-" for c in name[:MAX_NAME_CHARS])
        name = f"{name}-{fingerprints.digest(kind[0])}"
    return f"{name}~{size_class}"


MAX_NAME_CHARS = 64
#: How often the records of a function that is forgotten are looked for. A look gives 64 at most,
#: and another process may be writing more.
MOST_LOOKS = 100
#: The end of the key of a record that was written without a look at earlier ones.
UNREAD = "-beside"


def _costs_key() -> str:
    return f"host:{resources.host_fingerprint()}"


def _exact(
    found: dict[str, dict[str, Any]], fingerprint: fingerprints.Fingerprint, kind: Kind
) -> dict[str, Any] | None:
    key = _disk_key(fingerprint, kind)
    return found.get(key) or found.get(f"{key}{UNREAD}")


def _best(
    found: dict[str, dict[str, Any]], fingerprint: fingerprints.Fingerprint, kind: Kind
) -> Found | None:
    """The record that fits best: of this kind and variant, of this kind, or of a near kind."""
    exact = _exact(found, fingerprint, kind)
    if exact is not None and (sound := _found_in(exact)) is not None:
        return sound
    for near in (kind, *neighbours(kind)):
        of_kind = [key for key in found if key.rpartition(":")[0].endswith(f":{_plain(near)}")]
        for key in reversed(of_kind):
            if (sound := _found_in(found[key])) is not None:
                return sound
    return None


def _found_in(record: dict[str, Any]) -> Found | None:
    """A record's profile and drifts, checked; None: the profile cannot be used."""
    from amorsize._profiles import exchange  # a process that only writes needs no checks

    profile = exchange.profile_in(record)
    return None if profile is None else (profile, exchange.drifts_in(record))
