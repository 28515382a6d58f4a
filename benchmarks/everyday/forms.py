"""Values and the state of a process as texts that can be compared across processes."""

import os
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

_ADDRESS = re.compile("0x[0-9a-fA-F]{6,}|fd=|[Pp]id")
MOST_CHARS = 400  # of a text that is kept to be shown; a checksum stands for the rest
MANY = 20_000  # entries of a container, beyond which only its ends are looked at
_CALLABLES = (FunctionType, MethodType, BuiltinFunctionType, staticmethod, classmethod, property)


def form(value: Any) -> str:
    """A value as a text: equal for equal values, whatever process they are in."""
    return _form(value, ())


def shortened(text: str) -> str:
    """The beginning of a long text and its checksum."""
    if len(text) <= MOST_CHARS:
        return text
    return f"{text[:MOST_CHARS]}... ({len(text)} chars, {zlib.crc32(text.encode()):08x})"


def _form(value: Any, above: tuple[int, ...]) -> str:
    kind = type(value)
    if value is None or kind in (bool, int, float, complex, str, bytes):
        return repr(value)
    if id(value) in above or len(above) > 12:
        return "(again)"
    inside = (*above, id(value))
    name = kind.__qualname__
    if isinstance(value, dict | Mapping) and kind.__module__ != "os":
        return f"{name}{{{_many(_pairs(value, inside))}}}"
    if isinstance(value, set | frozenset):
        return f"{name}{{{_many(sorted(_form(one, inside) for one in value))}}}"
    if isinstance(value, list | tuple) or name in ("deque", "array"):
        return f"{name}[{_many(_ends(value, inside))}]"
    if name in _LIBRARIES:
        return _LIBRARIES[name](value)
    if isinstance(value, BaseException):
        return f"{name}{_form(value.args, inside)}"
    if isinstance(value, (type, ModuleType, *_CALLABLES)):
        return f"<{getattr(value, '__name__', name)}>"
    return _form_of_object(value, inside)


def _pairs(value: Any, inside: tuple[int, ...]) -> Iterable[str]:
    if len(value) > MANY:
        return [f"{len(value)} entries"]
    return sorted(f"{_form(key, inside)}: {_form(one, inside)}" for key, one in value.items())


def _ends(value: Any, inside: tuple[int, ...]) -> Iterable[str]:
    if len(value) > MANY:
        return [f"{len(value)} entries", _form(value[0], inside), _form(value[-1], inside)]
    return [_form(one, inside) for one in value]


def _many(texts: Iterable[str]) -> str:
    return ", ".join(texts)


def _form_of_object(value: Any, inside: tuple[int, ...]) -> str:
    """An object by its attributes; what has none by what it calls itself, if that lasts."""
    name = type(value).__qualname__
    state = getattr(value, "__dict__", None)
    slots = [slot for cls in type(value).__mro__ for slot in _slots(cls) if hasattr(value, slot)]
    if type(value).__module__.partition(".")[0] in sys.stdlib_module_names and not isinstance(
        value, Exception
    ):
        text = repr(value)
        return f"<{name}>" if _ADDRESS.search(text) else text
    if state is None and not slots:
        text = repr(value)
        return f"<{name}>" if _ADDRESS.search(text) else text
    held = {**(state or {}), **{slot: getattr(value, slot) for slot in slots}}
    return f"{name}({_many(_pairs(held, inside))})"


def _slots(cls: type) -> tuple[str, ...]:
    slots = cls.__dict__.get("__slots__", ())
    named = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(one for one in named if one not in ("__dict__", "__weakref__"))


def _array(value: Any) -> str:
    if value.dtype.hasobject:
        return f"array{form(value.tolist())}"
    if value.size <= 32:
        return f"array({value.dtype}, {value.tolist()})"
    return f"array({value.dtype}, {value.shape}, {zlib.crc32(value.tobytes()):08x})"


def _element(value: Any) -> str:
    from xml.etree.ElementTree import tostring

    return repr(tostring(value))


_LIBRARIES: dict[str, Callable[[Any], str]] = {
    "ndarray": _array,
    "memmap": _array,
    "Element": _element,
    "DataFrame": lambda value: value.to_json(),
    "Series": lambda value: value.to_json(),
    "bytearray": repr,
    "memoryview": lambda value: repr(bytes(value)),
    "mappingproxy": lambda value: form(dict(value)),
    "TextIOWrapper": lambda value: f"<file {'closed' if value.closed else 'open'}>",
    "StringIO": lambda value: f"StringIO({'closed' if value.closed else value.getvalue()!r})",
    "BytesIO": lambda value: f"BytesIO({'closed' if value.closed else value.getvalue()!r})",
}


# -- the module of a case ------------------------------------------------------------------------


def module_state(module: ModuleType) -> dict[str, str]:
    """Globals, attributes of classes and of functions."""
    found = {}
    for name, value in tuple(vars(module).items()):
        if name.startswith("__") or isinstance(value, ModuleType):
            continue
        is_own = getattr(value, "__module__", None) == module.__name__
        if isinstance(value, type | FunctionType):
            if is_own:
                found |= _attributes(name, value)
        elif not callable(value) or is_own:
            found[f"global {name}"] = form(value)
    return found


def _attributes(owner: str, value: Any) -> dict[str, str]:
    return {
        f"global {owner}.{name}": form(one)
        for name, one in tuple(vars(value).items())
        if not name.startswith("_") and not isinstance(one, (*_CALLABLES, type))
        if not hasattr(type(one), "__get__") and name not in ("register", "registry", "dispatch")
    }


# -- the process ---------------------------------------------------------------------------------


