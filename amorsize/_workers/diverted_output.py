"""Diverts the output of threads that run items to where it is shown in the order of items.

The program may have kept its streams (`OUT = sys.stdout`, `def f(file=sys.stdout)`, a handler of
logging). So their methods are replaced in the objects themselves, for as long as items run, and
what other threads write goes its way. A call of a method is diverted as it is, to be repeated
later: a stream of the program's own sees the calls that it would see in the loop.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock, get_ident

from amorsize._host.replacement import Replacement
from amorsize._host.signals import reraise_from_handler
from amorsize._host.unpatched import kernel
from amorsize._workers.stream_calls import SLOTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from amorsize._workers.stream_calls import Pieces

    class Sink(Protocol):
        """Takes what a thread writes, logs and warns."""

        def call(self, slot: str, method: str, value: Any) -> None: ...
        def record(self, logger: Any, record: Any) -> None: ...
        def warning(self, warning: Any) -> None: ...


_MISSING: Any = object()
_FUNCTION: type = type(lambda: None)

_sinks: dict[int, Sink] = {}  # by thread
_of_process: Pieces | None = None  # in a worker process: takes what all threads write
_pid = 0  # of that process
_late: list[Callable[[], Any]] = []  # flush what has gone past the replaced methods there
_is_flushing = False
_n_users = 0
_undo: list[Callable[[], None]] = []
_lock = allocate_lock()


def begin() -> None:
    """Take over the program's streams, logs and warnings; `end` has to follow."""
    global _n_users
    with _lock:
        _n_users += 1
        if _n_users == 1:
            _take_streams()
            _take_records()
            _take_warnings()


def end() -> None:
    """Give them back after the last user."""
    global _n_users
    with _lock:
        _n_users -= 1
        if not _n_users:
            _give_back()


def divert(sink: Sink) -> None:
    """Give a sink what this thread writes from now on."""
    _sinks[get_ident()] = sink


def restore(thread: int | None = None) -> None:
    """Let a thread write to the program's streams again; None: this one."""
    _sinks.pop(get_ident() if thread is None else thread, None)


def divert_process(pieces: Pieces) -> None:
    """In a fork: divert what all of its threads write."""
    global _n_users, _lock
    _lock, _n_users = allocate_lock(), 1
    _give_back()
    _sinks.clear()
    forward_process(pieces)
    _late.extend(stream.flush for stream in _files())  # for methods that the program has kept
    _take_streams()


def forward_process(pieces: Pieces) -> None:
    """Note what takes the text of this process, whose streams divert it themselves."""
    global _of_process, _pid
    _of_process, _pid = pieces, kernel.getpid()


def hand_on() -> bool:
    """In a worker process: hand on what is held; False: this is none, or one of its children."""
    if _of_process is None or kernel.getpid() != _pid:
        return False
    _flush_late()
    _of_process.hand_on()
    return True


def _flush_late() -> None:
    """Divert what has gone past the replaced methods into the buffers of the streams."""
    global _is_flushing
    _is_flushing = True
    for flush in _late:
        try:
            flush()
        except (OSError, ValueError) as error:
            reraise_from_handler(error)  # closed or broken
    _is_flushing = False


def flush_files() -> None:
    """Flush what the program's streams have for a file. Those of its own see no such call."""
    for stream in _files():
        stream.flush()


def _files() -> list[Any]:
    found: list[Any] = []
    for slot in SLOTS:  # two of them mostly name one stream
        stream: Any = getattr(sys, slot, None)
        is_new = not any(stream is one for one in found)
        if is_new and _encodes_itself(stream) and not stream.closed:
            found.append(stream)
    return found


def _encodes_itself(stream: Any) -> bool:
    return hasattr(type(stream), "reconfigure")


class Undiverted:
    """Shows something in this thread, whose output may be diverted."""

    def __enter__(self) -> None:
        self._thread = get_ident()
        self._sink = _sinks.pop(self._thread, None)

    def __exit__(self, *_: object) -> None:
        if self._sink is not None:
            _sinks[self._thread] = self._sink


# -- streams --------------------------------------------------------------------------------------


def _take_streams() -> None:
    taken: list[Any] = []
    for slot in SLOTS:
        stream = getattr(sys, slot, None)
        if stream is None or any(stream is one for one in taken):
            continue
        taken.append(stream)
        if not _take(stream, _methods(slot, stream)):
            setattr(sys, slot, proxy := _Proxy(slot, stream))
            _undo.append(lambda slot=slot, ours=proxy: _put_back(slot, ours))  # type: ignore[misc]
        buffer = getattr(stream, "buffer", None)
        if buffer is not None and not any(buffer is one for one in taken):
            taken.append(buffer)
            _take(buffer, {name: _method(slot, f"buffer.{name}", buffer) for name in _BYTES})


_BYTES = ("write", "flush")


