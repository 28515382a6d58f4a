"""Says why an item may only be read once the one before it has been run.

A loop reads an item, runs it, and reads the next. Reading further ahead gives other results if
items change what the data comes from, or if reading the data changes what items see. So the code
behind an iterator is read like that of the function, and the two are compared.
"""

from __future__ import annotations

from amorsize._engine.placement import placement
from amorsize._engine.reading.behind_data import functions_behind, in_sight_of
from amorsize._engine.reading.feedback import is_for_waiting
from amorsize._function.bytecode import nested, op_number
from amorsize._function.callables import METHOD
from amorsize._function.library.sql_uses import LOOKS, statements
from amorsize._function.sharing.thread_safety import examine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from amorsize._engine.options.call_options import Options
    from amorsize._function.sharing.findings import Objects, Reach

#: Names in a generator's code by which it takes files away from an item that it has given.
REMOVES = frozenset(("unlink", "rmtree", "rmdir", "removedirs", "rename"))
#: Names by which code looks at which files there are.
LOOKING = frozenset(
    ("exists", "lexists", "isfile", "isdir", "is_file", "is_dir", "listdir", "scandir", "iterdir")
)
FOR_ITER = op_number("FOR_ITER")


def why_in_lockstep(
    parts: Sequence[Any], func: Any, options: Options, items: Sequence[object]
) -> str | None:
    """Why the next item may depend on how this one was run, in words; None: nothing suggests that.

    Args:
        parts: The iterators that items come from.
        func: The function, keywords of the call bound.
        options: Those of the call.
        items: The next items, as far as they are read.
    """
    reach, objects = placement.last_refusal(func, items, options) or examine(func, items)
    verdict = placement.from_reading(reach, options)
    if verdict.thread_reason is not None and verdict.process_reason is not None:
        return verdict.process_reason  # nobody waits for an item that is not read yet
    if why := _why_in_sight(parts, reach, objects):
        return why
    for one in functions_behind(parts):
        data, data_objects = examine(one)
        why = (
            _why_by_changes(data)
            or _why_by_objects(data, data_objects, reach, objects)
            or _why_by_code(one.__func__ if type(one) is METHOD else one, reach)
            or _why_by_module(one.__module__, reach)
        )
        if why is not None:
            return why
    return None


def _why_in_sight(parts: Sequence[Any], reach: Reach, objects: Objects) -> str | None:
    """Why, if an iterator holds, or names, an object that items change or may be waited for at."""
    changes = reach.stores or reach.changed
    asked = {id(one): n for n, one in objects.mutables.items() if changes or is_for_waiting(one)}
    for one in in_sight_of(parts) if asked else ():
        if (name := asked.get(id(one))) is not None:
            return f"its items come from what they change ({name})"
    return None


def _why_by_changes(data: Reach) -> str | None:
    """Why, if reading the data changes what any item may see."""
    for name, how in data.alters.items():
        return f"reading its data calls {name}, which {how}"
    if data.bound:
        return f"reading its data calls {data.bound[0]}"
    for name in (*data.stores, *data.changed):
        if not name.startswith("self"):
            return f"reading its data changes {name}, which items may see"
    return None


def _why_by_objects(data: Reach, held: Objects, reach: Reach, objects: Objects) -> str | None:
    """Why, if the data's code and the items use one object, and one of them changes it."""
    for one in data.calls:
        if one.startswith("print") and one in reach.calls:
            return f"both reading its data and an item call {one}"
    changes = reach.stores or reach.changed or data.stores or data.changed
    by_id = {id(one): name for name, one in (*objects.mutables.items(), *objects.handles.items())}
    shared = [one for one in held.handles.values() if id(one) in by_id]  # reading moves them on
    shared += [
        one
        for one in held.mutables.values()
        if id(one) in by_id and (changes or is_for_waiting(one))
    ]
    return f"its items come from what they change ({by_id[id(shared[0])]})" if shared else None


def _why_by_code(func: Any, reach: Reach) -> str | None:
    """Why, if the data's own code changes files or tables, or looks for files in a `while`."""
    for use, word in statements(func):
        if use != LOOKS:
            return f"reading its data changes a database ({word.upper()})"
    code = func.__code__
    names = {name for one in (code, *nested(code)) for name in one.co_names}
    if removes := REMOVES & names or ({"os", "remove"} <= names and {"os.remove"}):
        return f"reading its data takes files away ({min(removes)})"
    if reach.touches and (looks := LOOKING & names) and FOR_ITER not in code.co_code[::2]:
        return f"reading its data looks for files ({min(looks)}), and items may write some"
    return None


def _why_by_module(module: str, reach: Reach) -> str | None:
    """Why, if items ask the module that the data comes from, which tells how far it was read."""
    for name, how in reach.alters.items():
        if name.rpartition(".")[0] == module:
            return f"its items come from {module}, and may call {name}, which {how}"
    return None


def why_as_in_loop(parts: Sequence[Any]) -> str | None:
    """Why items have to draw random numbers as in a loop: their data sets a generator."""
    for one in functions_behind(parts):
        if examine(one)[0].seeds:
            return "reading its data sets a random generator, from which items may draw"
    return None
