"""Reads the state of the whole process: its folder, environment, handlers, settings.

It reads from loaded modules only, and sets nothing to find out a value.
"""

from __future__ import annotations

import _locale
import _signal  # type: ignore[import-not-found]
import _thread
import builtins
import gc
import os
import sys
import time
from _functools import partial  # type: ignore[import-not-found]  # `functools` loads much more
from os import getcwd  # an item may replace `os.getcwd`
from time import process_time

from amorsize._host.replacement import Replacement
from amorsize._host.signals import handlers_of_program, reraise_from_handler
from amorsize._host.unpatched import monotonic
from amorsize._watching.finding import Ones
from amorsize.policy.frozen_record import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

NOT_LOADED: Any = type("NOT_LOADED", (), {"__repr__": lambda _: "NOT_LOADED"})()
MAX_LOGGERS = 512
SAME_ALARM_S = 0.2
#: Modules whose functions tests and tools often replace.
PATCHED = (
    "builtins",
    "os",
    "time",
    "random",
    "datetime",
    "subprocess",
    "socket",
    "shutil",
    "requests",
)


def _module(name: str) -> Any:
    return sys.modules.get(name)


def _umask() -> Any:
    """The umask from /proc: `os.umask` would set it for all threads."""
    from amorsize._watching.descriptors import _read

    status = _read("/proc/self/status")
    at = status.index(b"Umask:")
    return status[at : at + 11]


def _environment() -> Any:
    kept = getattr(os.environ, "_data", os.environ)
    names = [os.fsdecode(name) for name in kept]
    return id(os.environ), dict(zip(names, kept.values(), strict=True))


def _streams() -> Any:
    streams = sys.stdin, sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__
    return Ones(one.replaces if isinstance(one, Replacement) else one for one in streams)


def _filters() -> Any:
    warnings = _module("warnings")
    if warnings is None:
        return NOT_LOADED
    return Ones((warnings.showwarning, *warnings.filters))


def _local() -> Any:
    return _locale.setlocale(_locale.LC_ALL)


def _handlers() -> Any:
    return Ones(handlers_of_program())


def _timers() -> Any:
    """The timers that are set, and the pending signals of this thread."""
    which = (_signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF)
    return [_Timer(one) for one in which], _signal.pthread_sigmask(_signal.SIG_BLOCK, ())


class _Timer:
    """The state of a timer; equal to a later one if only time has passed.

    Between reading the clock and the timer, this thread may lose the core for long.
    """

    def __init__(self, which: int) -> None:
        clock = monotonic if which == _signal.ITIMER_REAL else process_time
        self._is_real = clock is monotonic
        self._earliest_s = clock()
        self._left_s: float
        self._interval_s: float
        self._left_s, self._interval_s = _signal.getitimer(which)
        self._latest_s = clock()

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, _Timer)
        before, now = sorted((self, other), key=lambda one: (one._earliest_s, one._latest_s))
        if before._interval_s != now._interval_s or not before._left_s:
            return before._interval_s == now._interval_s and not now._left_s
        longest_s = now._latest_s - before._earliest_s
        # CPU time of the process may reach one clock before the other.
        shortest_s = max(0.0, now._earliest_s - before._latest_s) if self._is_real else 0.0
        least_s = before._left_s - longest_s - SAME_ALARM_S
        if least_s <= 0 and now._left_s <= now._interval_s:
            return True  # it has expired meanwhile, and may have restarted itself
        return least_s <= now._left_s <= before._left_s - shortest_s + SAME_ALARM_S

    __hash__ = None  # type: ignore[assignment]


def _rights() -> Any:
    return os.getresuid(), os.getresgid(), os.getgroups()


def _share_of_machine() -> Any:
    return os.getpriority(os.PRIO_PROCESS, 0), os.sched_getaffinity(0)


def _hooks() -> Any:
    return Ones((sys.excepthook, sys.displayhook, sys.unraisablehook, builtins.__import__))


