"""State of the process and of libraries that a worker from a clean start has as its caller has it.

`ENTRIES` is the list of it, as data: how each is read in the caller and set in a worker. It is read
when a call comes to start workers, set before a worker imports the function, and in libraries that
it has not loaded as soon as it does. What is set in a worker's context lasts for one call there.
"""

from __future__ import annotations

import sys

from amorsize._function.callables import is_own_module
from amorsize._host import import_hooks
from amorsize._host.signals import let_through, raised_by_handler
from amorsize._workers import serialization
from amorsize.errors import SerializationError
from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


class Entry(Value):
    """One piece of state; there is none of it where its module is not loaded."""

    name: str  # in docs/safety.md
    module: str
    read: Callable[[Any], Any]  # given the module
    take: Callable[[Any, Any], None]  # given the module, and what was read


# -- the interpreter and the process --------------------------------------------------------


def _set_if_other(get: Callable[[], Any], put: Callable[[Any], Any], value: Any) -> None:
    if get() != value:
        put(value)


def _read_gc(gc: Any) -> Any:
    return gc.isenabled(), gc.get_threshold(), gc.get_debug()


def _take_gc(gc: Any, value: Any) -> None:
    enabled, threshold, debug = value
    (gc.enable if enabled else gc.disable)()
    gc.set_threshold(*threshold)
    _set_if_other(gc.get_debug, gc.set_debug, debug)


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


# -- the standard library -------------------------------------------------------------------


def _read_decimal(decimal: Any) -> Any:
    return _of_decimal(decimal.getcontext()), _of_decimal(decimal.DefaultContext)


def _of_decimal(context: Any) -> Any:
    on = [
        [signal.__name__ for signal, is_on in signals.items() if is_on]
        for signals in (context.flags, context.traps)
    ]
    fields = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
    return {name: getattr(context, name) for name in fields}, *on


def _take_decimal(decimal: Any, value: Any) -> None:
    for context, (fields, flags, traps) in zip(
        (decimal.getcontext(), decimal.DefaultContext), value, strict=True
    ):
        for name, one in fields.items():
            setattr(context, name, one)
        for signals, on in ((context.flags, flags), (context.traps, traps)):
            for signal in signals:
                signals[signal] = signal.__name__ in on


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
        _fill(own, wanted)
    for name, one in logging.root.manager.loggerDict.items():
        if name not in levels and hasattr(one, "setLevel"):  # else a placeholder
            one.setLevel(0)
        if name not in disabled and hasattr(one, "disabled"):
            one.disabled = False
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    for name in disabled:
        logging.getLogger(name).disabled = True


def _read_multiprocessing(process: Any) -> Any:
    return bytes(process.current_process().authkey)


def _take_multiprocessing(process: Any, value: Any) -> None:
    process.current_process().authkey = value


def _read_start_method(context: Any) -> Any:
    return context._default_context.get_start_method(allow_none=True)


def _take_start_method(context: Any, value: Any) -> None:
    if context._default_context.get_start_method(allow_none=True) != value:
        context._default_context.set_start_method(value, force=True)


def _registry(name: str) -> tuple[Callable[[Any], Any], Callable[[Any, Any], None]]:
    """A dict of a module in which programs register something."""

    def take(module: Any, value: Any) -> None:
        _fill(getattr(module, name), value)

    return lambda module: dict(getattr(module, name)), take


def _fill(own: dict[Any, Any], wanted: dict[Any, Any]) -> None:
    if own != wanted:
        own.clear()
        own.update(wanted)


_FORMATTING = (
    *("delimiter", "doublequote", "escapechar", "lineterminator"),
    *("quotechar", "quoting", "skipinitialspace", "strict"),
)


def _read_dialects(csv: Any) -> Any:
    found = {name: csv.get_dialect(name) for name in csv.list_dialects()}
    return {
        name: {each: getattr(dialect, each) for each in _FORMATTING}
        for name, dialect in found.items()
    }


