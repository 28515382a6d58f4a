"""The program's pipes and sockets in a forked worker.

Who waits for the end of a pipe waits until every copy is closed. While a map runs, the program
waits for it; the consumer of a stream goes on, closes what it opened, and would wait for ever for
workers that were forked meanwhile.
"""

from __future__ import annotations

import os
from stat import S_ISFIFO, S_ISSOCK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    Pipe = tuple[int, int, int]  # its number, and what it is

_FOLDER = "/proc/self/fd"


def pipes() -> frozenset[Pipe]:
    """All pipes and sockets that are open, but for the standard streams; none where unknown."""
    return frozenset(_found())


def let_go(kept: Collection[Pipe], own: Collection[int]) -> None:
    """Close the pipes and sockets that the program has, in a fork of it.

    Their numbers stay taken, so that no object of the program's closes something else by them.

    Args:
        kept: Those that items may use.
        own: Descriptors of pipes of ours, all copies of which are left alone.
    """
    ours = {os.fstat(descriptor)[1:3] for descriptor in own}
    strangers = [one for one in _found() if one not in kept and one[1:] not in ours]
    if not strangers:
        return
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor, *_ in strangers:
        os.dup2(null, descriptor, inheritable=False)
    os.close(null)


def _found() -> Iterator[Pipe]:
    try:
        names = os.listdir(_FOLDER)
    except OSError:  # not on Linux
        return
    for descriptor in map(int, names):
        if descriptor <= 2:
            continue
        try:
            found = os.fstat(descriptor)
        except OSError:  # that of the listing itself
            continue
        if S_ISFIFO(found.st_mode) or S_ISSOCK(found.st_mode):
            yield descriptor, found.st_ino, found.st_dev
