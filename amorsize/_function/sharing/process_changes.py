"""Notes what a function changes of the process by its own calls."""

from __future__ import annotations

import os

from amorsize._function.bound_arguments import NOTHING
from amorsize._function.bytecode import CLOSURE, GLOBAL, IMPORT
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.name_lookup import callees_of
from amorsize._function.flow.value_flow import CALLED, INNER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FunctionType
    from typing import Any

    from amorsize._function.flow.value_flow import Call, Flow, Symbol
    from amorsize._function.library.effect_table import Effect
    from amorsize._function.sharing.findings import Findings

#: Functions that set one thing of the process, which stays until it is set again.
SETTINGS = {
    *("locale.setlocale", "locale.textdomain", "locale.bindtextdomain", "gettext.textdomain"),
    *("gettext.bindtextdomain", "gettext.install", "csv.field_size_limit", "os.umask", "os.chdir"),
    *("sys.setrecursionlimit", "sys.setswitchinterval", "sys.set_int_max_str_digits", "os.nice"),
    *("socket.setdefaulttimeout", "calendar.setfirstweekday", "signal.signal", "gc.set_debug"),
    *("threading.stack_size", "_thread.stack_size", "gc.set_threshold", "logging.disable"),
    *("signal.siginterrupt", "sys.setdlopenflags", "resource.setrlimit", "os.setpriority"),
    "decimal.setcontext",
}
#: Where what code names is found.
_NAMED = (GLOBAL, CLOSURE, IMPORT)
#: What a program that was started has its number as.
_OF_A_PROGRAM = ".pid"


def note_change(findings: Findings, func: FunctionType, called: Any, effect: Effect | None) -> None:
    """Note what a function may change of the process by calling this."""
    if called is os.kill and _may_signal_itself(func):
        note_for_caller(findings, "os.kill, which may send a signal to the process itself")
    if effect is None:
        return
    if effect.what == "caller":  # also where `getattr` finds it
        note_for_caller(findings, f"{effect.name}, which {effect.why}")
        return
    findings.alters[effect.name] = effect.why
    if effect.name in SETTINGS and _may_differ_by_item(func, called):
        note_for_caller(findings, f"{effect.name} with what may differ by item")


def note_for_caller(findings: Findings, what: str) -> None:
    """Note what only the caller may do."""
    findings.calls[what] = findings.bound[what] = None


def _may_signal_itself(func: FunctionType) -> bool:
    """Whether a function that names `os.kill` may send a signal to its own process.

    Not to the programs that it has started, and signal 0 only asks whether a process is there.
    """
    flow, calls = flow_of(func), calls_of(func, os.kill)
    return not calls or not all(_is_for_others(flow, one) for one in calls)


def _is_for_others(flow: Flow, call: Call) -> bool:
    """Whether all calls with such arguments are for other processes."""
    _, passed, _ = call
    spelled = flow.calls[call]
    if spelled and all(one[1:2] == (0,) for one in spelled):
        return True
    origins = list(flow.origins(passed[0])) if passed else []
    return bool(origins) and all(one[2][-1:] == (_OF_A_PROGRAM,) for one in origins)


def _may_differ_by_item(func: FunctionType, setter: Any) -> bool:
    """Whether a function sets something to what is no constant, and does not plainly set it back.

    Two items that were watched may have set what was set already.
    """
    flow, calls = flow_of(func), calls_of(func, setter)
    if not calls:
        return True  # it is handed on
    differs = [_gets_no_constant(flow, one) for one in calls]
    return all(differs) and not any(sets_back(func, setter, one) for one in flow.calls)


def _gets_no_constant(flow: Flow, call: Call) -> bool:
    """Whether something is passed that may differ by item, wherever such a call is in the code."""
    return all(
        any(
            literal is None and not _is_constant(flow, symbol)
            for literal, symbol in zip(literals, call[1], strict=False)
        )
        for literals in flow.calls[call]
    )


def sets_back(func: FunctionType, setter: Any, call: Call) -> bool:
    """Whether a call sets what a call has given before, or is handed the setter for later."""
    flow, (callee, passed, _) = flow_of(func), call
    origins = [[flow.by_call(one) for one in flow.origins(symbol)] for symbol in passed]
    if any(found is setter for found in callees_of(func, NOTHING, callee)):
        return any(CALLED in one[2] for ones in origins for one in ones)
    handed = (one for ones in origins for one in ones if one[0] in _NAMED)
    return any(found is setter for one in handed for found in callees_of(func, NOTHING, one))


def calls_of(func: FunctionType, called: Any) -> list[Call]:
    """The calls of a function in the code of another, by names that can be followed."""
    return [
        one
        for one in flow_of(func).calls
        if any(found is called for found in callees_of(func, NOTHING, one[0]))
    ]


def _is_constant(flow: Flow, symbol: Symbol) -> bool:
    """Whether it is the same for all items: a global, say, or a function that the code defines."""
    if symbol is None or symbol[0] == INNER:
        return symbol is not None
    origins = list(flow.origins(symbol))
    is_named = len(origins) == 1 and origins[0][0] in _NAMED
    return is_named and CALLED not in origins[0][2]
