"""Closes what a forked worker inherits from the program.

A pipe ends for its reader when every copy of the writing end is closed. During a stream the program
goes on, closes what it has opened, and would wait for ever on copies in workers.
"""

from __future__ import annotations

import os
from stat import S_ISFIFO, S_ISSOCK

from amorsize._host.signals import let_through

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    Pipe = tuple[int, int, int]  # descriptor, inode, device

_FOLDER = "/proc/self/fd"


def pipes() -> frozenset[Pipe]:
    """All open pipes and sockets except the standard streams; none where /proc is missing."""
    return frozenset(_found())


def close_strangers(kept: Collection[Pipe], own: Collection[int]) -> None:
    """Close the program's pipes and sockets in a fork of it.

    Their numbers are redirected to /dev/null, so that no object of the program closes another file
    by such a number.

    Args:
        kept: The ones that items may use.
        own: Descriptors of the worker's own pipes, all copies of which stay open.
    """
    ours = {os.fstat(descriptor)[1:3] for descriptor in own}
    strangers = [one for one in _found() if one not in kept and one[1:] not in ours]
    if not strangers:
        return
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor, *_ in strangers:
        os.dup2(null, descriptor, inheritable=False)
    os.close(null)


def close_all(own: Collection[int]) -> None:
    """Close all descriptors in a fork but these and the standard streams."""
    kept = {0, 1, 2, *own}
    for descriptor in map(int, os.listdir(_FOLDER)):
        if descriptor not in kept:
            try:
                os.close(descriptor)
            except OSError as error:  # of the listing itself, which is closed already
                let_through(error)


def close_standard(own: Collection[int]) -> None:
    """Redirect the standard streams to /dev/null, unless these descriptors took their place."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in {0, 1, 2}.difference(own):
        os.dup2(null, descriptor)
    if null > 2:
        os.close(null)


def _found() -> Iterator[Pipe]:
    try:
        names = os.listdir(_FOLDER)
    except OSError as error:  # not on Linux
        let_through(error)
        return
    for descriptor in map(int, names):
        if descriptor <= 2:
            continue
        try:
            found = os.fstat(descriptor)
        except OSError as error:  # that of the listing itself
            let_through(error)
            continue
        if S_ISFIFO(found.st_mode) or S_ISSOCK(found.st_mode):
            yield descriptor, found.st_ino, found.st_dev
