"""What this process is too short of to start workers, or to load what starts them.

Modules that are imported late, pipes to workers and what watches items all open files and take
memory. Limits may leave little of both, and a program that has given up its rights may no longer be
able to read the modules.
"""

from __future__ import annotations

import os
import sys

from amorsize._host.signals import let_through, raised_by_handler
from amorsize.errors import WorkersUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

#: With fewer files left, the caller runs all items: the program may need these itself. The first
#: worker process takes 6, modules that are loaded late take more, and items may open some.
LEAST = 32
#: With fewer files left, what may be needed later is loaded while there is room.
FEW = 128
#: Where open descriptors are listed: on Linux; on macOS and the BSDs.
WHERE_OPEN = ("/proc/self/fd", "/dev/fd")
#: Stands for a number of files, or of threads, that nothing limits.
PLENTY = 1 << 20
#: The numbers of `errno`, which are the same on all systems with such a limit.
EMFILE, ENFILE, ENOMEM = 24, 23, 12
#: Modules that a call with workers loads on its way, when there may be no room left for them.
LATE = (
    *("math", "mmap", "select", "threading", "logging", "contextvars"),
    *(f"amorsize._engine.{name}" for name in ("spawn_costs", "pickling_cost", "placement")),
    *(f"amorsize._engine.{name}" for name in ("retries", "output_order", "results", "overhead")),
    *(f"amorsize._engine.{name}" for name in ("call_outcome", "lockstep", "host_inspection")),
    *(
        f"amorsize._engine.{name}"
        for name in ("starting", "measuring", "streaming", "dispatcher_thread")
    ),
    *("amorsize._workers.payload", "amorsize._function.call_hints", "amorsize._function.pure_code"),
    *(f"amorsize._workers.{name}" for name in ("serialization", "tracebacks", "start_method")),
    *(f"amorsize._workers.{name}" for name in ("fork_pool", "thread_pool", "first_items")),
    *(f"amorsize._workers.{name}" for name in ("gil_probe", "random_streams", "kept_forks")),
    *("amorsize._engine.keeping", "amorsize._function.pure_reach", "resource"),
    "amorsize._function.drawn_libraries",
    *(f"amorsize.policy.rules.{name}" for name in ("check_profile", "follow_plan", "explore")),
    *("amorsize.policy.update_reports", "amorsize.policy.evidence.tuned_plan"),
)
_LATE = frozenset(LATE)
#: What an import raises where there is no room. Python's reader of bytecode gives up without an
#: error where there is no memory, which is a SystemError, and its parser with a SyntaxError.
CANNOT_LOAD = (OSError, ImportError, MemoryError, SystemError, SyntaxError)


def _is_there(path: str) -> bool:
    try:
        os.stat(path)
    except OSError as error:
        let_through(error)
        return False
    return True


# One file of Python and one of amorsize; none if they are frozen or in an archive.
_CODE = tuple(path for path in (os.__file__, __file__) if _is_there(path))


def n_files_left() -> int:
    """How many more files this process may open; `PLENTY` where nobody counts them.

    10 us in a process that has few of them open.
    """
    n_most = limit()
    n_open = n_files_open() if n_most < PLENTY else None
    return PLENTY if n_open is None else max(0, n_most - n_open)


def n_files_open() -> int | None:
    """How many files this process has open; None where nobody counts them."""
    for path in WHERE_OPEN:
        try:
            return len(os.listdir(path)) - 1  # one of them is for looking
        except OSError as error:
            if raised_by_handler(error):
                raise
            if is_lack(error):
                return PLENTY
    return None


def limit() -> int:
    """How many files this process may have open."""
    try:
        from resource import RLIM_INFINITY, RLIMIT_NOFILE, getrlimit
    except ImportError as error:  # on Windows, or there is not even one left to load it
        return 0 if is_lack(error) else PLENTY
    soft, _ = getrlimit(RLIMIT_NOFILE)
    return PLENTY if soft == RLIM_INFINITY else soft


def why_unreadable() -> str | None:
    """Why no further module can be loaded, in words; None: they can. Takes 3 us."""
    if all(map(_is_there, _CODE)):
        return None
    return "this process can no longer read the modules that it has yet to load"