def _take_dialects(csv: Any, value: Any) -> None:
    now = _read_dialects(csv)
    for name in now.keys() - value.keys():
        csv.unregister_dialect(name)
    for name, formatting in value.items():
        if now.get(name) != formatting:
            csv.register_dialect(name, **formatting)


def _read_adapters(dbapi2: Any) -> Any:
    """Without those that SQLite's module has registered itself.

    And without what another library has registered for its own use that cannot be sent: each
    notebook has such a one, for the history of its cells.
    """
    return [
        {key: one for key, one in found.items() if _is_the_programs(one)}
        for found in (dbapi2.adapters, dbapi2.converters)
    ]


def _is_the_programs(adapter: Any) -> bool:
    module = getattr(adapter, "__module__", None)
    if is_own_module(module):
        return True
    return not str(module).startswith("sqlite3") and serialization.why_not(adapter) is None


def _take_adapters(dbapi2: Any, value: Any) -> None:
    both = (dbapi2.adapters, dbapi2.converters)
    for own, wanted, now in zip(both, value, _read_adapters(dbapi2), strict=True):
        for key in now.keys() - wanted.keys():
            del own[key]
        own.update(wanted)


_mime_types: tuple[list[Any], bytes] | None = None  # as they were last sent, and as bytes
_MIME_MAPS = ("types_map", "types_map_inv", "encodings_map", "suffix_map")


def _read_mime_types(mimetypes: Any) -> Any:
    """None before anybody has asked for one: they are read from files then."""
    global _mime_types
    if mimetypes._db is None:
        return None
    now = [getattr(mimetypes._db, name) for name in _MIME_MAPS]
    if _mime_types is None or _mime_types[0] != now:
        data = serialization.dumps(now)  # half a millisecond, for 65 kB
        _mime_types = serialization.loads(data), data
    return _mime_types[1]


def _take_mime_types(mimetypes: Any, value: Any) -> None:
    if value is None:
        return
    if mimetypes._db is None:
        mimetypes.init()
    for name, wanted in zip(_MIME_MAPS, serialization.loads(value), strict=True):
        own = getattr(mimetypes._db, name)
        pairs = zip(own, wanted, strict=True) if isinstance(own, tuple) else [(own, wanted)]
        for one, other in pairs:
            _fill(one, other)


def _read_repr(reprlib: Any) -> Any:
    return dict(vars(reprlib.aRepr))


def _take_repr(reprlib: Any, value: Any) -> None:
    vars(reprlib.aRepr).update(value)


# -- other libraries ------------------------------------------------------------------------


def _read_numpy(numpy: Any) -> Any:
    options = {key: one for key, one in numpy.get_printoptions().items() if one is not None}
    return numpy.geterr(), numpy.geterrcall(), numpy.getbufsize(), options


def _take_numpy(numpy: Any, value: Any) -> None:
    errors, call, size, options = value
    numpy.seterr(**errors)
    numpy.seterrcall(call)
    _set_if_other(numpy.getbufsize, numpy.setbufsize, size)
    if numpy.get_printoptions() != options:
        numpy.set_printoptions(**{"formatter": None, **options})


def _read_pandas(pandas: Any) -> Any:
    return pandas._config.config._global_config


def _take_pandas(pandas: Any, value: Any) -> None:
    """Once all of pandas is loaded: its parts register their options one after the other."""
    config = pandas._config.config
    now = dict(_flat(config._global_config, ""))
    for name, one in _flat(value, ""):
        if name in now and now[name] != one:
            config.set_option(name, one)


def _flat(options: Any, prefix: str) -> Iterable[tuple[str, Any]]:
    for name, one in options.items():
        if isinstance(one, dict):
            yield from _flat(one, f"{prefix}{name}.")
        else:
            yield prefix + name, one


def _read_matplotlib(matplotlib: Any) -> Any:
    """As they stand: reading `backend` otherwise would choose one."""
    parameters = dict(dict.items(matplotlib.rcParams))
    if not isinstance(parameters.get("backend"), str):
        parameters.pop("backend", None)
    return parameters


