"""The state of the interpreter that workers take over from their caller."""

from __future__ import annotations

import sys

from amorsize._host import import_hooks
from amorsize._workers.carried_state.state_entry import by, entry, of, set_if_other
from amorsize._workers.carried_state.stream_encoding import encoding_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _read_gc(gc: Any) -> Any:
    return gc.isenabled(), gc.get_threshold(), gc.get_debug()


def _set_gc(gc: Any, value: Any) -> None:
    enabled, threshold, debug = value
    (gc.enable if enabled else gc.disable)()
    gc.set_threshold(*threshold)
    set_if_other(gc.get_debug, gc.set_debug, debug)


def _read_stack_size(thread: Any) -> Any:
    """Read the size, then set it again: reading resets it to the default."""
    found = thread.stack_size()
    if found:
        thread.stack_size(found)
    return found


def _set_stack_size(thread: Any, value: Any) -> None:
    thread.stack_size(value)


def _read_crashes(faulthandler: Any) -> Any:
    return faulthandler.is_enabled()


def _set_crashes(faulthandler: Any, value: Any) -> None:
    """Report crashes where the caller's are reported, unless it has named a file."""
    if value and not faulthandler.is_enabled():
        faulthandler.enable(2)
    elif not value:
        faulthandler.disable()


_STREAMS = ("stdout", "stderr")


def _read_encodings(sys: Any) -> Any:
    return [encoding_of(getattr(sys, name, None)) for name in _STREAMS]


def _set_encodings(sys: Any, value: Any) -> None:
    """Tell the streams that forward text to the caller's in which encoding those write it."""
    for name, encoding in zip(_STREAMS, value, strict=True):
        if (follow := getattr(getattr(sys, name), "follow", None)) is not None:
            follow(*encoding)  # else setup= has put a stream of its own there


def _read_time_zone(time: Any) -> Any:
    return time.tzname, time.timezone, time.altzone, time.daylight


def _check_time_zone(time: Any, value: Any) -> None:
    """Both come from the environment, which the caller may have changed without `tzset`.

    Raises:
        ValueError: This process has another one.
    """
    now = _read_time_zone(time)
    if now != value:
        raise ValueError(f"the time zone is not the caller's: {now[0]}, and not {value[0]}")


#: Signals that are not carried: workers ignore the first, and nobody can ignore the last two.
_OURS = ("SIGINT", "SIGTERM", "SIGKILL", "SIGSTOP")
#: The signals of this system, once they were read.
_all_numbers: list[int] = []


def _numbers(signal: Any) -> list[int]:
    if not _all_numbers:
        ours = {getattr(signal, name, 0) for name in _OURS}
        _all_numbers[:] = sorted(set(map(int, signal.valid_signals())) - ours)
    return _all_numbers


def _read_signals(signal: Any) -> Any:
    """The signals that are ignored or at their default, and the blocked ones."""
    numbers = _numbers(signal)
    plain = {int(signal.SIG_IGN), int(signal.SIG_DFL)}
    found = zip(numbers, map(signal.getsignal, numbers), strict=True)
    handlers = {number: int(one) for number, one in found if isinstance(one, int) and one in plain}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return handlers, sorted(set(map(int, blocked)).intersection(numbers)) if blocked else []


def _set_signals(signal: Any, value: Any) -> None:
    handlers, blocked = value
    for number, handler in handlers.items():
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)
    now = set(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ())))
    numbers = set(_numbers(signal))
    signal.pthread_sigmask(signal.SIG_SETMASK, (now - numbers) | set(blocked))


def _read_locale(locale: Any) -> Any:
    """All categories in one text, also those that Python has no names for (paper, telephone)."""
    return locale.setlocale(locale.LC_ALL, None)


def _set_locale(locale: Any, value: Any) -> None:
    if locale.setlocale(locale.LC_ALL, None) != value:
        locale.setlocale(locale.LC_ALL, value)


def _read_thread(threading: Any) -> Any:
    """The name of the calling thread, unless others have made it: to ask would register it."""
    thread = threading._active.get(threading.get_ident())
    return None if thread is None else thread.name


def _set_thread(threading: Any, value: Any) -> None:
    if value is not None:
        threading.current_thread().name = value


def _read_warnings(warnings: Any) -> Any:
    """The filters, with categories by name: a worker may not have loaded their modules."""
    return [
        (action, _text_of(message), category.__module__, category.__qualname__, _text_of(module), n)
        for action, message, category, module, n in warnings.filters
    ]


