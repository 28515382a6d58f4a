"""Tells whether this process lacks the files, memory or rights that workers need.

Late imports, pipes to workers and the watching of items open files and take memory. Limits may
leave too little of both. A program that has given up its rights may be unable to read the modules.
"""

from __future__ import annotations

import os
import sys

from amorsize._host.signals import no_interrupts, raised_by_handler, reraise_from_handler
from amorsize.errors import WorkersUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

#: With fewer files left, the caller runs all items, as the program may need these files. The first
#: worker process takes 6, late imports take more, and items may open some.
LEAST = 32
#: With fewer files left, modules that may be needed later are loaded now.
FEW = 128
#: The folders that list open descriptors on Linux, and on macOS and the BSDs.
WHERE_OPEN = ("/proc/self/fd", "/dev/fd")
#: In place of a number of files or threads if nothing limits it.
PLENTY = 1 << 20
#: The numbers of `errno`, which are the same on all systems with such limits.
EMFILE, ENFILE, ENOMEM = 24, 23, 12
#: Modules that a call with workers loads late, when there may be no room for them.
LATE = (
    *("math", "mmap", "select", "threading", "logging", "contextvars"),
    *(f"amorsize._engine.costs.{name}" for name in ("spawn_costs", "pickling_cost", "overhead")),
    *(f"amorsize._engine.serving.{name}" for name in ("retries", "pool_events")),
    *(f"amorsize._engine.caller.{name}" for name in ("lockstep", "dispatcher_thread")),
    *(
        f"amorsize._engine.starting.{name}"
        for name in ("host_inspection", "new_interpreters", "starting")
    ),
    *("amorsize._engine.placement.placement", "amorsize._engine.data.output_order"),
    *("amorsize._engine.reporting.call_outcome", "amorsize._engine.costs.measuring"),
    "amorsize._engine.streaming",
    *("amorsize._function.call_hints", "amorsize._function.library.drawn_libraries", "resource"),
    *("amorsize._function.purity.pure_code", "amorsize._function.purity.pure_reach"),
    *("amorsize._workers.messages.serialization", "amorsize._workers.messages.tracebacks"),
    *("amorsize._workers.tasks.payload", "amorsize._engine.starting.fork_retention"),
    *(f"amorsize._workers.{name}" for name in ("thread_pool", "first_items", "gil_probe")),
    *(
        f"amorsize._workers.processes.{name}"
        for name in ("start_method", "fork_pool", "kept_forks")
    ),
    "amorsize._workers.random_streams",
    "amorsize.policy.update_from_chunks",
    *(
        f"amorsize.policy.rules.{name}"
        for name in ("check_profile", "follow_tuned_plan", "explore", "run_fewer_on_failures")
    ),
    *(f"amorsize.policy.evidence.{name}" for name in ("tuned_plan_fit", "drift")),
)
_LATE = frozenset(LATE)
#: The errors of an import without room. For lack of memory, Python's reader of bytecode fails with
#: a SystemError, and its parser with a SyntaxError.
CANNOT_LOAD = (OSError, ImportError, MemoryError, SystemError, SyntaxError)


def _is_there(path: str) -> bool:
    try:
        os.stat(path)
    except OSError as error:
        reraise_from_handler(error)
        return False
    return True


#: One file of Python and one of amorsize; none if they are frozen or in an archive.
_CODE = tuple(path for path in (os.__file__, __file__) if _is_there(path))
#: With fewer frames left up to the recursion limit, a call is the plain loop, which takes two.
FRAMES = 150
#: The folder of Python's own modules; empty if they are found in another way.
_LIBRARY = os.path.dirname(os.__file__) if os.path.dirname(os.__file__) in sys.path else ""


def n_files_left() -> int:
    """How many more files this process may open; `PLENTY`: the system does not tell.

    Takes 10 us in a process with few open files.
    """
    n_most = limit()
    n_open = n_files_open() if n_most < PLENTY else None
    return PLENTY if n_open is None else max(0, n_most - n_open)


def n_files_open() -> int | None:
    """How many files this process has open; None: the system does not tell."""
    for path in WHERE_OPEN:
        try:
            # Linux tells their number since 6.2. To list 10 000 takes 8 ms.
            if path.startswith("/proc/") and (n_open := os.stat(path).st_size):
                return n_open
            return len(os.listdir(path)) - 1  # the listing itself takes one
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
    except ImportError as error:  # on Windows, or no file is left to load it
        return 0 if is_lack(error) else PLENTY
    soft, _ = getrlimit(RLIMIT_NOFILE)
    return PLENTY if soft == RLIM_INFINITY else soft


def why_unreadable() -> str | None:
    """Why no further module can be loaded; None: they can. Takes 3 us."""
    if _is_library_hidden():
        return "the folder of Python's own modules is no longer in sys.path"
    if all(map(_is_there, _CODE)):
        return None
    return "this process can no longer read the modules that it has yet to load"


