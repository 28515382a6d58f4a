"""Finds what code sets to one of several constants, by the branch that an item takes.

What all items set to the same constant is set for good by the first one, in the caller. Of several
constants the last item's stays after a loop: a worker would set it in vain.
"""

from __future__ import annotations

from amorsize._function.bound_arguments import NOTHING
from amorsize._function.bytecode import JUMPS_ON, NAME_SHIFTS, op_numbers, placed
from amorsize._function.flow.flow_reader import flow_of
from amorsize._function.flow.name_lookup import callees_of
from amorsize._function.library.effects import effect_of
from amorsize._function.sharing.process_changes import SETTINGS, note_for_caller, sets_back

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator
    from types import CodeType, FunctionType
    from typing import Any

    from amorsize._function.flow.value_flow import Call
    from amorsize._function.sharing.findings import Findings

#: Functions that register something for good, or set one of many things.
_REGISTERING = {
    *("csv.register_dialect", "csv.unregister_dialect", "mimetypes.add_type", "copyreg.pickle"),
    *("xml.etree.ElementTree.register_namespace", "sqlite3.register_adapter"),
    *("sqlite3.register_converter", "logging.addLevelName", "logging.setLoggerClass"),
    *("logging.captureWarnings", "logging.setLogRecordFactory", "shutil.register_archive_format"),
    *("shutil.register_unpack_format", "numpy.seterr", "numpy.set_printoptions"),
    *("pandas.set_option", "pandas.reset_option", "sklearn.set_config", "matplotlib.use"),
    *("urllib.request.install_opener", "multiprocessing.set_start_method"),
}
#: Two functions that undo each other, by the name under which both are looked at.
_PAIRS = {
    **dict.fromkeys(("gc.enable", "gc.disable"), "gc.enable"),
    **dict.fromkeys(("faulthandler.enable", "faulthandler.disable"), "faulthandler.enable"),
    **dict.fromkeys(("tracemalloc.start", "tracemalloc.stop"), "tracemalloc.start"),
}
_RETURNS = frozenset(op_numbers("RETURN_VALUE", "RETURN_CONST"))
_KEPT = SETTINGS | _REGISTERING | _PAIRS.keys()


def judge_settings(findings: Findings, read: Iterable[FunctionType]) -> None:
    """Note what the functions that were read set to one of several constants."""
    if _KEPT.isdisjoint(findings.alters):
        return
    settings: dict[str, dict[Hashable, None]] = {}
    for func in dict.fromkeys(read):
        for name, told in _told(func).items():
            settings.setdefault(name, {}).update(dict.fromkeys(told))
    for name, values in settings.items():
        if len(values) > 1:
            note_for_caller(findings, f"{name} with one of several values")


def _told(func: FunctionType) -> dict[str, list[Hashable]]:
    """What a function sets each thing to; all in one where no branch leaves any of it out."""
    found: dict[str, list[Hashable]] = {}
    n_called: dict[str, int] = {}
    for call, called, name in _setters(func):
        if any(sets_back(func, called, one) for one in flow_of(func).calls):
            continue
        calls = dict.fromkeys(flow_of(func).calls[call])  # `finally` is in the code twice
        pair = _PAIRS.get(name, name)
        found.setdefault(pair, []).extend((name, one, call[1], call[2]) for one in calls)
        last = call[0][2][-1].lstrip(".") if call[0][2] else call[0][1]
        n_called[last] = n_called.get(last, 0) + len(calls)
    if found and _are_always_used(func.__code__, n_called):
        return {name: [tuple(told)] for name, told in found.items()}
    return found


def _setters(func: FunctionType) -> Iterator[tuple[Call, Any, str]]:
    """The calls of functions that set or register something, with that function and its name."""
    for call in flow_of(func).calls:
        for called in callees_of(func, NOTHING, call[0]):
            effect = effect_of(called) if callable(called) else None
            if effect is not None and effect.name in _KEPT:
                yield call, called, effect.name


def _are_always_used(code: CodeType, n_times: dict[str, int]) -> bool:
    """Whether names are used so often at places that no branch leaves out."""
    used = [*_used_always(code)]
    return all(used.count(name) >= n for name, n in n_times.items())


def _used_always(code: CodeType) -> Iterator[str]:
    """The names that operations use, up to the first return, where no jump passes over them."""
    steps = list(placed(code.co_code))
    jumps = [(start, end + 2 * arg) for start, end, op, arg in steps if op in JUMPS_ON]
    for place, _, op, arg in steps:
        if op in _RETURNS:
            return
        if op in NAME_SHIFTS and not any(start < place < target for start, target in jumps):
            yield code.co_names[arg >> NAME_SHIFTS[op]]