def n_readable_left() -> int:
    """How many more files may be opened; 0 where modules cannot be read or there is no memory."""
    if why_unreadable() or not has_space():
        return 0
    return n_files_left()


def n_to_load_with() -> int:
    """The same; `PLENTY` where a call has all of its modules already."""
    return PLENTY if sys.modules.keys() >= _LATE else n_readable_left()


def why_too_few(n_left: int) -> str | None:
    """Why no worker may be started, in words; None: there is room."""
    if (space := _limited_space()) and (why := space.why_less_than(space.LEAST_BYTES)):
        return str(why)
    if n_left >= LEAST:
        return None
    if not n_left and (why := why_unreadable()):
        return why
    return f"this process may open only {n_left} more file{'s' if n_left != 1 else ''}"


def why_no_threads() -> str | None:
    """Why too little memory may still be mapped for threads, in words; None: there is enough."""
    space = _limited_space()
    return space.why_less_than(2 * space.THREAD_BYTES) if space else None


def n_threads_most() -> int:
    """How many threads leave half of the memory that may still be mapped to the program."""
    n_most = space.n_threads_most() if (space := _limited_space()) else None
    return PLENTY if n_most is None else n_most


def has_space() -> bool:
    """Whether there is memory for the modules of a call, even of one that starts no worker.

    Asked before they are loaded: where that fails midway, less is left for the items.
    """
    if not _is_space_limited():
        return True
    space = loaded("_host.address_space")
    return space is not None and space.why_less_than(space.LOOP_BYTES) is None


def _limited_space() -> Any:
    """The module `address_space`; None where nothing limits the memory to map. Takes 1 us."""
    return loaded("_host.address_space") if _is_space_limited() else None


def _is_space_limited() -> bool:
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, RLIMIT_DATA, getrlimit
    except ImportError:  # on Windows, or there is no room to load it: then `limit` is 0
        return False
    return any(getrlimit(which)[0] != RLIM_INFINITY for which in (RLIMIT_AS, RLIMIT_DATA))


def no_workers(why: str, error: BaseException) -> WorkersUnavailable:
    """The error to raise if only workers may run the items and their modules cannot be loaded."""
    remedy = f"Raise the limit (ulimit -{'v' if _is_lack_of_memory(error) else 'n'})"
    if why_unreadable():
        remedy = f"Let this user run {sys.executable} and read its modules"
    return WorkersUnavailable(
        f"what workers need cannot be loaded: {why} ({error}). {remedy}, or use backend='serial'."
    )


def is_lack(error: BaseException) -> bool:
    """Whether an error says that no module can be loaded, for want of files, memory or rights."""
    if _is_lack_of_memory(error):
        return True
    if isinstance(error, ImportError | OSError) and why_unreadable():
        return True
    if isinstance(error, ImportError):  # of an extension module, with what the loader said as text
        return "Too many open files" in str(error) or _is_lack(error.__cause__)
    return _is_lack(error)


def _is_lack(error: Any) -> bool:
    return isinstance(error, OSError) and error.errno in (EMFILE, ENFILE)


def _is_lack_of_memory(error: BaseException) -> bool:
    if isinstance(error, ImportError):  # as above
        return "failed to map segment" in str(error) or "annot allocate memory" in str(error)
    if isinstance(error, SystemError | SyntaxError):  # modules of ours have no other cause for them
        return True
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == ENOMEM)


def loaded(name: str) -> Any:
    """A module of amorsize by its name in the package; None: there is no room to load it."""
    try:
        __import__(f"amorsize.{name}")
        return sys.modules[f"amorsize.{name}"]
    except CANNOT_LOAD as error:
        if is_lack(error):
            return None
        raise


def loop(
    func: Callable[..., Any], iterables: tuple[Any, ...], kwargs: dict[str, Any], *, strict: bool
) -> Iterator[Any]:
    """A map as a plain loop, for which nothing has to be loaded."""
    return (func(*items, **kwargs) for items in zip(*iterables, strict=strict))


def load_late() -> None:
    """Load now what a call may need when there is no room left for it.

    Raises:
        OSError, ImportError, MemoryError: There is not even room for that.
    """
    for name in LATE:
        __import__(name)
