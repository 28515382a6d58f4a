"""The settings of libraries that workers take over from their caller."""

from __future__ import annotations

from amorsize._function.ownership import is_own_module
from amorsize._workers.carried_state.state_entry import by, entry, fill, of, registry, set_if_other
from amorsize._workers.messages import serialization

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


def _read_decimal(decimal: Any) -> Any:
    return [_of_decimal(one) for one in _contexts(decimal)]


def _contexts(decimal: Any) -> tuple[Any, ...]:
    named = decimal.DefaultContext, decimal.BasicContext, decimal.ExtendedContext
    return decimal.getcontext(), *named


#: What was read of decimal contexts, by their text: C code makes it, and it shows all settings.
_decimal_contexts: dict[str, Any] = {}
_MOST_CONTEXTS = 64


def _of_decimal(context: Any) -> Any:
    text = repr(context)
    found = _decimal_contexts.get(text)
    if found is None:
        if len(_decimal_contexts) >= _MOST_CONTEXTS:
            _decimal_contexts.clear()
        found = _decimal_contexts[text] = _read_context(context)
    return found


def _read_context(context: Any) -> Any:
    on = [
        [signal.__name__ for signal, is_on in signals.items() if is_on]
        for signals in (context.flags, context.traps)
    ]
    fields = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
    return {name: getattr(context, name) for name in fields}, *on


def _set_decimal(decimal: Any, value: Any) -> None:
    for context, one in zip(_contexts(decimal), value, strict=True):
        _fill_decimal(context, one)


def _fill_decimal(context: Any, value: Any) -> None:
    fields, flags, traps = value
    for name, one in fields.items():
        setattr(context, name, one)
    for signals, on in ((context.flags, flags), (context.traps, traps)):
        for signal in signals:
            signals[signal] = signal.__name__ in on


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


def _set_dialects(csv: Any, value: Any) -> None:
    now = _read_dialects(csv)
    for name in now.keys() - value.keys():
        csv.unregister_dialect(name)
    for name, formatting in value.items():
        if now.get(name) != formatting:
            csv.register_dialect(name, **formatting)


def _read_adapters(sqlite3: Any) -> Any:
    """The adapters of the program.

    Left out are those of the module itself, and those of other libraries that cannot be pickled:
    IPython has one for its history.
    """
    return [
        {key: one for key, one in found.items() if _is_the_programs(one)}
        for found in (sqlite3.adapters, sqlite3.converters)
    ]


def _is_the_programs(adapter: Any) -> bool:
    module = getattr(adapter, "__module__", None)
    if is_own_module(module):
        return True
    return not str(module).startswith("sqlite3") and serialization.why_not(adapter) is None


def _set_adapters(sqlite3: Any, value: Any) -> None:
    both = (sqlite3.adapters, sqlite3.converters)
    for own, wanted, now in zip(both, value, _read_adapters(sqlite3), strict=True):
        for key in now.keys() - wanted.keys():
            del own[key]
        own.update(wanted)


#: The MIME types when they were last sent, with their pickle.
_mime_types: tuple[list[Any], bytes] | None = None
_MIME_MAPS = ("types_map", "types_map_inv", "encodings_map", "suffix_map")


def _read_mime_types(mimetypes: Any) -> Any:
    """The pickled tables; None: not loaded yet, as they are read from files at the first use."""
    global _mime_types
    if mimetypes._db is None:
        return None
    now = [getattr(mimetypes._db, name) for name in _MIME_MAPS]
    if _mime_types is None or _mime_types[0] != now:
        data = serialization.dumps(now)  # half a millisecond, for 65 kB
        _mime_types = serialization.loads(data), data
    return _mime_types[1]


def _set_mime_types(mimetypes: Any, value: Any) -> None:
    if value is None:
        return
    if mimetypes._db is None:
        mimetypes.init()
    for name, wanted in zip(_MIME_MAPS, serialization.loads(value), strict=True):
        own = getattr(mimetypes._db, name)
        pairs = zip(own, wanted, strict=True) if isinstance(own, tuple) else [(own, wanted)]
        for one, other in pairs:
            fill(one, other)


def _read_codes(copyreg: Any) -> Any:
    return dict(copyreg._extension_registry)


def _set_codes(copyreg: Any, value: Any) -> None:
    if copyreg._extension_registry != value:
        fill(copyreg._extension_registry, value)
        fill(copyreg._inverted_registry, {code: name for name, code in value.items()})
        copyreg._extension_cache.clear()


def _read_policy(asyncio: Any) -> Any:
    """The class of the program's policy, and what it holds; None: it is one of asyncio's own."""
    policy = getattr(asyncio.events, "_event_loop_policy", None)
    if policy is None or _is_asyncios(type(policy)):
        return None
    return type(policy), {key: one for key, one in vars(policy).items() if key not in _OF_THREADS}