def _default_timeout() -> Any:
    module = _module("_socket")
    return NOT_LOADED if module is None else module.getdefaulttimeout()


def _csv_settings() -> Any:
    module = _module("_csv")
    return NOT_LOADED if module is None else (module.field_size_limit(), module.list_dialects())


def _namespaces() -> Any:
    module = _module("xml.etree.ElementTree")
    return NOT_LOADED if module is None else dict(module._namespace_map)


def _logging() -> Any:
    """The level and handlers of each logger; a NullHandler of a library does not count."""
    logging = _module("logging")
    if logging is None or not hasattr(logging, "root"):
        return NOT_LOADED
    null: type = getattr(logging, "NullHandler", Ones)
    found: list[Any] = [logging.raiseExceptions, logging.root.manager.disable]
    for logger in (logging.root, *tuple(logging.root.manager.loggerDict.values())[:MAX_LOGGERS]):
        kept, level = getattr(logger, "handlers", ()), getattr(logger, "level", 0)
        if not kept and not level:
            continue
        handlers = [one for one in kept if not isinstance(one, null)]
        if handlers or level:
            about = logger.name, level, logger.propagate, logger.disabled
            found.append((about, [one.level for one in handlers], Ones(handlers)))
    return found


#: Settings that functions of a module keep in its variables.
KEPT_BY = {
    "gettext": ("_current_domain", "_localedirs"),
    "logging": ("_logRecordFactory", "_loggerClass"),
}


def _variables(name: str) -> Any:
    module = _module(name)
    if module is None:
        return NOT_LOADED
    return [repr(getattr(module, one, None)) for one in KEPT_BY[name]]


def _of_interpreter() -> Any:
    """What functions of `sys`, `gc` and `threading` set."""
    digits = getattr(sys, "get_int_max_str_digits", int)()
    collector = gc.isenabled(), gc.get_threshold(), gc.get_debug()
    return _thread.stack_size(), digits, sys.getdlopenflags(), collector


def _first_day() -> Any:
    return getattr(getattr(_module("calendar"), "c", None), "_firstweekday", NOT_LOADED)


#: Tables in which functions of a module register something, by the module.
REGISTRIES = {
    "mimetypes": ("types_map", "common_types", "encodings_map", "suffix_map"),
    "copyreg": ("dispatch_table", "_extension_registry"),
    "sqlite3.dbapi2": ("adapters", "converters"),
    "shutil": ("_ARCHIVE_FORMATS", "_UNPACK_FORMATS"),
    "logging": ("_levelToName",),
}


def _registered(name: str) -> Any:
    module = _module(name)
    if module is None:
        return NOT_LOADED
    tables = {table: getattr(module, table, {}) for table in REGISTRIES[name]}
    return _by_name({(one, key): table[key] for one, table in tables.items() for key in [*table]})


def _numpy_printing() -> Any:
    numpy = _module("numpy")
    if numpy is None or not hasattr(numpy, "get_printoptions"):
        return NOT_LOADED
    return _by_name(numpy.get_printoptions())


def _by_name(settings: dict[Any, Any]) -> Any:
    return tuple(settings), Ones(settings.values())


def _pandas_options() -> Any:
    config = _module("pandas._config.config")
    if config is None or not hasattr(config, "_global_config"):
        return NOT_LOADED
    return _by_name(dict(_flat(config._global_config, "")))


