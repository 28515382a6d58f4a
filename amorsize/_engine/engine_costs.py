"""How long chunks were on their way to an engine in earlier calls."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Seconds on its way beyond which a chunk has waited for something else.
MOST_LAG_S = 1.0
#: By how much what is known must have changed to be written again.
CHANGED_SHARE = 0.25

_lags_s: dict[str, float] = {}  # by fingerprint of the engine


def lag_s(fingerprint: str, otherwise: float, *, on_disk: bool) -> float:
    """What earlier calls have measured; `otherwise` where there was none.

    Args:
        fingerprint: Of the engine.
        otherwise: A first guess.
        on_disk: Whether earlier processes are asked as well.
    """
    if fingerprint not in _lags_s and on_disk:
        from amorsize import cache

        key = _key(fingerprint)
        record = cache.recent(key).get(key) or cache.get(key)
        if (known_s := _believed(record)) is not None:
            _lags_s[fingerprint] = known_s
    return _lags_s.get(fingerprint, otherwise)


def keep(fingerprint: str, measured_s: float, *, on_disk: bool) -> None:
    """Remember what this call has measured."""
    known_s = _lags_s.get(fingerprint)
    if known_s is not None and abs(measured_s - known_s) <= CHANGED_SHARE * known_s:
        return
    _lags_s[fingerprint] = measured_s
    if on_disk:
        from amorsize import cache

        cache.note(_key(fingerprint), {"lag_s": measured_s})


def forget() -> None:
    """Know nothing any more in this process."""
    _lags_s.clear()


def _key(fingerprint: str) -> str:
    return f"engine:{fingerprint}"


def _believed(record: dict[str, Any] | None) -> float | None:
    """A lag from the disk, where it can be one."""
    value = None if record is None else record.get("lag_s")
    return value if type(value) is float and 0.0 < value <= MOST_LAG_S else None
