"""Whether a folder lies on another machine, where neither locks nor appends can be relied on."""

from __future__ import annotations

import os
import sys

from amorsize._host.mount_paths import unescaped
from amorsize._host.signals import reraise_from_handler

#: Linux's list of what is mounted where. On other systems nothing is known.
MOUNTS = "/proc/self/mounts"
REMOTE = frozenset(
    [
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "9p", "coda"),
        *("lustre", "gpfs", "beegfs", "ceph", "glusterfs", "pvfs2", "panfs", "wekafs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone"),
    ]
)
_MAX_BYTES = 1 << 20

_seen: dict[tuple[str, str], str | None] = {}  # a home does not move while a process runs


def remote_type(folder: str) -> str | None:
    """The file system of a folder that lies on another machine; None where it is this one's."""
    key = (MOUNTS, folder)
    if key not in _seen:
        _seen[key] = _remote_type(folder) if sys.platform == "linux" else None
    return _seen[key]


def _remote_type(folder: str) -> str | None:
    path = os.path.realpath(folder)
    best, kind = "", ""
    for point, mounted in _mounts():
        if len(point) >= len(best) and f"{path}/".startswith(point.rstrip("/") + "/"):
            best, kind = point, mounted  # of several at one place the last covers the others
    return kind if kind in REMOTE else None


def _mounts() -> list[tuple[str, str]]:
    """The mount points with their file systems; empty if they cannot be read."""
    try:
        file = os.open(MOUNTS, os.O_RDONLY)
    except OSError as error:
        reraise_from_handler(error)
        return []
    try:
        parts: list[bytes] = []
        while sum(map(len, parts)) < _MAX_BYTES and (part := os.read(file, 1 << 16)):
            parts.append(part)
    finally:
        os.close(file)
    lines = (line.split(" ") for line in os.fsdecode(b"".join(parts)).splitlines())
    return [(unescaped(words[1]), words[2]) for words in lines if len(words) > 3]