def _methods(slot: str, stream: Any) -> dict[str, Any]:
    """What takes the place of a stream's methods. Those in C call `write` for each line."""
    found = {name: _method(slot, name, stream) for name in ("write", "flush")}
    if isinstance(getattr(type(stream), "writelines", None), _FUNCTION):
        found["writelines"] = _method(slot, "writelines", stream)
    return found


def _method(slot: str, method: str, stream: Any) -> Callable[..., Any]:
    """A method that is diverted in threads that run items, and is the stream's in others."""
    original, pid = getattr(stream, method.rpartition(".")[2]), kernel.getpid()
    original = getattr(original, "beneath", original)  # a line of progress had kept ours in place
    is_text, is_below = _encodes_itself(stream), method == "buffer.flush"

    def diverted(*values: Any) -> Any:
        if _is_flushing and is_below:  # the item has not asked for that
            return None
        sink: Any = _sinks.get(get_ident(), _of_process)
        if sink is None or kernel.getpid() != pid or not _fits(method, values):
            return original(*values)
        if is_text and (stream.closed or (values and not _encodes(stream, values[0]))):
            return original(*values)  # raises what it raises in the loop
        value: Any = _kept(values[0]) if values else None
        sink.call(slot, method, value)
        return len(value) if method.endswith("write") else None

    diverted.beneath = original  # type: ignore[attr-defined]
    return diverted


def _fits(method: str, values: tuple[Any, ...]) -> bool:
    """Whether the arguments are the usual ones; a stream complains of others itself."""
    if method.endswith("flush"):
        return not values
    if method == "write":
        return len(values) == 1 and isinstance(values[0], str)
    return len(values) == 1


def _encodes(stream: Any, text: Any) -> bool:
    if text.isascii():
        return True
    try:
        text.encode(stream.encoding, stream.errors)
    except UnicodeError as error:
        reraise_from_handler(error)
        return False
    return True


def _kept(value: Any) -> Any:
    """The argument as it is now: the item may change it before it is shown."""
    if isinstance(value, str):
        return str(value)
    try:
        return bytes(memoryview(value))
    except TypeError as error:
        reraise_from_handler(error)
        return [str(line) for line in value]  # of `writelines`


def _take(stream: Any, methods: dict[str, Any]) -> bool:
    """Replace methods in an object; False: it has no place for them."""
    state = getattr(stream, "__dict__", None)
    if type(state) is not dict:
        return False
    for name, method in methods.items():
        before = state.get(name, _MISSING)
        before = getattr(before, "was", before)
        method.was = before
        try:
            setattr(stream, name, method)
        except AttributeError as error:
            reraise_from_handler(error)
            return False
        _undo.append(lambda name=name, own=method, was=before: _undo_one(stream, name, own, was))  # type: ignore[misc]
    return True


def _undo_one(stream: Any, name: str, ours: Any, before: Any) -> None:
    if stream.__dict__.get(name) is not ours:  # the program has replaced it
        return
    if before is _MISSING:
        delattr(stream, name)
    else:
        setattr(stream, name, before)


def _put_back(slot: str, ours: _Proxy) -> None:
    if getattr(sys, slot) is ours:
        setattr(sys, slot, ours.replaces)


class _Proxy(Replacement):
    """In place of a stream whose methods cannot be replaced."""

    def __init__(self, slot: str, stream: Any) -> None:
        self.replaces = stream
        self.__dict__.update(_methods(slot, stream))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.replaces, name)


# -- log records, warnings ------------------------------------------------------------------------


def _take_records() -> None:
    logging = sys.modules.get("logging")
    if not hasattr(logging, "Logger"):
        return
    kind: Any = logging.Logger  # type: ignore[union-attr]
    original = kind.callHandlers

    def diverted(logger: Any, record: Any) -> None:
        sink = _sinks.get(get_ident())
        if sink is None:
            original(logger, record)
        else:
            sink.record(logger, record)

    kind.callHandlers = diverted
    _undo.append(lambda: setattr(kind, "callHandlers", original))


def _take_warnings() -> None:
    """Divert warnings at the place where they are shown, or handed to the program's function."""
    import warnings

    module: Any = warnings
    show, own = module._showwarnmsg_impl, module.showwarning
    is_replaced = own is not module._showwarning_orig

    def diverted(warning: Any) -> None:
        sink = _sinks.get(get_ident())
        if sink is not None:
            sink.warning(warning)
        elif is_replaced:
            one = warning
            own(one.message, one.category, one.filename, one.lineno, one.file, one.line)
        else:
            show(warning)

    module._showwarnmsg_impl, module.showwarning = diverted, module._showwarning_orig

    def undo() -> None:
        if module._showwarnmsg_impl is diverted:
            module._showwarnmsg_impl, module.showwarning = show, own

    _undo.append(undo)


def _give_back() -> None:
    while _undo:
        _undo.pop()()
