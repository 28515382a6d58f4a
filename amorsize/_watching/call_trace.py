"""Watches which functions one item calls, as the interpreter reports them.

It sees calls in libraries as well, and calls whose changes are undone before the item ends. It does
not see calls from C to C: `list(map(os.chdir, folders))`, a `partial` called by a library, the
methods of a `with` statement that are written in C. Under Python 3.11 it sees neither classes
written in C nor functions compiled by Cython.
"""

from __future__ import annotations

import sys
from _thread import get_ident

from amorsize._function.callables import C_METHODS, FUNCTION, METHOD, MISSING, member
from amorsize._host.signals import reraise_from_handler
from amorsize._watching.known_calls import Calls, CutOff, is_ours

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any, TypeVar

    from amorsize._watching.finding import Finding
    from amorsize._watching.known_calls import EffectOf

    Result = TypeVar("Result")

#: Numbers of sys.monitoring that no known kind of tool uses.
TOOLS = (4, 3)
#: The most events of other threads, of which a tool is told as well.
MAX_OTHERS = 2000


class Inside:
    """Watches which functions a function calls in this thread."""

    def __init__(self, effect_of: EffectOf) -> None:
        effect_of(len)  # makes a table now that would else be made during the item
        self._calls = Calls(effect_of)
        self._unseen: dict[str, None] = {}

    def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Call the function; it is not watched if another tool profiles.

        This uses no `with` statement: Ctrl-C may come before its `__exit__` has begun.
        """
        if sys.getprofile() is not None:
            self._unseen["another tool profiles this thread"] = None
            return function(*arguments)
        way = _way_for(self._calls, self._unseen)
        try:
            way.begin()
            return function(*arguments)
        finally:
            try:
                way.end()
            except BaseException:  # Ctrl-C may come here
                way.end()
                raise

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The called functions whose effects others would notice."""
        return tuple(self._calls.findings.values())

    @property
    def unseen(self) -> tuple[str, ...]:
        """Why some calls were not seen; empty: none was missed that can be seen."""
        return tuple(self._unseen)

    @property
    def unknown(self) -> tuple[str, ...]:
        """The called functions in C of which nothing is known."""
        return tuple(self._calls.unknown)


def _way_for(calls: Calls, unseen: dict[str, None]) -> _Profiled | _Monitored:
    """The way to watch: sys.monitoring sees more, but also the events of all other threads."""
    monitoring = getattr(sys, "monitoring", None)
    if monitoring is not None and len(sys._current_frames()) == 1:
        for tool in TOOLS:
            if monitoring.get_tool(tool) is None:
                return _Monitored(monitoring, tool, calls, unseen)
    return _Profiled(calls, unseen)


class _Profiled:
    """Watches by `sys.setprofile`, which belongs to one thread."""

    def __init__(self, calls: Calls, unseen: dict[str, None]) -> None:
        self._calls, self._unseen = calls, unseen
        self._profile = self._tell  # one object, to be recognised
        self._is_over = False

    def begin(self) -> None:
        sys.setprofile(self._profile)

    def end(self) -> None:
        if sys.getprofile() is self._profile:
            sys.setprofile(None)
        elif not self._is_over:  # an item has set its own, or removed ours
            self._is_over = True
            self._unseen["the item set a profiler of its own"] = None

    def _tell(self, frame: FrameType, event: str, arg: Any) -> None:
        if is_ours(frame.f_code):
            return
        try:
            self._calls.count()
            if event == "call":
                self._calls.began(frame.f_code, frame)
            elif event == "c_call":
                self._calls.called(arg)
        except Exception as error:  # an item must not feel that it is watched
            self._is_over = True
            sys.setprofile(None)
            reraise_from_handler(error)
            self._unseen[_reason(error)] = None


class _Monitored:
    """Watches by a tool of `sys.monitoring`, from Python 3.12 on."""

    def __init__(self, monitoring: Any, tool: int, calls: Calls, unseen: dict[str, None]) -> None:
        self._monitoring, self._tool = monitoring, tool
        self._calls, self._unseen = calls, unseen
        self._name = f"amorsize {id(self)}"
        self._thread, self._n_others = get_ident(), 0

    def begin(self) -> None:
        monitoring, tool = self._monitoring, self._tool
        try:
            monitoring.use_tool_id(tool, self._name)
        except ValueError:  # another thread has just taken it
            self._unseen["another tool took the place of this one"] = None
            return
        events = monitoring.events
        monitoring.register_callback(tool, events.PY_START, self._began)
        monitoring.register_callback(tool, events.CALL, self._called)
        monitoring.set_events(tool, events.PY_START | events.CALL)

    def end(self) -> None:
        monitoring, tool = self._monitoring, self._tool
        if monitoring.get_tool(tool) != self._name:
            return
        monitoring.set_events(tool, 0)
        for event in (monitoring.events.PY_START, monitoring.events.CALL):
            monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)

    def _began(self, code: CodeType, _: int) -> None:
        if not is_ours(code) and self._is_for_us():
            self._judged(self._calls.began, code, sys._getframe(1))

    def _called(self, code: CodeType, _: int, function: Any, first: Any) -> None:
        if is_ours(code) or not self._is_for_us():
            return
        kind = type(function)
        if kind in (FUNCTION, METHOD) or _is_called_in_python(function, kind):
            return  # its beginning is an event of its own
        owner = first if kind in C_METHODS else MISSING
        self._judged(self._calls.called, function, owner)

    def _is_for_us(self) -> bool:
        """Whether an event is of this thread. Too many events of others end the watching."""
        if get_ident() == self._thread:
            return True
        self._n_others += 1
        if self._n_others == MAX_OTHERS:
            self._unseen["other threads ran beside the item"] = None
            self._monitoring.set_events(self._tool, 0)
        return False

    def _judged(self, judge: Any, *arguments: Any) -> None:
        try:
            self._calls.count()
            judge(*arguments)
        except Exception as error:  # an item must not feel that it is watched
            self._monitoring.set_events(self._tool, 0)
            reraise_from_handler(error)
            self._unseen[_reason(error)] = None


def _is_called_in_python(function: Any, kind: type) -> bool:
    return not isinstance(function, type) and type(member(kind, "__call__")) is FUNCTION


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, CutOff) else f"{type(error).__name__}: {error}"