def process_state(streams: tuple[Any, ...], folder: str) -> dict[str, str]:
    """What a program would notice of what its items have done to it."""
    facts = {name: form(look()) for name, look in _LOOKS.items()}
    facts["cwd"] = os.path.relpath(os.getcwd(), folder)
    now = (sys.stdin, sys.stdout, sys.stderr)
    facts["streams"] = str([a is b and not a.closed for a, b in zip(streams, now, strict=True)])
    for library in ("numpy", "pandas"):
        if library in sys.modules:
            facts[library] = form(_OF_LIBRARIES[library]())
    return {f"process {name}": text for name, text in facts.items()}


def _umask() -> str:
    with open("/proc/self/status") as status:
        return next(line.split()[1] for line in status if line.startswith("Umask"))


def _environ() -> dict[str, str]:
    """What has changed in the environment since this was imported."""
    ours = ("AMORSIZE_HOME", "PYTHONPATH", "PWD", "OLDPWD", "_", "TMPDIR")
    now = {name: value for name, value in os.environ.items() if name not in ours}
    names = {*now, *_AT_FIRST} - set(ours)
    return {name: now.get(name, "") for name in names if now.get(name) != _AT_FIRST.get(name)}


_AT_FIRST = dict(os.environ)


def _filters() -> list[str]:
    import warnings

    return [str(one) for one in warnings.filters] + [warnings.showwarning.__name__]


def _loggers() -> dict[str, Any]:
    import logging

    named = {"": logging.root, **logging.root.manager.loggerDict}
    return {
        "disabled below": logging.root.manager.disable,
        **{
            name: (one.level, one.propagate, one.disabled, _handlers(one))
            for name, one in named.items()
            if isinstance(one, logging.Logger) and (one.handlers or one.level or one.disabled)
        },
    }


def _handlers(logger: Any) -> list[tuple[str, str, int]]:
    return [
        (type(one).__name__, os.path.basename(getattr(one, "baseFilename", "")), one.level)
        for one in logger.handlers
    ]


def _signals() -> list[str]:
    import signal

    names = ("SIGINT", "SIGTERM", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGCHLD", "SIGPIPE")
    held = [form(signal.getsignal(getattr(signal, name))) for name in names]
    timer = signal.getitimer(signal.ITIMER_REAL)[0] > 0
    return [*held, str(timer), form(signal.pthread_sigmask(signal.SIG_BLOCK, ()))]


def _limits() -> list[Any]:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE), resource.getrlimit(resource.RLIMIT_CORE)
    return [limits, sorted(os.sched_getaffinity(0)), os.nice(0), os.getuid()]


def _interpreter() -> list[Any]:
    import gc

    return [
        *(sys.getrecursionlimit(), sys.get_int_max_str_digits(), sys.getswitchinterval()),
        *(sys.getprofile(), sys.gettrace(), gc.isenabled(), gc.get_threshold(), sys.argv[1:]),
        *(sys.excepthook, sys.displayhook, sys.dont_write_bytecode, len(sys.path)),
    ]


def _of_modules() -> list[Any]:
    """Settings that modules keep, where these have been imported."""
    import calendar
    import csv
    import decimal
    import locale
    import socket
    import tempfile
    import time

    context = decimal.getcontext()
    folder = tempfile.tempdir
    return [
        *(socket.getdefaulttimeout(), csv.field_size_limit(), sorted(csv.list_dialects())),
        *(locale.setlocale(locale.LC_ALL), time.tzname, calendar.firstweekday()),
        *(context.prec, context.rounding, [one for one, is_on in context.traps.items() if is_on]),
        *(folder and os.path.basename(folder), _prefixes(), _opener()),
    ]


def _prefixes() -> list[str]:
    """What was registered with ElementTree."""
    trees = sys.modules.get("xml.etree.ElementTree")
    known = {} if trees is None else trees.register_namespace._namespace_map
    return sorted(set(known.values()) - {"xml", "html", "rdf", "wsdl", "xs", "xsi", "dc"})


def _opener() -> str:
    """What was installed with urllib, by its name."""
    opener = getattr(sys.modules.get("urllib.request"), "_opener", None)
    return type(opener).__name__ + str(getattr(opener, "addheaders", ""))


_LOOKS: dict[str, Callable[[], Any]] = {
    "umask": _umask,
    "environ": _environ,
    "warnings": _filters,
    "loggers": _loggers,
    "signals": _signals,
    "limits": _limits,
    "interpreter": _interpreter,
    "modules": _of_modules,
}
_OF_LIBRARIES: dict[str, Callable[[], Any]] = {
    "numpy": lambda: (sys.modules["numpy"].geterr(), sys.modules["numpy"].get_printoptions()),
    "pandas": lambda: (sys.modules["pandas"].get_option("display.precision"),),
}


# -- files ---------------------------------------------------------------------------------------

# Their bytes are not what counts: cases tell their content themselves.
LOOKED_INTO = re.compile(r"[.](db|zip|gz|bz2|tar|pyc|npz)\b")


def files(folder: str, is_shared: Callable[[str], bool]) -> dict[str, str]:
    """Every file under a folder with its content; of shared ones the lines in order."""
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(path, name)
            relative = os.path.relpath(full, folder)
            if not os.path.isfile(full):
                found[f"file {relative}"] = "no plain file"
            elif not LOOKED_INTO.search(name):
                found[f"file {relative}"] = _content(full, is_shared(relative))
    return found


def _content(path: str, is_shared: bool) -> str:
    with open(path, "rb") as stream:
        content = stream.read()
    if is_shared:
        content = b"\n".join(sorted(content.split(b"\n")))
    mode = os.stat(path).st_mode & 0o777
    return shortened(f"{mode:o} {content!r}")
