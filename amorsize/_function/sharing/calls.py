"""Judges calls of library functions, for items that run at the same time."""

from __future__ import annotations

import sys

from amorsize._function.callables import BUILTINS, FUNCTION, is_module, own
from amorsize._function.sharing.findings import SEEDING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._function.sharing.findings import Findings

#: Functions that act on a descriptor: they are harmless if the item has opened it itself.
ON_DESCRIPTORS = {
    f"os.{n}" for n in ("read", "write", "readv", "writev", "lseek", "sendfile", "dup")
}
#: Functions that leave a descriptor as it is; but its number in a worker is another, or none.
AT_DESCRIPTORS = {
    *("os.pread", "os.preadv", "os.pwrite", "os.pwritev", "os.fstat", "os.ftruncate", "os.fsync"),
    *("os.fdatasync", "os.fchmod", "os.isatty", "os.fdopen", "os.fstatvfs", "os.posix_fadvise"),
    *("fcntl.fcntl", "fcntl.flock", "fcntl.lockf", "fcntl.ioctl", "mmap.mmap"),
}
#: Functions that take an integer as a descriptor.
TAKES_DESCRIPTORS = {
    *(ON_DESCRIPTORS | AT_DESCRIPTORS),
    *("builtins.open", "io.open", "_io.open", "io.FileIO", "_io.FileIO", "os.stat", "os.listdir"),
    *("os.scandir", "os.truncate", "os.utime", "os.chmod", "os.ttyname", "os.get_terminal_size"),
    *("os.readlink", "genericpath.getsize", "genericpath.exists", "select.select", "socket.fromfd"),
}
#: Names in code that opens descriptors of its own.
_OPENING = {"open", "pipe", "pipe2", "mkstemp", "memfd_create", "socketpair", "openpty", "fileno"}
#: Functions that give the number of a new descriptor.
_GIVES_DESCRIPTORS = {
    f"os.{n}" for n in ("open", "pipe", "pipe2", "memfd_create", "eventfd", "openpty", "pidfd_open")
}
#: Names in code that closes a descriptor, or makes it the part of an object that does.
_CLOSING = {
    "close",
    "fdopen",
    "closerange",
    "dup2",
    "FileIO",
    "builtins.open",
    "io.open",
    "_io.open",
}
#: Names of the program's streams.
_STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}
#: Functions that are harmless unless a file is named after their result; watching shows that.
WATCHED_FOR = {"os.getpid"}
#: Modules for what may have to be done only once: files, programs, the network, databases.
_TOUCHING = {
    *("os", "io", "shutil", "subprocess", "pathlib", "tempfile", "socket", "ssl", "urllib", "http"),
    *("smtplib", "ftplib", "sqlite3", "requests", "httpx", "aiohttp", "urllib3", "boto3"),
    *("botocore", "paramiko", "redis", "pymongo", "psycopg", "psycopg2", "pymysql", "sqlalchemy"),
}
#: Functions that send their requests by the opener that the program has installed.
_OPENING_BY_PROGRAM = {"urllib.request.urlopen", "urllib.request.urlretrieve"}
#: Functions of `asyncio` that ask for the event loop which runs in the thread that calls them.
_OF_LOOP = {
    *("get_running_loop", "_get_running_loop", "get_event_loop", "current_task", "all_tasks"),
    *("run", "Runner", "create_task", "ensure_future", "gather", "shield", "wrap_future"),
}
#: Functions that touch files but belong to other modules.
_OPENERS = {"builtins.open"}
#: Functions that return an open file or connection; classes are known by their instances.
OPENING_FUNCTIONS = {
    *("io.open", "_io.open", "gzip.open", "bz2.open", "lzma.open", "codecs.open", "os.popen"),
    *("sqlite3.connect", "_sqlite3.connect", "socket.create_connection", "urllib.request.urlopen"),
    *("tempfile.NamedTemporaryFile", "tempfile.TemporaryFile", "shelve.open", "tarfile.open"),
}