def _text_of(pattern: Any) -> Any:
    return (pattern.pattern, pattern.flags) if hasattr(pattern, "pattern") else pattern


def _set_warnings(warnings: Any, value: Any) -> None:
    found: list[Any] = []
    for action, message, home, name, module, n in value:
        category = getattr(sys.modules.get(home), name, None)
        if category is None:  # nobody can warn with it before its module is loaded
            import_hooks.when_imported(
                home, "warning filters", _again(_set_warnings, warnings, value)
            )
        else:
            found.append((action, _compiled(message), category, _compiled(module), n))
    if list(warnings.filters) != found:
        warnings.resetwarnings()  # also forgets which warnings were shown
        warnings.filters.extend(found)


def _compiled(text: Any) -> Any:
    if not isinstance(text, tuple):
        return text
    import re

    return re.compile(*text)


def _again(take: Callable[[Any, Any], None], module: Any, value: Any) -> Callable[[], None]:
    return lambda: take(module, value)


def _read_traceback_limit(sys: Any) -> Any:
    return getattr(sys, "tracebacklimit", None)


def _set_traceback_limit(sys: Any, value: Any) -> None:
    if value is not None:
        sys.tracebacklimit = value
    elif hasattr(sys, "tracebacklimit"):
        del sys.tracebacklimit


def _read_tracing(tracemalloc: Any) -> Any:
    return tracemalloc.get_traceback_limit() if tracemalloc.is_tracing() else 0


def _set_tracing(tracemalloc: Any, n_frames: Any) -> None:
    if n_frames != _read_tracing(tracemalloc):
        tracemalloc.stop()
        if n_frames:
            tracemalloc.start(n_frames)


def _read_process(process: Any) -> Any:
    return process.current_process().name


def _set_process(process: Any, value: Any) -> None:
    process.current_process().name = value


def _read_multiprocessing(process: Any) -> Any:
    return bytes(process.current_process().authkey)


def _set_multiprocessing(process: Any, value: Any) -> None:
    process.current_process().authkey = value


def _read_start_method(context: Any) -> Any:
    return context._default_context.get_start_method(allow_none=True)


def _set_start_method(context: Any, value: Any) -> None:
    if context._default_context.get_start_method(allow_none=True) != value:
        context._default_context.set_start_method(value, force=True)


_ORIGINS = "get_coroutine_origin_tracking_depth", "set_coroutine_origin_tracking_depth"
#: What is carried, in the order in which a worker takes it.
ENTRIES = (
    entry("recursion limit", "sys", by("getrecursionlimit", "setrecursionlimit")),
    entry("digits of an int", "sys", by("get_int_max_str_digits", "set_int_max_str_digits")),
    entry("switch interval", "sys", by("getswitchinterval", "setswitchinterval")),
    entry("stack of new threads", "_thread", (_read_stack_size, _set_stack_size)),
    entry("writing of bytecode", "sys", of("dont_write_bytecode")),
    entry("flags of dlopen", "sys", by("getdlopenflags", "setdlopenflags")),
    entry("origins of coroutines", "sys", by(*_ORIGINS)),
    entry("lines of tracebacks", "sys", (_read_traceback_limit, _set_traceback_limit)),
    entry("options of warnings", "sys", of("warnoptions")),
    entry("tracing of memory", "tracemalloc", (_read_tracing, _set_tracing)),
    entry("reports of crashes", "faulthandler", (_read_crashes, _set_crashes)),
    entry("encodings of output", "sys", (_read_encodings, _set_encodings)),
    entry("error number of ctypes", "_ctypes", by("get_errno", "set_errno")),
    entry("time zone", "time", (_read_time_zone, _check_time_zone)),
    entry("garbage collection", "gc", (_read_gc, _set_gc)),
    entry("signals ignored or blocked", "_signal", (_read_signals, _set_signals)),
    entry("locale", "_locale", (_read_locale, _set_locale)),
    entry("warning filters", "warnings", (_read_warnings, _set_warnings)),
    entry("folder of tempfile", "tempfile", of("tempdir")),
    entry("prefix of tempfile", "tempfile", of("template")),
    entry("name of the thread", "threading", (_read_thread, _set_thread)),
    entry("name of the process", "multiprocessing.process", (_read_process, _set_process)),
    entry(
        "multiprocessing's key",
        "multiprocessing.process",
        (_read_multiprocessing, _set_multiprocessing),
    ),
    entry(
        "multiprocessing's start method",
        "multiprocessing.context",
        (_read_start_method, _set_start_method),
    ),
)
