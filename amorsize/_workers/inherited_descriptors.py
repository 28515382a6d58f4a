"""Frees a forked worker of the descriptors that it inherits from the program.

The end of a pipe, a lock on a file or a port is free when all copies of its descriptor are closed.
The program goes on beside a stream, and after a call whose workers wait. It may close what it has
opened, and would wait for ever for copies in workers.
"""

from __future__ import annotations

import os
from stat import S_ISFIFO, S_ISSOCK

from amorsize._host import procfs
from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    Pipe = tuple[int, int, int]  # descriptor, inode, device

_FOLDER = "/proc/self/fd"
#: Where the system cannot close many at once, each place takes 0.1 us.
MOST_PLACES = 1 << 12


def pipes() -> frozenset[Pipe]:
    """All open pipes and sockets except the standard streams; none without /proc."""
    return frozenset(_found())


def redirect_strangers(kept: Collection[Pipe], own: Collection[int]) -> None:
    """Redirect the program's pipes and sockets to /dev/null in a fork of it.

    Their numbers stay in use. Otherwise an object of the program could close another file that was
    given such a number.

    Args:
        kept: The ones that items may use.
        own: Descriptors of the worker's own pipes, all copies of which stay open.
    """
    ours = {kernel.fstat(descriptor)[1:3] for descriptor in own}
    strangers = [one for one in _found() if one not in kept and one[1:] not in ours]
    if strangers:
        _redirect({descriptor for descriptor, *_ in strangers}, inheritable=False)


def n_places() -> int:
    """How many descriptors fit into the table of this process, none of which is larger.

    0: the system does not tell, or so many that it takes less time to list those that are open.
    """
    _, _, told = procfs.read("/proc/self/status").partition("\nFDSize:")
    n = int(told.split(None, 1)[0]) if told else 0
    return n if n <= MOST_PLACES else 0


def close_all(own: Collection[int], n_most: int) -> None:
    """Close all descriptors in a fork but these and the standard streams.

    Args:
        own: The descriptors to keep.
        n_most: None is larger; 0: they are listed, which takes 60 us for a hundred of them.
    """
    kept = {0, 1, 2, *own}
    if n_most:
        begin = 0
        for end in (*sorted(one for one in kept if one >= 0), n_most):
            if begin < end:  # else the system would be asked to close all
                kernel.closerange(begin, end)
            begin = end + 1
        return
    for descriptor in map(int, os.listdir(_FOLDER)):
        if descriptor not in kept:
            try:
                kernel.close(descriptor)
            except OSError as error:  # that of the listing, which is closed already
                reraise_from_handler(error)


def redirect_standard(own: Collection[int]) -> None:
    """Redirect the standard streams to /dev/null, unless these descriptors took their place."""
    _redirect({0, 1, 2}.difference(own), inheritable=True)


def _redirect(descriptors: set[int], *, inheritable: bool) -> None:
    """Have these descriptors refer to /dev/null."""
    null = kernel.open(os.devnull, kernel.O_RDWR | kernel.O_CLOEXEC)
    for descriptor in descriptors:
        try:
            kernel.dup2(null, descriptor, inheritable=inheritable)
        except OSError as error:  # it lies above a lowered limit, so that nothing gets its number
            reraise_from_handler(error)
            kernel.close(descriptor)
    if null not in descriptors:  # one of them may have been closed, and its number be this
        kernel.close(null)


def _found() -> Iterator[Pipe]:
    try:
        names = os.listdir(_FOLDER)
    except OSError as error:  # not on Linux
        reraise_from_handler(error)
        return
    for descriptor in map(int, names):
        if descriptor <= 2:
            continue
        try:
            found = kernel.fstat(descriptor)
        except OSError as error:  # that of the listing, which is closed already
            reraise_from_handler(error)
            continue
        if S_ISFIFO(found.st_mode) or S_ISSOCK(found.st_mode):
            yield descriptor, found.st_ino, found.st_dev
