"""What the calls of a function reach beyond their own item.

One walk over the code, closures, globals, bound objects and first items answers two questions: what
would several threads share, and what would a worker process have a copy of, or lose.
"""

from __future__ import annotations

import sys

from amorsize._function.callable_walk import (
    ATTRIBUTE,
    BUILTIN,
    CLOSURE,
    DEFAULT,
    FUNC,
    GLOBAL,
    IMPORT,
    MEMBER,
    WRAPPED,
    Walk,
    attribute,
    end_of,
    held,
    layers,
    opened,
    reads,
    resolved,
)
from amorsize._function.callables import (
    FUNCTION,
    METHOD,
    MISSING,
    MODULE,
    cells,
    defaults,
    is_own_class,
    is_own_function,
    is_own_module,
    is_partial,
    member,
    own,
    plain,
    raw,
    type_name,
)
from amorsize._function.mutations import CHANGING, Reader, with_arguments
from amorsize._function.object_contents import (
    CONTAINERS,
    MAX_DEPTH,
    MAX_ELEMENTS,
    brought,
    cached_values,
    is_container,
    is_frozen,
    is_simple,
    is_standard_stream,
    is_trusted,
    parts,
    state,
)
from amorsize._function.shareable_values import PLAIN, is_shareable
from amorsize._function.value_flow import ELEMENT
from amorsize._host.signals import let_through
from amorsize.policy.value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import CodeType, FunctionType
    from typing import Any

    from amorsize._function.mutations import Change

MAX_EXAMINED = 300  # functions and classes of the project; beyond, the rest is not looked at: 30 ms
MAX_LIBRARY = 60  # functions of libraries that are read; most are known by name instead
MAX_ITEMS = 1000  # of a tuple of values that have to be judged one by one
MAX_PLAIN_ITEMS = 100_000  # of a tuple of numbers and texts, 3 ms
MAX_HELD = 400  # objects looked into for handles

_BUILTINS: Any = (type(len), type("".__add__))
_DESCRIPTORS: Any = (type(str.upper), type(str.__add__), type(dict.__dict__["fromkeys"]))
_READ_ONLY_VIEW: Any = type(type.__dict__)
_SWITCHING = frozenset(("set", "clear"))
_SETS = {"signal.signal", "decimal.setcontext"}  # what is there until it is set again
_CACHED_PROPERTY = "functools.cached_property"
_WRAPPERS = ("functools._lru_cache_wrapper", "builtins.staticmethod")
ON_DESCRIPTORS = {
    f"os.{n}" for n in ("read", "write", "readv", "writev", "lseek", "sendfile", "dup")
}
# Harmless to what they are called on; but it has another number in a new interpreter, or none.
AT_DESCRIPTORS = {
    *("os.pread", "os.preadv", "os.pwrite", "os.pwritev", "os.fstat", "os.ftruncate", "os.fsync"),
    *("os.fdatasync", "os.fchmod", "os.isatty", "os.fdopen", "os.fstatvfs", "os.posix_fadvise"),
    *("fcntl.fcntl", "fcntl.flock", "fcntl.lockf", "fcntl.ioctl", "mmap.mmap"),
}
# Given a number, these take it for a descriptor.
_TAKES_DESCRIPTORS = {
    *(ON_DESCRIPTORS | AT_DESCRIPTORS),
    *("builtins.open", "io.open", "_io.open", "io.FileIO", "_io.FileIO", "os.stat", "os.listdir"),
    *("os.scandir", "os.truncate", "os.utime", "os.chmod", "os.ttyname", "os.get_terminal_size"),
    *("os.readlink", "genericpath.getsize", "genericpath.exists", "select.select", "socket.fromfd"),
}
_PATHS_BY_NUMBER = ("/proc/self/fd", "/dev/fd")
_OPENING = {"open", "pipe", "pipe2", "mkstemp", "memfd_create", "socketpair", "openpty", "fileno"}
WATCHED_FOR = {"os.getpid"}  # harmless, but in names of files: these are seen when one is watched
# Modules of which much is done once: files and programs, the network, databases.
_TOUCHING = {
    *("os", "io", "shutil", "subprocess", "pathlib", "tempfile", "socket", "ssl", "urllib", "http"),
    *("smtplib", "ftplib", "sqlite3", "requests", "httpx", "aiohttp", "urllib3", "boto3"),
    *("botocore", "paramiko", "redis", "pymongo", "psycopg", "psycopg2", "pymysql", "sqlalchemy"),
}
# Packages that talk to services: of these, connections are what there is a limited number of.
_NETWORK = {
    *("socket", "_socket", "ssl", "urllib", "http", "smtplib", "ftplib", "imaplib", "poplib"),
    *("xmlrpc", "requests", "httpx", "aiohttp", "urllib3", "httplib2", "pycurl", "boto3"),
    *("botocore", "google", "azure", "grpc", "paramiko", "redis", "pymongo", "psycopg"),
    *("psycopg2", "psycopg_pool", "pymysql", "MySQLdb", "mysql", "oracledb", "cx_Oracle"),
    *("pyodbc", "sqlalchemy", "ldap3", "pika", "kafka", "elasticsearch", "cassandra"),
    *("websockets", "websocket", "openai", "anthropic", "django"),
}
_OPENERS = {"builtins.open"}
# Functions that give an open file or connection; classes of such are known by what they make.
_OPENING_FUNCTIONS = {
    *("io.open", "_io.open", "gzip.open", "bz2.open", "lzma.open", "codecs.open", "os.popen"),
    *("sqlite3.connect", "_sqlite3.connect", "socket.create_connection", "urllib.request.urlopen"),
    *("tempfile.NamedTemporaryFile", "tempfile.TemporaryFile", "shelve.open", "tarfile.open"),
}
_BACK_DOORS = {"globals", "setattr", "delattr", "exec", "eval"}  # builtins that change what is told
_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE: most classes written in Python have it


