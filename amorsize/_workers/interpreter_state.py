"""The state of the interpreter and its process that workers have as their caller."""

from __future__ import annotations

import sys

from amorsize._host import import_hooks
from amorsize._workers.state_entry import by, entry, fill, of, set_if_other

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _read_gc(gc: Any) -> Any:
    return gc.isenabled(), gc.get_threshold(), gc.get_debug()


def _take_gc(gc: Any, value: Any) -> None:
    enabled, threshold, debug = value
    (gc.enable if enabled else gc.disable)()
    gc.set_threshold(*threshold)
    set_if_other(gc.get_debug, gc.set_debug, debug)


def _read_stack_size(thread: Any) -> Any:
    """Put back at once: to ask for it is to set it to the default."""
    found = thread.stack_size()
    if found:
        thread.stack_size(found)
    return found


def _take_stack_size(thread: Any, value: Any) -> None:
    thread.stack_size(value)


_OURS = ("SIGINT", "SIGTERM", "SIGKILL", "SIGSTOP")  # a worker leaves the first to its caller
_all_numbers: list[int] = []  # of this system, once they were asked for


def _numbers(signal: Any) -> list[int]:
    if not _all_numbers:
        ours = {getattr(signal, name, 0) for name in _OURS}
        _all_numbers[:] = sorted(set(map(int, signal.valid_signals())) - ours)
    return _all_numbers


def _read_signals(signal: Any) -> Any:
    """Which signals are ignored, which do what they do by default, and which wait."""
    numbers = _numbers(signal)
    plain = {int(signal.SIG_IGN), int(signal.SIG_DFL)}
    found = zip(numbers, map(signal.getsignal, numbers), strict=True)
    handlers = {number: int(one) for number, one in found if isinstance(one, int) and one in plain}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return handlers, sorted(set(map(int, blocked)).intersection(numbers)) if blocked else []


def _take_signals(signal: Any, value: Any) -> None:
    handlers, blocked = value
    for number, handler in handlers.items():
        if signal.getsignal(number) != handler:
            signal.signal(number, handler)
    now = set(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ())))
    numbers = set(_numbers(signal))
    signal.pthread_sigmask(signal.SIG_SETMASK, (now - numbers) | set(blocked))


_CATEGORIES = ("LC_COLLATE", "LC_CTYPE", "LC_MESSAGES", "LC_MONETARY", "LC_NUMERIC", "LC_TIME")


def _read_locale(locale: Any) -> Any:
    names = [name for name in _CATEGORIES if hasattr(locale, name)]
    return {name: locale.setlocale(getattr(locale, name), None) for name in names}


def _take_locale(locale: Any, value: Any) -> None:
    for name, wanted in value.items():
        category: int = getattr(locale, name)
        if locale.setlocale(category, None) != wanted:
            locale.setlocale(category, wanted)


def _read_warnings(warnings: Any) -> Any:
    """The filters; the categories by name, since a worker may not have loaded where they are."""
    return [
        (action, _text_of(message), category.__module__, category.__qualname__, _text_of(module), n)
        for action, message, category, module, n in warnings.filters
    ]


def _text_of(pattern: Any) -> Any:
    return (pattern.pattern, pattern.flags) if hasattr(pattern, "pattern") else pattern


def _take_warnings(warnings: Any, value: Any) -> None:
    found: list[Any] = []
    for action, message, home, name, module, n in value:
        category = getattr(sys.modules.get(home), name, None)
        if category is None:  # nobody can warn so before its module is there
            import_hooks.when_imported(
                home, "warning filters", _again(_take_warnings, warnings, value)
            )
        else:
            found.append((action, _compiled(message), category, _compiled(module), n))
    if list(warnings.filters) != found:
        warnings.resetwarnings()  # which also has what was warned of already forgotten
        warnings.filters.extend(found)


def _compiled(text: Any) -> Any:
    if not isinstance(text, tuple):
        return text
    import re

    return re.compile(*text)


def _again(take: Callable[[Any, Any], None], module: Any, value: Any) -> Callable[[], None]:
    return lambda: take(module, value)


def _read_multiprocessing(process: Any) -> Any:
    return bytes(process.current_process().authkey)


def _take_multiprocessing(process: Any, value: Any) -> None:
    process.current_process().authkey = value


def _read_start_method(context: Any) -> Any:
    return context._default_context.get_start_method(allow_none=True)


def _take_start_method(context: Any, value: Any) -> None:
    if context._default_context.get_start_method(allow_none=True) != value:
        context._default_context.set_start_method(value, force=True)


def _read_logging(logging: Any) -> Any:
    """Disabled up to, and the level of each logger that has one, and which are disabled."""
    loggers = list(logging.root.manager.loggerDict.items())
    levels = {name: one.level for name, one in loggers if getattr(one, "level", 0)}
    disabled = [name for name, one in loggers if getattr(one, "disabled", 0)]
    names = dict(logging._levelToName), dict(logging._nameToLevel)
    threshold = logging.root.manager.disable
    return threshold, {**levels, "root": logging.root.level}, disabled, names


def _take_logging(logging: Any, value: Any) -> None:
    threshold, levels, disabled, names = value
    logging.disable(threshold)
    for own, wanted in zip((logging._levelToName, logging._nameToLevel), names, strict=True):
        fill(own, wanted)
    for name, one in logging.root.manager.loggerDict.items():
        if name not in levels and hasattr(one, "setLevel"):  # else a placeholder
            one.setLevel(0)
        if name not in disabled and hasattr(one, "disabled"):
            one.disabled = False
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    for name in disabled:
        logging.getLogger(name).disabled = True


#: What is carried, in the order in which a worker takes it.
ENTRIES = (
    entry("recursion limit", "sys", by("getrecursionlimit", "setrecursionlimit")),
    entry("digits of an int", "sys", by("get_int_max_str_digits", "set_int_max_str_digits")),
    entry("switch interval", "sys", by("getswitchinterval", "setswitchinterval")),
    entry("stack of new threads", "_thread", (_read_stack_size, _take_stack_size)),
    entry("writing of bytecode", "sys", of("dont_write_bytecode")),
    entry("garbage collection", "gc", (_read_gc, _take_gc)),
    entry("signals ignored or blocked", "_signal", (_read_signals, _take_signals)),
    entry("locale", "_locale", (_read_locale, _take_locale)),
    entry("warning filters", "warnings", (_read_warnings, _take_warnings)),
    entry("folder of tempfile", "tempfile", of("tempdir")),
    entry("logging levels", "logging", (_read_logging, _take_logging)),
    entry(
        "multiprocessing's key",
        "multiprocessing.process",
        (_read_multiprocessing, _take_multiprocessing),
    ),
    entry(
        "multiprocessing's start method",
        "multiprocessing.context",
        (_read_start_method, _take_start_method),
    ),
)