def _take_matplotlib(matplotlib: Any, value: Any) -> None:
    for name, one in value.items():
        dict.__setitem__(matplotlib.rcParams, name, one)


def _read_mpmath(mpmath: Any) -> Any:
    return [(one.prec, one.pretty) for one in (mpmath.mp, mpmath.iv)]


def _take_mpmath(mpmath: Any, value: Any) -> None:
    for context, (precision, pretty) in zip((mpmath.mp, mpmath.iv), value, strict=True):
        context.prec, context.pretty = precision, pretty


def _of(name: str) -> tuple[Callable[[Any], Any], Callable[[Any, Any], None]]:
    """A plain attribute of a module."""

    def take(module: Any, value: Any) -> None:
        setattr(module, name, value)

    return lambda module: getattr(module, name), take


def _by(get: str, put: str) -> tuple[Callable[[Any], Any], Callable[[Any, Any], None]]:
    """What one function of a module tells and another sets."""

    def take(module: Any, value: Any) -> None:
        _set_if_other(getattr(module, get), getattr(module, put), value)

    return lambda module: getattr(module, get)(), take


def _entry(name: str, module: str, ways: tuple[Any, Any]) -> Entry:
    return Entry(name=name, module=module, read=ways[0], take=ways[1])


ENTRIES = (
    _entry("recursion limit", "sys", _by("getrecursionlimit", "setrecursionlimit")),
    _entry("digits of an int", "sys", _by("get_int_max_str_digits", "set_int_max_str_digits")),
    _entry("switch interval", "sys", _by("getswitchinterval", "setswitchinterval")),
    _entry("stack of new threads", "_thread", (_read_stack_size, _take_stack_size)),
    _entry("writing of bytecode", "sys", _of("dont_write_bytecode")),
    _entry("garbage collection", "gc", (_read_gc, _take_gc)),
    _entry("signals ignored or blocked", "_signal", (_read_signals, _take_signals)),
    _entry("locale", "_locale", (_read_locale, _take_locale)),
    _entry("warning filters", "warnings", (_read_warnings, _take_warnings)),
    _entry("decimal context", "decimal", (_read_decimal, _take_decimal)),
    _entry("csv field size limit", "_csv", _by("field_size_limit", "field_size_limit")),
    _entry("socket timeout", "_socket", _by("getdefaulttimeout", "setdefaulttimeout")),
    _entry("folder of tempfile", "tempfile", _of("tempdir")),
    _entry("logging levels", "logging", (_read_logging, _take_logging)),
    _entry(
        "multiprocessing's key",
        "multiprocessing.process",
        (_read_multiprocessing, _take_multiprocessing),
    ),
    _entry(
        "multiprocessing's start method",
        "multiprocessing.context",
        (_read_start_method, _take_start_method),
    ),
    _entry("first day of the week", "calendar", _by("firstweekday", "setfirstweekday")),
    _entry("CSV dialects", "_csv", (_read_dialects, _take_dialects)),
    _entry("MIME types", "mimetypes", (_read_mime_types, _take_mime_types)),
    _entry("SQLite's adapters", "sqlite3.dbapi2", (_read_adapters, _take_adapters)),
    _entry("archive formats", "shutil", _registry("_ARCHIVE_FORMATS")),
    _entry("formats to unpack", "shutil", _registry("_UNPACK_FORMATS")),
    _entry("lengths of reprlib", "reprlib", (_read_repr, _take_repr)),
    _entry("urllib's opener", "urllib.request", _of("_opener")),
    _entry("HTTPS contexts", "ssl", _of("_create_default_https_context")),
    _entry("XML namespaces", "xml.etree.ElementTree", _registry("_namespace_map")),
    _entry("NumPy errors and printing", "numpy", (_read_numpy, _take_numpy)),
    _entry("pandas options", "pandas", (_read_pandas, _take_pandas)),
    _entry("matplotlib's rcParams", "matplotlib", (_read_matplotlib, _take_matplotlib)),
    _entry("mpmath's precision", "mpmath", (_read_mpmath, _take_mpmath)),
)
_BY_NAME = {one.name: one for one in ENTRIES}
_BUILTIN = {one.module for one in ENTRIES}.intersection(sys.builtin_module_names)


