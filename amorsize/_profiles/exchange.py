"""Checks profiles that come from files of others."""

from __future__ import annotations

import os

from amorsize._host import procfs
from amorsize._host.signals import reraise_from_handler
from amorsize.cache.json_text import RefusedError, decoded
from amorsize.policy.profile import VERSION, Profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize.policy.evidence.drift import Drift

FORMAT = "amorsize profiles"
#: The largest file that is read: some ten thousand profiles.
MAX_FILE_BYTES = 8 * 1024**2
MAX_PROFILES = 20_000
#: The most drifts of one record.
MAX_STORY = 8
PREFIX = "profile:"


class FileError(Exception):
    """A file holds no profiles; the text says why."""


def profile_in(record: dict[str, Any]) -> Profile | None:
    """A record's profile, checked; None: it has another version, or impossible values."""
    if record.get("version") != VERSION:
        return None
    return Profile.from_dict(record.get("profile"))


def drifts_in(record: dict[str, Any]) -> list[Drift]:
    """The drifts of a record that have possible values."""
    from amorsize.policy.evidence.drift import (
        Drift,  # not needed to write a profile
    )

    stored = record.get("drifts")
    told = [Drift.from_dict(one) for one in stored[-MAX_STORY:]] if type(stored) is list else []
    return [one for one in told if one is not None]


def is_sound(record: object) -> bool:
    """Whether some host could use the profile of this record."""
    return (
        type(record) is dict
        and profile_in(record) is not None
        and all(type(record.get(name)) is str for name in ("name", "key", "variant", "host"))
        and is_key(record.get("stored_as"))
    )


def is_key(key: object) -> bool:
    """Whether this is the key of a profile: host, function, kind and variant after the prefix."""
    return (
        type(key) is str
        and key.startswith(PREFIX)
        and key.count(":") == N_COLONS
        and key.isascii()
        and key.isprintable()
        and len(key) <= MAX_KEY_CHARS
    )


N_COLONS, MAX_KEY_CHARS = 4, 400


def read_file(path: str) -> list[dict[str, Any]]:
    """The sound records of an exported file.

    Raises:
        FileError: It is too large, or not such a file.
        OSError: It cannot be read.
    """
    with procfs.open_file(path, "rb", opener=_without_waiting) as stream:
        content = stream.read(MAX_FILE_BYTES + 1) or b""
    if len(content) > MAX_FILE_BYTES:
        raise FileError(f"it is larger than {MAX_FILE_BYTES // 1024**2} MiB")
    try:
        document = decoded(content.decode(), at_most_bytes=MAX_FILE_BYTES)
    except (UnicodeDecodeError, RefusedError) as error:
        raise FileError(f"it is no JSON of ours: {error}") from error
    profiles = document.get("profiles")
    if document.get("format") != FORMAT or type(profiles) is not list:
        raise FileError(f"it is no file of `amorsize cache export` (format {FORMAT!r})")
    return [record for record in profiles[:MAX_PROFILES] if is_sound(record)]


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe without a writer is opened at once as well."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))


def of_site(variable: str, path: str, prefix: str) -> dict[str, dict[str, Any]]:
    """The records of a site's file whose keys have a prefix. The file is read once.

    `variable` is the environment variable that names the file.
    """
    if path not in _SITES:
        try:
            _SITES[path] = {str(one["stored_as"]): one for one in read_file(path)}
        except (OSError, FileError, ValueError) as error:
            reraise_from_handler(error)
            _SITES[path] = {}
            _log_unusable(variable, path, error)
    return {key: one for key, one in _SITES[path].items() if key.startswith(prefix)}


_SITES: dict[str, dict[str, dict[str, Any]]] = {}


def _log_unusable(variable: str, path: str, error: Exception) -> None:
    """Log that a site's file cannot be used: a warning would reach users who cannot mend it."""
    import logging

    logging.getLogger("amorsize").warning("%s=%r is not used: %s", variable, path, error)