def is_known_call(findings: Findings, value: Any) -> bool:
    """Note what calling it does, if it is in the table of library functions."""
    if not callable(value):
        return False
    from amorsize._function.library.effects import effect_of

    _note_asked_loop(findings, value)
    effect = effect_of(value)
    if effect is None:
        return False
    name = call_name(value) if effect.name.endswith("*") else effect.name
    what = f"{name}, which {effect.why}"
    if effect.what == "draws":
        findings.draws[name] = findings.calls[what] = None
    elif effect.what == "caller":
        findings.calls[what] = findings.bound[what] = None
    elif effect.what == "safe" and (hook := _hook_of_program(call_name(value))) is not None:
        what = f"{name}, which {hook}"
        findings.calls[what] = findings.bound[what] = None
    elif effect.what == "safe":
        _note_descriptor(findings, call_name(value).replace("posix.", "os."))
        top = effect.name.partition(".")[0]
        is_of_paths = effect.name.startswith("os.path.")
        findings.touches |= (top in _TOUCHING and not is_of_paths) or effect.name in _OPENERS
    else:  # what it does to the process has to be seen undone
        findings.calls[what] = findings.unread[what] = None
        if name.rpartition(".")[2] in SEEDING:
            findings.reseeds = findings.reseeds or ()
    return True


def _note_asked_loop(findings: Findings, value: Any) -> None:
    name = call_name(value) if own(value, "__name__") in _OF_LOOP else ""
    if name.lstrip("_").startswith("asyncio."):
        findings.of_loop[f"asyncio.{name.rpartition('.')[2]}"] = None


def _hook_of_program(name: str) -> str | None:
    """What a library's function does by something that the program has installed, in words."""
    if name.startswith("logging."):
        from amorsize._function.sharing.loggers import MAKES_RECORDS, makes_records_itself

        return MAKES_RECORDS if makes_records_itself() else None
    opener = _installed("urllib.request", "_opener") if name in _OPENING_BY_PROGRAM else None
    if opener is None:
        return None
    from amorsize._function.sharing.client_state import keeps_answers

    is_moving = keeps_answers(opener, call_name(type(opener)))
    return "sends by an opener that keeps what it is told" if is_moving else None


def hooks() -> tuple[int, ...]:
    """The ids of what programs install for functions that are known to be harmless without."""
    return (
        id(_installed("urllib.request", "_opener")),
        id(_installed("logging", "_logRecordFactory")),
    )


def _installed(module: str, name: str) -> Any:
    found = sys.modules.get(module)
    return None if found is None else vars(found).get(name)


def judge_builtin(findings: Findings, func: Any) -> bool:
    """Note the call of a function written in C that is not in the table, and cannot be read."""
    name = call_name(func).replace("posix.", "os.")
    what = f"{name}, which cannot be read"
    findings.unread[what] = None
    _note_descriptor(findings, name)
    if name in ON_DESCRIPTORS:
        findings.on_descriptors[name] = None
    elif name not in WATCHED_FOR:
        findings.calls[what] = None
        return False
    return True


def _note_descriptor(findings: Findings, name: str) -> None:
    if name in AT_DESCRIPTORS:
        findings.at_descriptors[name] = None
    if name in _GIVES_DESCRIPTORS or name in OPENING_FUNCTIONS or name in _OPENERS:
        findings.names[name] = None


def settle_descriptors(findings: Findings) -> None:
    """Drop the numbers of descriptors that the item has opened itself: they are harmless."""
    names = findings.names
    if _CLOSING.isdisjoint(names):
        for name in sorted(_GIVES_DESCRIPTORS.intersection(names)):  # its number leaves the item
            what = f"{name} and closes nothing: its descriptor is of this process alone"
            findings.calls[what] = findings.bound[what] = None
    opening = _OPENING.intersection(names)
    if opening == {"fileno"} and findings.on_descriptors and not _STREAMS.isdisjoint(names):
        opening = set()  # that of the program's own stream
    if opening:
        findings.at_descriptors.clear()
        return
    for name in findings.on_descriptors:
        what = f"{name} on a descriptor that it has not opened"
        findings.calls[what] = findings.bound[what] = findings.at_descriptors[name] = None


def note_unreadable(findings: Findings, name: str) -> None:
    """Note the call of something that is neither in the table nor can be read."""
    what = f"{name}, which cannot be read"
    findings.calls[what] = findings.unread[what] = None


def top_of(value: Any, kind: type) -> str:
    """The package that a value comes from; an instance from that of its class."""
    if is_module(value):
        name = value.__name__
    elif kind is FUNCTION or issubclass(kind, (type, *BUILTINS)):
        name = own(value, "__module__")  # methods of the interpreter's own objects have none
    else:
        name = kind.__module__
    return name.partition(".")[0] if isinstance(name, str) else ""


def call_name(value: Any) -> str:
    """A callable's name for messages: "os.chdir"."""
    from amorsize._function.references import name_of

    return name_of(value)