class Reach(Value):
    """What the calls of a function have in common, in words for messages.

    `shared` names what it reads that can change, and its type: "global CACHE (dict)".
    `calls` names what no two threads may do at once: "os.chdir, which changes the folder".
    `bound` names what only the caller can do: "input, which reads what is typed".
    `stores` names what they assign that outlives the call, and that a worker process would lose:
    "global total", "global CACHE[...]", "closure seen.append()", "self.total".
    `copies` names what must not be there twice, in worker processes: "global LOG (TextIOWrapper)".
    `unread` names what reading could not settle: an item has to be watched.
    `draws` names the process-wide random generators that items draw from.
    """

    shared: tuple[str, ...]
    stores: tuple[str, ...]
    copies: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    bound: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    draws: tuple[str, ...] = ()
    touches: bool = False  # it writes, sends or starts something, perhaps to be done but once
    connects: bool = False  # it names what talks to services
    alters: dict[str, str] = {}  # noqa: RUF012 - of the process, by its own calls: these, and how
    changed: tuple[str, ...] = ()  # what it changes, and may share with worker processes on purpose
    at_descriptors: tuple[
        str, ...
    ] = ()  # what it calls with numbers of descriptors of the caller's

    @property
    def thread_safe(self) -> bool:
        """Nothing that changes is shared, so calls may run in several threads at once."""
        return not self.shared and not self.stores and not self.calls


class Objects(Value):
    """What was found on the way, itself, by the names used in messages."""

    generators: dict[str, Any] = {}  # noqa: RUF012 - random ones that belong to no module
    locks: dict[str, Any] = {}  # noqa: RUF012 - of threads
    mutables: dict[str, Any] = {}  # noqa: RUF012 - containers and instances that items may change
    handles: dict[str, Any] = {}  # noqa: RUF012 - open files, connections and the like


def reach(func: Callable[..., object]) -> Reach:
    """Examine a function, and the functions and classes that it leads to.

    `thread_safe` errs towards no: whatever is not known to be safe counts as shared, be it only
    read. `stores` errs the other way, since it makes a warning: a store is listed where the
    bytecode shows it plainly and the target is known to live in this process alone. Never raises.
    """
    return examine(func)[0]


def examine(func: Callable[..., object], items: Sequence[object] = ()) -> tuple[Reach, Objects]:
    """The same with what was found itself, and with what the first items bring along.

    A function whose names stand for the same as at the last look, and that led to no object, is
    not examined again: 10 us.
    """
    are_plain = all(type(item) in PLAIN for item in items)
    if are_plain and (known := _known_reach(func)) is not None:
        return known, Objects()
    survey = _Survey()
    try:
        survey.examine(func, items)
    except Exception as error:  # whatever attributes of an odd object may raise
        let_through(error)
        what = f"what could not be examined ({type(error).__name__})"
        survey.shared[what] = survey.unread[what] = None
    reach, objects = survey.reach(), survey.objects()
    if are_plain and not reach.unread and not survey.has_cache and objects == Objects():
        _remember_reach(func, reach, survey.read)
    return reach, objects


MAX_KNOWN = 1024  # functions
_known_reaches: dict[int, tuple[Any, Reach, list[tuple[Any, tuple[int, ...]]]]] = {}


def _known_reach(func: Any) -> Reach | None:
    """What the last look has found, if everything that was read then is still the same."""
    known = _known_reaches.get(id(func))
    if known is None or known[0]() is not func:
        return None
    for reference, seen in known[2]:
        if (read := reference()) is None or _seen_by(read) != seen:
            del _known_reaches[id(func)]
            return None
    return known[1]


def _remember_reach(func: Any, reach: Reach, read: list[FunctionType]) -> None:
    """Keep what was found; nothing that belongs to the user is kept alive by that."""
    if type(func) is not FUNCTION:
        return
    from _weakref import ref

    if len(_known_reaches) >= MAX_KNOWN:
        _known_reaches.clear()
    _known_reaches[id(func)] = ref(func), reach, [(ref(one), _seen_by(one)) for one in read]


def _seen_by(func: FunctionType) -> tuple[int, ...]:
    """What the names in a function's code stand for now, by identity."""
    found = [id(func.__defaults__), id(func.__kwdefaults__), id(func.__code__)]
    for _, _, value, attributes in reads(func):
        found.append(id(end_of(value, attributes, is_own_module)[0]))
    return tuple(found)


def _top_of(value: Any, kind: type) -> str:
    """The package that a value comes from; an instance from that of its class."""
    if kind is MODULE:
        name = value.__name__
    elif kind is FUNCTION or issubclass(kind, (type, *_BUILTINS)):
        name = value.__module__
    else:
        name = kind.__module__
    return name.partition(".")[0] if isinstance(name, str) else ""