def packed() -> bytes:
    """All of it, as it is now in the calling thread.

    Raises:
        SerializationError: Some setting cannot be sent; the text names it.
    """
    found = {}
    for entry in ENTRIES:
        if (module := _loaded(entry)) is not None:
            try:
                found[entry.name] = serialization.dumps(entry.read(module))
            except Exception as error:
                if raised_by_handler(error):
                    raise
                raise SerializationError(
                    f"what is set in this process cannot be set in a worker ({entry.name}): "
                    f"{type(error).__name__}: {error}. Set it in setup=, or in the function itself."
                ) from error
    return serialization.dumps((found, _context()))


def take(data: bytes) -> None:
    """Become as the caller was when it packed this; in a context of the call's own."""
    found, context = serialization.loads(data)
    for entry in ENTRIES:
        import_hooks.forget(entry.name)
        if (value := found.get(entry.name)) is not None:
            _loaded(entry)
            import_hooks.when_imported(entry.module, entry.name, _setting(entry, value))
    for key in _vars_awaited:
        import_hooks.forget(key)
    _vars_awaited.clear()
    for place, value in context.items():
        module, _, name = place.partition(":")
        _vars_awaited.append(f"context variable {place}")
        import_hooks.when_imported(module, _vars_awaited[-1], _setting_var(module, name, value))


def _loaded(entry: Entry) -> Any:
    """The module of an entry; a builtin one has its state whether it was imported or not."""
    if entry.module in _BUILTIN:
        return sys.modules.get(entry.module) or __import__(entry.module)
    return sys.modules[entry.module] if import_hooks.is_loaded(entry.module) else None


def _setting(entry: Entry, value: bytes) -> Callable[[], None]:
    return lambda: entry.take(sys.modules[entry.module], serialization.loads(value))


# -- context variables ----------------------------------------------------------------------


_vars_awaited: list[str] = []
# By id; they keep the variable, so that no id comes twice.
_places: dict[int, tuple[Any, str | None]] = {}


def _context() -> dict[str, Any]:
    """Values of context variables that are attributes of a module, by "module:name", pickled.

    One that cannot be pickled is left out: where the function reads it, packing the task says so.
    """
    import _contextvars

    context = _contextvars.copy_context()
    _note_places([var for var in context if id(var) not in _places])
    found = {}
    for var, value in context.items():
        place = _places[id(var)][1]
        if place is not None and (data := _pickled(value)) is not None:
            found[place] = data
    return found


def place_of(var: Any) -> str | None:
    """Where a context variable is found in every process, as "module:name"; None: nowhere."""
    if id(var) not in _places:
        _note_places([var])
    return _places[id(var)][1]


def _pickled(value: Any) -> bytes | None:
    try:
        return serialization.dumps(value)
    except Exception as error:
        let_through(error)
        return None


def _note_places(variables: list[Any]) -> None:
    """Find where variables stand that have just been seen for the first time; 10 ms or less."""
    if not variables:
        return
    for var in variables:
        _places[id(var)] = var, None
    kind = type(variables[0])
    for name, module in tuple(sys.modules.items()):
        if name == "__main__" or getattr(module, "__spec__", None) is None:
            continue
        for attribute, value in tuple(vars(module).items()):
            if type(value) is kind and id(value) in _places:
                _places[id(value)] = value, f"{name}:{attribute}"


def _setting_var(module: str, name: str, value: bytes) -> Callable[[], None]:
    def act() -> None:
        var: Any = getattr(sys.modules[module], name, None)
        if hasattr(var, "set"):
            var.set(serialization.loads(value))

    return act