def _is_library_hidden() -> bool:
    return bool(_LIBRARY) and _LIBRARY not in sys.path


def n_readable_left() -> int:
    """How many more files may be opened; 0: modules cannot be read, or there is no memory."""
    if why_unreadable() or not has_space():
        return 0
    return n_files_left()


def n_to_load_with() -> int:
    """The same; `PLENTY` if all modules of a call are loaded."""
    return PLENTY if sys.modules.keys() >= _LATE else n_readable_left()


def why_too_few(n_left: int) -> str | None:
    """Why no worker may be started; None: there is room."""
    if (space := _limited_space()) and (why := space.why_less_than(space.LEAST_BYTES)):
        return str(why)
    if n_left >= LEAST:
        return None
    if not n_left and (why := why_unreadable()):
        return why
    return f"this process may open only {n_left} more file{'s' if n_left != 1 else ''}"


def why_no_threads() -> str | None:
    """Why no memory is left to map for threads; None: there is enough."""
    space = _limited_space()
    return space.why_less_than(2 * space.THREAD_BYTES) if space else None


def n_threads_most() -> int:
    """The number of threads that leaves half of the memory that may still be mapped."""
    n_most = space.n_threads_most() if (space := _limited_space()) else None
    return PLENTY if n_most is None else n_most


def has_space() -> bool:
    """Whether there is memory for the modules of a call without workers.

    It is asked before they are loaded: an attempt that fails midway leaves less for the items.
    """
    if not _is_space_limited():
        return True
    space = loaded("_host.address_space")
    return space is not None and space.why_less_than(space.LOOP_BYTES) is None


def _limited_space() -> Any:
    """The module `address_space`; None: nothing limits the memory to map. Takes 1 us."""
    return loaded("_host.address_space") if _is_space_limited() else None


def _is_space_limited() -> bool:
    try:
        from resource import RLIM_INFINITY, RLIMIT_AS, RLIMIT_DATA, getrlimit
    except ImportError:  # on Windows; or there is no room to load it, and `limit` is 0
        return False
    return any(getrlimit(which)[0] != RLIM_INFINITY for which in (RLIMIT_AS, RLIMIT_DATA))


def no_workers(why: str, error: BaseException) -> WorkersUnavailable:
    """The error for items that only workers may run, if their modules cannot be loaded."""
    remedy = f"Raise the limit (ulimit -{'v' if _is_lack_of_memory(error) else 'n'})"
    if _is_library_hidden():
        remedy = f"Put {_LIBRARY} back there"
    elif why_unreadable():
        remedy = f"Let this user run {sys.executable} and read its modules"
    return WorkersUnavailable(
        f"what workers need cannot be loaded: {why} ({error}). {remedy}, or use backend='serial'."
    )


def is_lack(error: BaseException) -> bool:
    """Whether an error says that a module cannot be loaded for lack of files, memory or rights."""
    if _is_lack_of_memory(error):
        return True
    if isinstance(error, ImportError | OSError) and why_unreadable():
        return True
    if isinstance(error, ImportError):  # of an extension module; its text says why
        return "Too many open files" in str(error) or _is_lack(error.__cause__)
    return _is_lack(error)


def _is_lack(error: Any) -> bool:
    return isinstance(error, OSError) and error.errno in (EMFILE, ENFILE)


def _is_lack_of_memory(error: BaseException) -> bool:
    if isinstance(error, ImportError):  # of an extension module
        return "failed to map segment" in str(error) or "annot allocate memory" in str(error)
    if isinstance(error, SystemError | SyntaxError):  # our modules raise them for nothing else
        return True
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == ENOMEM)


def loaded(name: str) -> Any:
    """A module of amorsize, by its name in the package; None: there is no room to load it."""
    module = f"amorsize.{name}"
    try:
        if module in sys.modules:
            __import__(module)  # which waits for another thread that is loading it
        else:
            with no_interrupts():  # a handler that calls a tuned function would find half of it
                __import__(module)
        return sys.modules[module]
    except CANNOT_LOAD as error:
        if is_lack(error):
            return None
        raise


def has_stack_room() -> bool:
    """Whether calls may be `FRAMES` deeper in one another. Takes 1 us where few are by now."""
    try:
        sys._getframe(sys.getrecursionlimit() - FRAMES)
    except ValueError:  # there are not so many yet
        return True
    return False


def loop(
    func: Callable[..., Any], iterables: tuple[Any, ...], kwargs: dict[str, Any], *, strict: bool
) -> Iterator[Any]:
    """A map as a plain loop, which needs no further module."""
    return (func(*items, **kwargs) for items in zip(*iterables, strict=strict))


def load_late() -> None:
    """Load the modules that a call may need when there is no room left for them.

    Raises:
        OSError, ImportError, MemoryError: There is no room for them now.
    """
    for name in LATE:
        __import__(name)