def _is_asyncios(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "asyncio"


#: What a policy knows of the threads that have loops.
_OF_THREADS = frozenset({"_local", "_watcher"})


def _set_policy(asyncio: Any, value: Any) -> None:
    policy = None
    if value is not None:
        kind, attributes = value
        policy = kind.__new__(kind)
        for base in filter(_is_asyncios, kind.__mro__[::-1]):
            base.__init__(policy)
        vars(policy).update(attributes)
    elif _read_policy(asyncio) is None:
        return
    asyncio.events._event_loop_policy = policy


def _read_zones(zoneinfo: Any) -> Any:
    return list(zoneinfo.TZPATH)


def _set_zones(zoneinfo: Any, value: Any) -> None:
    if list(zoneinfo.TZPATH) != value:
        zoneinfo.reset_tzpath(value)
        zoneinfo.ZoneInfo.clear_cache()


def _read_repr(reprlib: Any) -> Any:
    return dict(vars(reprlib.aRepr))


def _set_repr(reprlib: Any, value: Any) -> None:
    vars(reprlib.aRepr).update(value)


def _read_numpy(numpy: Any) -> Any:
    options = {key: one for key, one in numpy.get_printoptions().items() if one is not None}
    return numpy.geterr(), numpy.geterrcall(), numpy.getbufsize(), options


def _set_numpy(numpy: Any, value: Any) -> None:
    errors, call, size, options = value
    numpy.seterr(**errors)
    numpy.seterrcall(call)
    set_if_other(numpy.getbufsize, numpy.setbufsize, size)
    if numpy.get_printoptions() != options:
        numpy.set_printoptions(**{"formatter": None, **options})


def _read_masked(core: Any) -> Any:
    option = core.masked_print_option
    return option.display(), option.enabled()


def _set_masked(core: Any, value: Any) -> None:
    display, enabled = value
    core.masked_print_option.set_display(display)
    core.masked_print_option.enable(enabled)


def _read_pandas(pandas: Any) -> Any:
    return pandas._config.config._global_config


def _set_pandas(pandas: Any, value: Any) -> None:
    """Set the options that differ, once all of pandas has registered its options."""
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
    """The parameters as stored: reading `backend` in another way would choose one."""
    parameters = dict(dict.items(matplotlib.rcParams))
    if not isinstance(parameters.get("backend"), str):
        parameters.pop("backend", None)
    return parameters


def _set_matplotlib(matplotlib: Any, value: Any) -> None:
    for name, one in value.items():
        dict.__setitem__(matplotlib.rcParams, name, one)


def _read_mpmath(mpmath: Any) -> Any:
    return [(one.prec, one.pretty) for one in (mpmath.mp, mpmath.iv)]


def _set_mpmath(mpmath: Any, value: Any) -> None:
    for context, (precision, pretty) in zip((mpmath.mp, mpmath.iv), value, strict=True):
        context.prec, context.pretty = precision, pretty


#: What is carried, in the order in which a worker takes it.
ENTRIES = (
    entry("decimal context", "decimal", (_read_decimal, _set_decimal)),
    entry("csv field size limit", "_csv", by("field_size_limit", "field_size_limit")),
    entry("socket timeout", "_socket", by("getdefaulttimeout", "setdefaulttimeout")),
    entry("first day of the week", "calendar", by("firstweekday", "setfirstweekday")),
    entry("CSV dialects", "csv", (_read_dialects, _set_dialects)),
    entry("files of MIME types", "mimetypes", of("knownfiles")),
    entry("MIME types", "mimetypes", (_read_mime_types, _set_mime_types)),
    entry("SQLite's adapters", "sqlite3", (_read_adapters, _set_adapters)),
    entry("archive formats", "shutil", registry("_ARCHIVE_FORMATS")),
    entry("formats to unpack", "shutil", registry("_UNPACK_FORMATS")),
    entry("pickle's codes of classes", "copyreg", (_read_codes, _set_codes)),
    entry("asyncio's policy", "asyncio", (_read_policy, _set_policy)),
    entry("folders of time zones", "zoneinfo", (_read_zones, _set_zones)),
    entry("forms of numbers", "locale", of("_override_localeconv")),
    entry("lengths of reprlib", "reprlib", (_read_repr, _set_repr)),
    entry("urllib's opener", "urllib.request", of("_opener")),
    entry("HTTPS contexts", "ssl", of("_create_default_https_context")),
    entry("XML namespaces", "xml.etree.ElementTree", registry("_namespace_map")),
    entry("NumPy errors and printing", "numpy", (_read_numpy, _set_numpy)),
    entry("text of masked values", "numpy.ma.core", (_read_masked, _set_masked)),
    entry("pandas options", "pandas", (_read_pandas, _set_pandas)),
    entry("matplotlib's rcParams", "matplotlib", (_read_matplotlib, _set_matplotlib)),
    entry("mpmath's precision", "mpmath", (_read_mpmath, _set_mpmath)),
)


# -- what a thread alone has ----------------------------------------------------------------


def _read_decimal_here(decimal: Any) -> Any:
    return _of_decimal(decimal.getcontext())


def _set_decimal_here(decimal: Any, value: Any) -> None:
    context = decimal.Context()  # another one, as that of the thread may be another task's too
    _fill_decimal(context, value)
    decimal.setcontext(context)


def _read_numpy_here(numpy: Any) -> Any:
    """None before NumPy 2: threads share how it prints."""
    return _read_numpy(numpy) if numpy.__version__[:2] != "1." else None


def _set_numpy_here(numpy: Any, value: Any) -> None:
    if value is not None and numpy.__version__[:2] != "1.":
        _set_numpy(numpy, value)


#: Of these, what each context has of its own, so that it can be set beside code of others.
OF_CONTEXT = (
    entry("decimal context", "decimal", (_read_decimal_here, _set_decimal_here)),
    entry("NumPy errors and printing", "numpy", (_read_numpy_here, _set_numpy_here)),
)