class _Owns:
    """Whether code is the project's, or that of the package which the function comes from."""

    home: Any = MISSING  # the top package of the mapped function: own, wherever it lies

    def __call__(self, value: Any) -> bool:
        """Is it a function or class of the project's?"""
        value = raw(value)
        if type(value) is FUNCTION:
            return self.function(value)
        return isinstance(value, type) and self.class_(value)

    def function(self, func: FunctionType) -> bool:
        return is_own_function(func) or self._is_home(func.__globals__.get("__name__"))

    def class_(self, cls: type) -> bool:
        return is_own_class(cls) or self._is_home(cls.__module__)

    def module(self, name: object) -> bool:
        return is_own_module(name) or self._is_home(name)

    def _is_home(self, module: object) -> bool:
        return isinstance(module, str) and module.partition(".")[0] == self.home


class _Survey:
    """One look at everything a function leads to, each thing once."""

    def __init__(self) -> None:
        self.shared: dict[str, None] = {}
        self.copies: dict[str, None] = {}
        self.calls: dict[str, None] = {}
        self.bound: dict[str, None] = {}
        self.unread: dict[str, None] = {}
        self.draws: dict[str, None] = {}
        self.changed: dict[str, None] = {}
        self.alters: dict[str, str] = {}
        self.touches = self.connects = False
        self._changes_items = self._changes_elements = False
        self._owns = _Owns()
        self._reader = Reader(self._owns)  # not with a method of this: that would be a cycle
        self._stores: dict[tuple[str, str], None] = {}  # the method it is in, and what it says
        self._names: dict[str, None] = {}  # in all code examined
        # Functions, by what they are bound to and their name where they were found in a class.
        self._walk = Walk(MAX_EXAMINED + 1)
        self._held: dict[int, Any] = {}  # objects that were looked into for handles
        self._found: dict[str, dict[int, tuple[str, Any]]] = {n: {} for n in Objects._fields}
        self._on_descriptors: dict[str, None] = {}
        self._at_descriptors: dict[str, None] = {}
        self._at_numbers: dict[str, None] = {}  # and the number is the caller's
        self._of_types: set[str] = set()  # attributes that code which names `type` assigns
        self._n_library = 0
        self.read: list[FunctionType] = []  # functions whose code was read
        self._read_as: dict[tuple[str, FunctionType], None] = {}  # and their names in classes
        self.has_cache = False  # an lru_cache, which may keep other objects the next time

    def examine(self, func: Any, items: Sequence[object]) -> None:
        """Follow everything from this function on."""
        self._owns.home = _top_package(func)
        self._judge(func, "")
        whole = func = raw(func)
        called = plain(member(type(func), "__call__"))
        if type(called) is FUNCTION:  # an object that is called, and the call's `self`
            self._lead_to(called, func)
        self._judge_first_items(items)
        for one, (owner, method) in self._walk:
            self._examine_function(one, owner, method)
        if self._walk.is_cut:
            what = f"more than {MAX_EXAMINED} functions and classes of the project"
            self.shared[what] = self.unread[what] = None
            return
        self._judge_descriptors()
        self._judge_stores_of_types()
        self._judge_changes_of_arguments(whole)
        named = self._named_from(whole)
        self._judge_changes_of_objects(named)
        self._judge_changes_of_items(items, named)

    def _lead_to(self, func: FunctionType, owner: Any = MISSING, method: str = "") -> None:
        """Examine this function as well; MISSING: nobody knows what it is bound to."""
        self._walk.beside(func, (owner, method), per=(id(owner), method))

    def reach(self) -> Reach:
        """What was found, in words."""
        stores = self._stored()
        return Reach(
            shared=tuple(self.shared),
            stores=stores,
            copies=tuple(self.copies),
            calls=tuple(self.calls),
            bound=tuple(self.bound),
            unread=tuple(self.unread),
            draws=tuple(self.draws),
            touches=self.touches,
            connects=self.connects,
            alters=self.alters,
            changed=tuple(self.changed),
            at_descriptors=tuple({**self._at_numbers, **self._at_descriptors}),
        )

    def objects(self) -> Objects:
        """What was found, itself."""
        return Objects(**{name: dict(found.values()) for name, found in self._found.items()})

    def _stored(self) -> tuple[str, ...]:
        """What was seen stored. By a method that nobody names it may never be: that is shared."""
        found: dict[str, None] = {}
        perhaps: dict[str, str] = {}
        for method, store in self._stores:
            if not method or method.startswith("__") or method in self._names:
                found[store] = None
            else:
                perhaps[store] = method
        for store in [store for store in perhaps if store not in found]:
            what = f"{store} (stored to in {perhaps[store]})"
            self.shared[what] = self.unread[what] = None
        return tuple(found)

    def _refuse_all(self, what: str) -> None:
        self.shared[what] = self.copies[what] = None

    def _keep(self, kind: str, value: Any, label: str) -> None:
        self._found[kind].setdefault(id(value), (label or "self", value))

    # -- whose code it is -----------------------------------------------------------------------

    def _owns_function(self, func: FunctionType) -> bool:
        return self._owns.function(func)

    def _owns_class(self, cls: type) -> bool:
        return self._owns.class_(cls)

    def _owns_module(self, name: object) -> bool:
        return self._owns.module(name)

    # -- values -----------------------------------------------------------------------------

    def _judge(self, value: Any, label: str) -> bool:
        """Note all that is shared through a value; False if the value itself may not be."""
        if type(value) in PLAIN:
            return True
        value = raw(value)
        kind = type(value)
        self.connects = self.connects or _top_of(value, kind) in _NETWORK
        if kind is MODULE:
            return True
        if is_partial(value):
            return self._judge_partial(value, label)
        if type_name(value) in _WRAPPERS:
            return self._judge_cached(value, label)
        if kind is METHOD or issubclass(kind, _BUILTINS):
            return self._judge_method(value, label)
        if kind is not FUNCTION and not isinstance(value, type) and kind not in _DESCRIPTORS:
            return self._judge_instance(value, kind, label)
        if not self._owns(value) and self._is_known_call(value):
            return True
        if kind is FUNCTION:
            self._lead_to(value)
        elif isinstance(value, type):
            self._judge_class(value)
        return True

    def _is_known_call(self, value: Any) -> bool:
        """Note what calling it does, if the table of library functions tells."""
        if not callable(value):
            return False
        from amorsize._function.library_effects import effect_of

        effect = effect_of(value)
        if effect is None:
            return False
        name = _call_name(value) if effect.name.endswith("*") else effect.name
        what = f"{name}, which {effect.why}"
        if effect.what == "draws":
            self.draws[name] = self.calls[what] = None
        elif effect.what == "caller":
            self.calls[what] = self.bound[what] = None
        elif effect.what == "safe":
            self._note_descriptor(_call_name(value).replace("posix.", "os."))
            top = effect.name.partition(".")[0]
            is_of_paths = effect.name.startswith("os.path.")
            self.touches |= (top in _TOUCHING and not is_of_paths) or effect.name in _OPENERS
        else:  # what it does to the process has to be seen undone
            self.calls[what] = self.unread[what] = None
        return True

    def _judge_instance(self, value: Any, kind: type, label: str) -> bool:
        if self._owns_class(kind):
            self._judge_class(kind)
        if issubclass(kind, tuple | frozenset):
            return self._judge_items([*value, *state(value).values()], label)
        if kind is _READ_ONLY_VIEW:
            return self._judge_items([*value, *value.values()], label)
        if (safe := self._judge_holding(value, kind, label)) is not None:
            return safe
        if is_shareable(value) or is_trusted(value):
            self._is_known_call(value)
            return self._judge_enum_value(value, label)
        if is_frozen(kind):
            fields = kind.__dataclass_fields__  # type: ignore[attr-defined]
            return self._judge_items([getattr(value, name) for name in fields], label)
        self._share_object(value, kind, label)
        return False

    def _share_object(self, value: Any, kind: type, label: str) -> None:
        self.shared[f"{label or 'self'} ({kind.__name__})"] = None
        self._keep("mutables", value, label)
        self._look_inside(value, label or "self", 0)

    def _judge_enum_value(self, value: Any, label: str) -> bool:
        enum = sys.modules.get("enum")
        if enum is None or not isinstance(value, enum.Enum):
            return True
        return self._judge(value._value_, f"value of {label}")

    def _judge_holding(self, value: Any, kind: type, label: str) -> bool | None:
        """What is known of a value by its type; None: nothing."""
        from amorsize._function.library_effects import holding_of

        holding = holding_of(kind)
        if holding is None:
            return None
        named = f"{label or 'self'} ({kind.__name__})"
        match holding.what:
            case "safe":
                self._judge_handlers(value)
                return True
            case "lock" | "rlock" | "queue":
                self.copies[named] = None
                self._keep("mutables" if holding.what == "queue" else "locks", value, label)
                return True
            case "local":
                return self._judge_local(value, named, label)
            case "generator":
                self.shared[named] = None
                self._keep("generators", value, label)
            case "handle":
                if is_standard_stream(value):
                    self.shared[named] = None
                    return False
                self.copies[named] = None
                self._keep("handles", value, label)
                if holding.threads:
                    return True
                self.shared[named] = None
            case "iterator":
                self._refuse_all(named)
            case _:
                if is_shareable(value):  # an array that nobody can write to
                    return True
                self._share_object(value, kind, label)
        return False

    def _judge_handlers(self, value: Any) -> None:
        """A log file that begins anew at some size has other lines in it in another order."""
        while type_name(value).startswith("logging.") and hasattr(value, "handlers"):
            for handler in value.handlers:
                if getattr(handler, "maxBytes", 0):
                    self.shared[f"the order of lines ({type(handler).__name__})"] = None
            value = value.parent if value.propagate else None

    def _judge_local(self, value: Any, named: str, label: str) -> bool:
        """A variable of the thread's or of the context's own."""
        if type_name(value) == "_contextvars.ContextVar":
            try:
                current = value.get()
            except LookupError:
                return True
            return self._judge(current, f"value of {label}")
        self.shared[named] = self.unread[named] = None
        self._keep("mutables", value, label)  # made once it may be, but not changed by each item
        self._look_inside(state(value), label, 0)
        return False

    def _judge_cached(self, value: Any, label: str) -> bool:
        """A cache may be used by threads; what it gives to several items is shared by them."""
        safe = self._judge(value.__wrapped__, label)
        if type_name(value) != "functools._lru_cache_wrapper":
            return safe
        import gc

        self.has_cache = True
        own = (value.__wrapped__, value.__dict__)
        kept = [one for one in gc.get_referents(value) if all(one is not part for part in own)]
        values = [one for part in kept for one in cached_values(part)]
        if not value.cache_info().currsize:
            what = f"{label or 'self'} (what it will cache)"
            self.shared[what] = self.unread[what] = None
        for one in values[:MAX_ELEMENTS]:
            safe &= self._judge(one, f"kept by {label}")
        return safe

    def _judge_items(self, items: list[Any], label: str) -> bool:
        if len(items) <= MAX_PLAIN_ITEMS and PLAIN.issuperset(map(type, items)):
            return True
        if len(items) > MAX_ITEMS:
            what = f"{label or 'self'} (over {MAX_ITEMS} values)"
            self.shared[what] = self.unread[what] = None
            return False
        safe = True
        for item in items:
            safe &= self._judge(item, label if label.startswith("in ") else f"in {label or 'self'}")
        return safe

    def _judge_method(self, method: Any, label: str) -> bool:
        """A bound method: what it is bound to, and what it runs."""
        owner = method.__self__
        is_known = (type(method) is not METHOD or not self._owns(method.__func__)) and (
            self._is_known_call(method)
        )
        if owner is None or type(owner) is MODULE or is_trusted(method):
            return is_known or self._judge_builtin(method)
        if type(method) is METHOD and not is_known:
            self._judge_bound(raw(method.__func__), owner)
        of = f" of {method.__name__}" if type(method) is not METHOD else ""
        if label and of and method.__name__ in CHANGING and is_container(owner):
            self._stores["", f"{label}()"] = None
        return self._judge(owner, f"self{of} in {label}" if label else f"self{of}")

    def _judge_builtin(self, func: Any) -> bool:
        """A function written in C that the table does not know: it cannot be read."""
        name = _call_name(func).replace("posix.", "os.")
        what = f"{name}, which cannot be read"
        self.unread[what] = None
        self._note_descriptor(name)
        if name in ON_DESCRIPTORS:
            self._on_descriptors[name] = None
        elif name not in WATCHED_FOR:
            self.calls[what] = None
            return False
        return True

    def _note_descriptor(self, name: str) -> None:
        if name in AT_DESCRIPTORS:
            self._at_descriptors[name] = None

    def _judge_descriptors(self) -> None:
        """Numbers of descriptors are harmless where the item has opened these itself."""
        if not _OPENING.isdisjoint(self._names):
            self._at_descriptors.clear()
            return
        for name in self._on_descriptors:
            what = f"{name} on a descriptor that it has not opened"
            self.calls[what] = self.bound[what] = self._at_descriptors[name] = None

    def _judge_bound(self, func: Any, owner: Any) -> None:
        if type(func) is FUNCTION:
            self._lead_to(func, owner)
        else:
            self._judge(func, "method")

    def _judge_stores_of_types(self) -> None:
        """Where code assigns an attribute by the name of one that a class of the project has."""
        classes = [one for one in self._walk.met if isinstance(one, type)]
        for cls in classes:
            for name in self._of_types & vars(cls).keys():
                if not hasattr(type(vars(cls)[name]), "__get__"):
                    self._stores["", f"class {cls.__name__}.{name}"] = None

    def _judge_partial(self, func: Any, label: str) -> bool:
        safe = True
        for way, name, value in held(func):
            safe &= self._judge(value, label if way == FUNC else f"partial argument {name}")
        if label:  # called by the mapped function, which is judged with its own arguments
            self._judge_changes_of_arguments(func)
            is_changing = type(func.func) in _DESCRIPTORS and func.func.__name__ in CHANGING
            if is_changing and func.args and is_container(func.args[0]):
                self._stores["", f"{label}()"] = None
        return safe

    # -- what lies inside objects -----------------------------------------------------------

    def _look_inside(self, value: Any, label: str, depth: int) -> None:
        """Find the handles, locks, iterators and generators that an object holds."""
        if id(value) in self._held:
            return
        if len(self._held) >= MAX_HELD or depth > MAX_DEPTH:
            self.unread[f"{label} (too large to look into)"] = None
            return
        self._held[id(value)] = value
        is_own = self._owns_class(type(value)) or type(value) in CONTAINERS
        for name, part in parts(value):
            kind = type(part)
            if kind in PLAIN or kind is MODULE:
                continue
            inner = f"{label}{name}"
            if kind is FUNCTION or kind is METHOD or isinstance(part, type) or is_partial(part):
                if is_own:
                    self._judge(part, inner)
            else:
                self._look_at_part(part, kind, inner, depth, is_own)

    def _look_at_part(self, part: Any, kind: type, label: str, depth: int, is_own: bool) -> None:
        from amorsize._function.library_effects import holding_of

        holding = holding_of(kind)
        what = None if holding is None else holding.what
        if what in ("lock", "rlock") and not is_own:
            return  # it guards what its library keeps in this process
        if what not in (None, "mutable", "safe"):
            self._judge_holding(part, kind, label)
            return
        if what == "safe" or is_shareable(part):
            return
        if self._owns_class(kind):
            self._judge_class(kind)
        if what == "mutable" or kind.__flags__ & _HEAP_TYPE or issubclass(kind, tuple):
            if not issubclass(kind, tuple):
                self._keep("mutables", part, label)
            self._look_inside(part, label, depth + 1)

    def _judge_first_items(self, items: Sequence[object]) -> None:
        """What the first items bring along: what both of them hold is shared by all."""
        by_id = [brought(item) for item in items[:2]]
        for item in items[:2]:
            self._look_at_item(item)
        if len(by_id) == 2:
            for key in by_id[0].keys() & by_id[1].keys():
                value = by_id[0][key]
                self._judge(value, f"items share one {type(value).__name__}: item")

    def _look_at_item(self, item: Any) -> None:
        kind = type(item)
        if kind in PLAIN or (kind is tuple and PLAIN.issuperset(map(type, item))):
            return
        from amorsize._function.library_effects import holding_of

        if kind is FUNCTION or kind is METHOD:
            self._lead_to(raw(own(item, "__func__", item)))
        elif self._owns_class(kind):
            self._judge_class(kind)
        for part in (item, *brought(item).values()):
            holding = holding_of(type(part))
            if holding is not None and holding.what in ("handle", "iterator", "queue", "lock"):
                self.copies[f"item ({type(part).__name__})"] = None
        if not is_shareable(item):
            self.unread[f"items ({kind.__name__}) may be changed in place"] = None

    # -- classes and modules ----------------------------------------------------------------

    def _judge_class(self, cls: type) -> None:
        """What methods of an own class lead to, and the class's data that they name."""
        if not self._walk.meets(cls):
            return
        names: dict[str, None] = {}
        if self._owns_class(type(cls)):
            self._judge_class(type(cls))
        for base in cls.__mro__:
            if self._owns_class(base):
                for way, name, value in held(base):
                    if way == MEMBER:
                        names |= self._open_method(name, value, cls)
        self._judge_members(cls, names)
        if not self._owns_class(cls):
            self._judge_library_class(cls)

    def _judge_library_class(self, cls: type) -> None:
        """What making an instance of a library's class runs, where that can be read."""
        made = [opened(member(cls, name)) for name in ("__new__", "__init__")]
        for func in made:
            if type(func) is FUNCTION:
                self._lead_to(func)
        if cls.__module__.partition(".")[0] in sys.stdlib_module_names:
            return
        if not any(type(func) is FUNCTION for func in made) and not is_simple(cls):
            what = f"{cls.__module__}.{cls.__qualname__}, which cannot be read"
            self.calls[what] = self.unread[what] = None

    def _open_method(self, name: str, found: Any, cls: type) -> dict[str, None]:
        """Set out to examine what a class holds, if it is a function; the names in its code."""
        from amorsize._function import bytecode

        func = opened(found)
        if type_name(func) == _CACHED_PROPERTY:
            func = func.func
        if type(func) is not FUNCTION or not self._owns_function(func):
            return {}
        takes_class = type(found) is classmethod or name in ("__new__", "__init_subclass__")
        self._lead_to(func, cls if takes_class else MISSING, name)
        return bytecode.names(func.__code__)

    def _judge_members(self, owner: Any, names: Iterable[str]) -> None:
        """Judge the data that a class or a module holds under these names."""
        kind = "class" if isinstance(owner, type) else "module"
        for name in names:
            found = member(owner, name)
            if found is MISSING or name.startswith("__"):
                continue
            if type(found) is MODULE:
                self._judge_module(found, names)
            elif kind == "module" or not hasattr(type(found), "__get__"):
                self._judge(found, f"{kind} {owner.__name__}.{name}")

    def _judge_module(self, module: Any, names: Iterable[str]) -> None:
        """A module whose attributes are taken off it where the bytecode does not show which."""
        if not self._walk.meets(module, per=tuple(names)):
            return
        if self._owns_module(module.__name__):
            self._judge_members(module, names)
            return
        for name in names:
            found = member(module, name)
            if callable(found):
                self._judge(found, f"{module.__name__}.{name}")

    # -- functions --------------------------------------------------------------------------

    def _examine_function(self, func: FunctionType, owner: Any, method: str) -> None:
        """Look into a function; `owner` is what it is bound to, MISSING if nothing is known."""
        from amorsize._function import bytecode

        self.read.append(func)
        is_own = self._owns_function(func)
        if is_own:
            self._read_as[method, func] = None
        for way, name, value in held(func):
            if way == WRAPPED:
                self._judge(value, "wrapped")
            elif is_own and way == DEFAULT:
                self._judge(value, f"default {name}")
            elif is_own and way == ATTRIBUTE:
                self._judge(value, f"attribute {func.__name__}.{name}")
        if not is_own:
            self._examine_library(func)
            return
        self._names |= bytecode.names(func.__code__)
        self._examine_loads(func)
        self._examine_changes(func, owner, method)
        self._examine_numbers(func, owner)
        self._examine_returns(func)

    def _examine_library(self, func: FunctionType) -> None:
        """A library's function: what it calls, and what it keeps in globals."""
        from amorsize._function import bytecode

        closure = [(name, value) for way, name, value in held(func) if way == CLOSURE]
        if any(self._owns(value) for _, value in closure):
            for name, value in closure:
                self._judge(value, f"closure {name}")
        if self._n_library >= MAX_LIBRARY:
            what = f"more than {MAX_LIBRARY} functions of libraries"
            self.calls[what] = self.unread[what] = None
            return
        self._n_library += 1
        if bytecode.may_store_to_globals(func.__code__):
            for space, name, steps in self._reader.flow(func).stores:
                holder = func.__globals__.get(name, MISSING)
                if space == GLOBAL and (
                    not steps or (steps == (ELEMENT,) and is_container(holder))
                ):
                    self._see_library_state(func, name)
        for _, name, value, attributes in reads(func):
            value, taken = end_of(value, attributes, self._owns_module)
            if value is MISSING or type(value) is MODULE:
                continue
            rest = attributes[taken:]
            if rest and rest[0] in CHANGING and is_container(value):
                self._see_library_state(func, name)
            if callable(value):
                self._judge_library_call(value, rest)
            else:
                self._look_at_part(value, type(value), f"{func.__module__}.{name}", 0, False)

    def _see_library_state(self, func: FunctionType, name: str) -> None:
        """A library that keeps something in a global: set by one item, it is read by another."""
        what = f"{func.__module__}.{name}, which {func.__name__}() changes"
        self.shared[what] = self.unread[what] = None

    def _judge_library_call(self, value: Any, attributes: tuple[str, ...]) -> None:
        """What a library's function calls: known by name, read, or not to be read."""
        if self._is_known_call(attribute(value, attributes)) or self._is_known_call(value):
            return
        value = raw(value)
        if type(value) is FUNCTION:
            self._lead_to(value)
        elif isinstance(value, type):
            self._judge_class(value)
        elif issubclass(type(value), _BUILTINS):
            self._judge_builtin(value)

    def _examine_loads(self, func: FunctionType) -> None:
        for space, name, value, attributes in reads(func):
            if space == IMPORT:
                self._import(func, name, value, attributes)
            elif value is print:
                self.calls["print, whose lines would come in another order"] = None
            elif value is getattr:
                self.unread["what getattr() finds"] = None
            elif space == BUILTIN and name in _BACK_DOORS:
                what = f"what {name}() changes (builtin)"
                self.shared[what] = self.unread[what] = None
                self._keep("mutables", func.__globals__, "the module's globals")
            elif value is not MISSING:
                where = GLOBAL if space == BUILTIN else space
                self._follow(value, f"{where} {name}", attributes, func.__code__)

    def _import(self, func: FunctionType, name: str, module: Any, taken: tuple[str, ...]) -> None:
        """A module imported inside the function, if it has been loaded by now."""
        from amorsize._function import bytecode

        if module is not MISSING:
            self._judge_module(module, bytecode.names(func.__code__))
            missing = [one for one in taken if member(module, one) is MISSING]
            if not missing:
                return
            name = f"{module.__name__}.{missing[0]}"
        what = f"{name}, which an item is the first to import"
        self.calls[what] = self.unread[what] = None

    def _follow(self, value: Any, label: str, attributes: tuple[str, ...], code: CodeType) -> None:
        """Go from what the code loads along the attributes it takes off it; judge the end."""
        from amorsize._function import bytecode

        value, taken = end_of(value, attributes, self._owns_module)
        label = ".".join((label, *attributes[:taken]))
        if value is MISSING:
            return
        if type(value) is MODULE:
            self._judge_module(value, bytecode.names(code))
            return
        rest = attributes[taken:]
        if rest and isinstance(value, type) and self._is_known_call(attribute(value, rest)):
            return
        safe = self._judge(value, label)
        if isinstance(value, type):
            self._judge_members(value, bytecode.names(code))
        changes = CHANGING if not safe and is_container(value) else frozenset()
        if type_name(value) == "threading.Event":  # later items may ask for it, in the loop's order
            changes = _SWITCHING
        if rest and rest[0] in changes:
            self._stores["", f"{label}.{rest[0]}()"] = None

    def _examine_returns(self, func: FunctionType) -> None:
        """A file or connection that is given back can leave no worker process."""
        from amorsize._function.library_effects import holding_of

        closure = cells(func)
        for space, name, steps in self._reader.flow(func).returned_calls:
            value = resolved(func, closure, space, name)
            value, taken = end_of(value, tuple(step[1:] for step in steps), self._owns_module)
            if taken < len(steps) or value is MISSING:
                continue
            holding = holding_of(value) if isinstance(value, type) else None
            if _call_name(value) in _OPENING_FUNCTIONS or (
                holding is not None and holding.what == "handle"
            ):
                self.copies[f"what {_call_name(value)} opens and the function returns"] = None

    def _examine_changes(self, func: FunctionType, owner: Any, method: str) -> None:
        from amorsize._function import bytecode
        from amorsize._function.library_effects import effect_of

        if "type" in func.__code__.co_names:  # `type(self).n += 1` is a store to the class
            self._of_types |= bytecode.stored_attributes(func.__code__)
        for change in self._reader.changes(func, owner):
            self._see_change(change, method)
        if bytecode.checks_before_making(func.__code__):
            what = "mkdir for a folder that it looked for, which another may make in between"
            self.calls[what] = self.bound[f"{what} (exist_ok=True would be safe)"] = None
        changed = self._reader.changed_arguments(func)
        for name, value in defaults(func):
            if name in changed and is_container(value):
                self._stores[method, f"default {name}"] = None
        for called in self._reader.called(func):
            effect = effect_of(called) if callable(called) else None
            if effect is not None and (effect.what == "process" or effect.name in _SETS):
                self.alters[effect.name] = effect.why

    def _examine_numbers(self, func: FunctionType, owner: Any) -> None:
        """Descriptors that the caller has opened, by their number or by a path with it."""
        for called in self._reader.given_numbers(func, owner):
            name = _call_name(called).replace("posix.", "os.") if callable(called) else ""
            if name in _TAKES_DESCRIPTORS:
                self._at_numbers[name] = None
        for text in func.__code__.co_consts:
            if type(text) is str and text.startswith(_PATHS_BY_NUMBER):
                self._at_numbers[text] = None

    def _see_change(self, change: Change, method: str, told: str = "") -> None:
        """A change that a worker would lose; of others it is not sure that they would be."""
        told = told or change.told
        if not change.steps or change.is_lost:
            self._stores[method, told] = None
        elif change.is_of_thread:
            self.shared[told] = self.changed[told] = None
        elif change.is_open:
            self.changed[told] = None

    def _named_from(self, func: Any) -> set[str]:
        """The names in the code that the mapped function leads to by names.

        Other methods of its objects may change them: what sets them up before the call does.
        """
        from amorsize._function import bytecode

        functions = [with_arguments(layer)[0] for layer in layers(func)]
        named = {name for one in functions if one for name in bytecode.names(one.__code__)}
        ahead = dict.fromkeys(one for one in self._read_as if one[1] not in functions)
        is_growing = True
        while is_growing:
            met = [
                (name, one)
                for name, one in ahead
                if name in named or one.__name__ in {*named, "<lambda>"}
            ]
            for key in met:
                named |= bytecode.names(key[1].__code__).keys()
                del ahead[key]
            is_growing = bool(met)
        return named

    def _judge_changes_of_objects(self, named: set[str]) -> None:
        """What the objects that are shared change of themselves when they are used."""
        for label, value in list(self._found["mutables"].values()):
            for method in self._used_methods(value, named):
                for change in self._reader.changes(method, value):
                    if change.label == "self":
                        self._see_change(change, "", f"{label}{change.way}")

    def _used_methods(self, value: Any, named: set[str]) -> Iterator[FunctionType]:
        """The methods of an object that code names, and those that answer to any name."""
        kind = type(value)
        if kind in PLAIN or not self._owns_class(kind):
            return
        for base in kind.__mro__:
            if self._owns_class(base):
                for name, found in tuple(vars(base).items()):
                    if name in named or name in ("__getattr__", "__getattribute__"):
                        method = raw(found.fget if isinstance(found, property) else found)
                        if type(method) is FUNCTION and self._owns_function(method):
                            yield method

    def _judge_changes_of_items(self, items: Sequence[object], named: set[str]) -> None:
        """A worker process has copies of the items, and would lose what is stored in them."""
        held = [part for item in items[:2] for part in (item, *brought(item).values())]
        if all(is_shareable(part) for part in held):
            return
        self._changes_items |= self._changes_elements and any(map(is_container, held))
        if self._changes_items or any(self._has_changing_method(one, named) for one in held):
            self.changed["the items themselves"] = None

    def _judge_changes_of_arguments(self, func: Any) -> None:
        """Arguments that are set for all items; the others are the items."""
        for layer in layers(func):
            function, bound = with_arguments(layer)
            if function is None or not self._owns_function(function):
                continue
            owner = next(iter(bound.values()), MISSING)
            changed = self._reader.changed_arguments(function, owner)
            self._changes_items |= not changed <= bound.keys()
            changed_elements = self._reader.changed_elements(function, owner)
            self._changes_elements |= not changed_elements <= bound.keys()
            for name in sorted(changed & bound.keys()):
                if is_container(bound[name]):
                    self._stores["", f"argument {name}"] = None
                elif not is_shareable(bound[name]):
                    self.changed[f"argument {name}"] = None

    def _has_changing_method(self, value: Any, named: set[str]) -> bool:
        """Whether a method that the code names changes the object it is called on."""
        if any(type_name(member(type(value), name)) == _CACHED_PROPERTY for name in named):
            return self._owns_class(type(value))
        return any(
            self._reader.changed_arguments(one, value).intersection(one.__code__.co_varnames[:1])
            for one in self._used_methods(value, named)
        )


def _call_name(value: Any) -> str:
    """A callable's name for messages: "os.chdir"."""
    from amorsize._function.fingerprints import name_of

    return name_of(value)


def _top_package(func: Any) -> object:
    """The top package of the module that a mapped function was written in.

    MISSING for a library that the interpreter brings along.
    """
    func = raw(func)
    while is_partial(func):
        func = raw(func.func)
    func = own(func, "__func__", func)
    module = own(func, "__module__")
    if not isinstance(module, str):
        module = type(func).__module__
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in ("builtins", "amorsize"):
        return MISSING
    return top
