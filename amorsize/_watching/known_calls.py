"""Judges the functions that a watched item calls."""

from __future__ import annotations

import os
from time import thread_time

from amorsize._function.callables import (
    BUILTIN,
    C_METHODS,
    FUNCTION,
    METHOD,
    MISSING,
    is_module,
    own,
    plain,
    public_name_of,
)
from amorsize._watching import finding as at
from amorsize._watching.finding import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any, Protocol

    class Effect(Protocol):
        """An effect of a function beyond its result."""

        @property
        def what(self) -> str:
            """One of "process", "thread", "draws", "caller", "safe"."""

        @property
        def why(self) -> str:
            """The end of the sentence "an item calls NAME, which ..."."""

        @property
        def name(self) -> str:
            """The name by which users know it."""

    EffectOf = Callable[[Any], Effect | None]

#: The most events that are judged. Each takes about 0.6 us.
MAX_EVENTS = 2000
#: The most seconds that judging functions may take besides.
MAX_OVERHEAD_S = 2e-3
#: The most unknown functions whose names are kept.
MAX_UNKNOWN = 64

_PLACES = {"process": at.PROCESS, "thread": at.THREAD, "draws": at.GENERATOR, "caller": at.CALLER}
_OURS = os.path.dirname(os.path.dirname(__file__)) + os.sep
#: Methods that run when a class is called or entered.
_OPENERS = frozenset({"__init__", "__new__", "__enter__", "__call__"})
#: Types whose methods change only their own object.
_HARMLESS = frozenset(
    {str, bytes, int, float, complex, bool, type(None), tuple, frozenset, range, slice}
    | {list, dict, set, bytearray, memoryview, type, object, BUILTIN, FUNCTION, METHOD}
    | {type({}.keys()), type({}.values()), type({}.items()), type(_ for _ in "")}
)


class CutOff(Exception):  # noqa: N818 - says what happened
    """Judging has reached its limit: no further call is judged."""


class Calls:
    """Judges the functions that one item calls; raises `CutOff` at a limit."""

    def __init__(self, effect_of: EffectOf) -> None:
        self._effect_of = effect_of
        self.findings: dict[str, Finding] = {}
        self.unknown: dict[str, None] = {}  # functions in C of which nothing is known
        self._judged: set[Any] = set()
        self._by_owner: set[CodeType] = set()  # methods that are judged for each owner
        self._n_events, self._overhead_s = 0, 0.0

    def count(self) -> None:
        """Count one event of any kind."""
        self._n_events += 1
        if self._n_events > MAX_EVENTS:
            raise CutOff(f"it was cut off after {MAX_EVENTS} calls and returns")

    def began(self, code: CodeType, frame: FrameType) -> None:
        """Judge a function in Python that has begun in this frame."""
        key: Any = code
        if code in self._by_owner or code.co_name in _OPENERS:
            owner = _first_argument(code, frame)
            key = code, type(owner), id(owner) if _is_shared(type(owner)) else 0
        if key not in self._judged:
            self._judge(key, lambda: self._judge_code(code, frame))

    def called(self, function: Any, owner: Any = MISSING) -> None:
        """Judge a called function in C; `owner` is the object of a method."""
        kind = type(function)
        if kind is BUILTIN:
            owner = function.__self__
            owner = MISSING if owner is None or is_module(owner) else owner
        elif kind not in C_METHODS:
            owner = MISSING
        if owner is MISSING:
            key: Any = kind, id(function)
        elif type(owner) in _HARMLESS:
            return
        else:
            key = type(owner), function.__name__, id(owner) if _is_shared(type(owner)) else 0
        if key not in self._judged:
            if kind in C_METHODS and owner is not MISSING:
                function = function.__get__(owner, type(owner))
            self._judge(key, lambda: self._judge_callable(function))

    # -- judging ----------------------------------------------------------------------------

    def _judge(self, key: Any, judge: Callable[[], None]) -> None:
        self._judged.add(key)
        began = thread_time()
        judge()
        self._overhead_s += thread_time() - began
        if self._overhead_s > MAX_OVERHEAD_S:
            raise CutOff(f"it was cut off after {MAX_OVERHEAD_S * 1e3:g} ms of looking")

    def _judge_code(self, code: CodeType, frame: FrameType) -> None:
        """Judge the function of some code, with the class or object of a method."""
        owner, space = _first_argument(code, frame), frame.f_globals
        if _is_shared(type(owner)):
            self._by_owner.add(code)
        bound: Any = space.get(code.co_name)  # such as `random.seed`, a method of one object
        if type(bound) is METHOD and bound.__self__ is owner:
            self._find(bound)
            return
        function = _published(code, space)
        if function is not MISSING:
            self._find(function)
        if code.co_name in _OPENERS and owner is not MISSING:
            kind = owner if isinstance(owner, type) else type(owner)
            self._find(kind)

    def _judge_callable(self, function: Any) -> None:
        if self._find(function) is not None or isinstance(function, type):
            return
        is_builtin = own(function, "__module__") == "builtins"
        if not is_builtin and len(self.unknown) < MAX_UNKNOWN:
            self.unknown[public_name_of(function)] = None

    def _find(self, function: Any) -> Effect | None:
        effect = self._effect_of(function)
        if effect is not None and (where := _PLACES.get(effect.what)) is not None:
            why = f"an item calls {effect.name}, which {effect.why}"
            self.findings.setdefault(effect.name, Finding(what=effect.name, where=where, why=why))
        return effect


def _is_shared(kind: type) -> bool:
    """Whether objects of this type differ in effect: one generator is that of the whole program."""
    return any(base.__name__ == "Random" for base in kind.__mro__)


def _first_argument(code: CodeType, frame: FrameType) -> Any:
    if not code.co_argcount:
        return MISSING
    return frame.f_locals.get(code.co_varnames[0], MISSING)


def _published(code: CodeType, space: dict[str, Any]) -> Any:
    """The function or method with this code that a module has under its name; None: none has."""
    first, *others = code.co_qualname.split(".")
    found = space.get(first, MISSING)
    for name in others:
        if not isinstance(found, type):
            return MISSING
        found = vars(found).get(name, MISSING)
    inner = plain(found)
    for _ in range(8):
        if own(inner, "__code__") is code:
            return plain(found)
        inner = own(inner, "__wrapped__")
    return MISSING


def is_ours(code: CodeType) -> bool:
    """Whether some code belongs to amorsize, which runs and watches items."""
    return code.co_filename.startswith(_OURS)