def _flat(options: dict[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    """Nested options by their full names."""
    for name, value in options.items():
        if type(value) is dict:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _matplotlib_settings() -> Any:
    matplotlib = _module("matplotlib")
    if not hasattr(matplotlib, "rcParams"):
        return NOT_LOADED
    return _by_name(dict(dict.items(matplotlib.rcParams)))


def _figures() -> Any:
    helpers = _module("matplotlib._pylab_helpers")
    return NOT_LOADED if helpers is None else Ones(helpers.Gcf.figs.values())


def _opener() -> Any:
    request = _module("urllib.request")
    return NOT_LOADED if request is None else Ones([getattr(request, "_opener", None)])


def _attributes(name: str) -> Any:
    module = _module(name)
    if module is None:
        return NOT_LOADED
    found = dict(vars(module))
    found.pop("__warningregistry__", None)  # made by any warning in this module
    return _by_name(found)


class Setting(Value):
    """One piece of state of the whole process."""

    name: str
    read: Any  # reads it
    by_loading: bool = False  # loading a module often changes it, once
    by_service: bool = False  # serving workers in another thread may change it

    def state(self) -> Any:
        """Its value, or the error of the system: the current folder may be gone, for example.

        Other errors do not count: another thread may change it during the reading.
        """
        try:
            return self.read()
        except OSError as error:
            reraise_from_handler(error)
            return type(error)


SETTINGS = (
    Setting(name="the current folder", read=getcwd),
    Setting(name="the umask", read=_umask),
    Setting(name="os.environ", read=_environment, by_loading=True),
    Setting(name="the standard streams (sys.stdout, sys.stderr, sys.stdin)", read=_streams),
    Setting(name="the warning filters", read=_filters, by_loading=True),
    Setting(name="sys.path", read=lambda: list(sys.path), by_loading=True),
    Setting(name="sys.argv", read=lambda: list(sys.argv)),
    Setting(name="the locale", read=_local),
    Setting(name="the time zone", read=lambda: time.tzname),
    Setting(name="a signal handler", read=_handlers, by_loading=True),
    Setting(name="a timer, or which signals are held back", read=_timers, by_service=True),
    Setting(name="the logging handlers or levels", read=_logging, by_loading=True),
    Setting(name="the default timeout of sockets", read=_default_timeout),
    Setting(name="the settings of csv", read=_csv_settings),
    Setting(name="the namespaces of xml.etree.ElementTree", read=_namespaces, by_loading=True),
    Setting(name="the opener of urllib.request", read=_opener),
    Setting(name="the switch interval", read=sys.getswitchinterval, by_service=True),
    Setting(name="the recursion limit", read=sys.getrecursionlimit),
    Setting(name="a setting of sys, gc or threading", read=_of_interpreter),
    Setting(name="the first day of a week", read=_first_day, by_loading=True),
    Setting(name="the rights of the process", read=_rights),
    Setting(name="the priority or the cores of the process", read=_share_of_machine),
    Setting(name="the hooks of sys", read=_hooks, by_loading=True),
    Setting(name="the print options of numpy", read=_numpy_printing),
    Setting(name="the options of pandas", read=_pandas_options, by_loading=True),
    Setting(name="the settings of matplotlib", read=_matplotlib_settings, by_loading=True),
    Setting(name="the figures of pyplot", read=_figures),
    *(
        Setting(name=f"the settings of {name}", read=partial(_variables, name), by_loading=True)
        for name in KEPT_BY
    ),
    *(
        Setting(
            name=f"what {name} has registered", read=partial(_registered, name), by_loading=True
        )
        for name in REGISTRIES
    ),
    *(
        Setting(name=f"the module {name}", read=partial(_attributes, name), by_loading=True)
        for name in PATCHED
    ),
)


def details(before: Any, now: Any) -> str:
    """The names of the values that differ, if they have names."""
    before, now = _as_dict(before), _as_dict(now)
    if before is None or now is None:
        return ""
    names = dict.fromkeys((*before, *now))
    changed = [str(one) for one in names if before.get(one, before) is not now.get(one, now)]
    return f" ({', '.join(changed[:3])})" if changed else ""


def _as_dict(state: Any) -> dict[Any, Any] | None:
    if type(state) is not tuple or len(state) != 2:
        return None
    if isinstance(state[1], Ones):
        return dict(zip(state[0], state[1].objects, strict=True))
    return state[1] if type(state[1]) is dict else None
