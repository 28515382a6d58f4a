"""Named results of tunings or calls: kept on disk, looked at again, compared.

    from amorsize import history

    history.save("before", parse)      # what the last call of `parse` did; or a tuning's result
    ...
    history.save("after", parse)
    print(history.compare("before", "after"))

They lie beside the cache as JSON files, one a result, and stay until they are deleted: neither age
nor `cache.clear()` removes them.
"""

from __future__ import annotations

import builtins
import os
from typing import TYPE_CHECKING, Any

from amorsize import cache
from amorsize.errors import HistoryError, InvalidOptionError, UnknownResultError
from amorsize.history import build, store
from amorsize.history.compare import Change, Comparison, Difference, compared
from amorsize.history.result import Figure, Saved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from matplotlib.axes import Axes

__all__ = (
    "Change",
    "Comparison",
    "Difference",
    "Figure",
    "Saved",
    "check_name",
    "clear",
    "compare",
    "delete",
    "list",
    "n_damaged",
    "plot",
    "save",
    "show",
)

MAX_NAME_CHARS = 100


def save(
    name: str,
    result: Any,
    *,
    func: Callable[..., Any] | None = None,
    note: str = "",
    replace: bool = False,
    add: bool = False,
) -> Saved:
    """Keep a result under a name.

    One result shows the noise within it; three or more that are added up show what such results
    differ by, and smaller changes can then be told from noise.

    Args:
        name: Any printable text of 1 to 100 characters. It is data, never part of a path.
        result: A tuned function, or one that `tuned_map` has run in this process (its last call is
            saved); what `explain()` gave; or the result of a tuning, which is anything with
            `to_dict()`.
        func: The function a tuning has measured, so that a change of its code can be told later.
        note: A line of your own to go with it.
        replace: Put it in the place of another result of that name.
        add: Add it to the result of that name, if there is one, which must be of the same work.

    Returns:
        What was saved, as `show` gives it.

    Raises:
        InvalidOptionError: The name is not allowed, or taken, or its result is of other work; or
            both `replace` and `add` are set.
        WrongTypeError: There is no result in what was given.
        HistoryError: It cannot be written.

    Example:
        >>> area = autotune(lambda side: side * side)
        >>> squares = area(range(1000))
        >>> history.save("before", area).n_items
        1000
    """
    check_name(name, replace=replace, add=add)
    saved = build.saved(name, result, func, note)
    if add and store.exists(name):
        saved = build.added(show(name), saved)
    store.write(name, saved.as_document(), replace=replace or add)
    return saved


def list() -> builtins.list[Saved]:
    """All results that can be read, the one saved last at the front.

    Raises:
        HistoryError: The folder cannot be used.

    Example:
        >>> history.list()
        []
    """
    _refuse_if_off()
    found = [one for one in _readable() if one is not None]
    return sorted(found, key=lambda one: (-one.saved_at_s, one.name))


def n_damaged() -> int:
    """How many files there are that no result can be read from; `clear` removes them as well."""
    _refuse_if_off()
    return sum(one is None for one in _readable())


def show(name: str) -> Saved:
    """The result of this name; print it.

    Raises:
        UnknownResultError: There is none; the text names those that are like it.
        HistoryError: It is damaged, or the folder cannot be used.

    Example:
        >>> history.show("before")
        Traceback (most recent call last):
        amorsize.errors.UnknownResultError: there is no result named 'before'. ...
    """
    _refuse_if_off()
    document = store.read(name)
    if document is None:
        raise UnknownResultError(_no_such(name))
    saved = Saved.from_document(document)
    if saved is None or saved.name != name:
        raise HistoryError(
            f"the result {name!r} is damaged, or of another version of amorsize. "
            "Delete it, and save it anew."
        )
    return saved


def compare(a: str | Saved, b: str | Saved) -> Comparison:
    """What changed from one result to another, and whether that exceeds the noise.

    Args:
        a: The name of the earlier one, or what `show` gave.
        b: The other.

    Raises:
        UnknownResultError: There is none of this name.
        HistoryError: It is damaged, or the folder cannot be used.

    Example:
        >>> area = autotune(lambda side: side * side)
        >>> for name in ("before", "after"):
        ...     squares = area(range(1000))
        ...     saved = history.save(name, area)
        >>> print(history.compare("before", "after").verdict)
        The whole...
    """
    return compared(a if isinstance(a, Saved) else show(a), b if isinstance(b, Saved) else show(b))


def plot(
    names: Iterable[str | Saved] | str | None = None,
    *,
    what: str = "total",
    ax: Axes | None = None,
) -> Axes:
    """Draw results in the order in which they were saved, each with its 95 % interval.

    The results of one function are joined by a line; a change between two of them that exceeds the
    noise is marked with its factor.

    Args:
        names: Of results, or what `show` gave; None for all there are.
        what: "total" for the time of all items, "loop" for what the loop takes, "item" for the cost
            of one item.
        ax: Where to draw; None for a new figure of pyplot.

    Raises:
        InvalidOptionError: There is no such `what`.
        UnknownResultError: There is none of one of these names.
        HistoryError: It is damaged, or the folder cannot be used.
        MissingExtraError: matplotlib is not installed: `pip install 'amorsize[plot]'`.
    """
    from amorsize.history import plots

    if what not in plots.WORDS:
        allowed = ", ".join(map(repr, plots.WORDS))
        raise InvalidOptionError(f"what={what!r} is not allowed: it is one of {allowed}.")
    if names is None:
        return plots.plot(list(), what, ax)
    wanted = [names] if isinstance(names, str | Saved) else names
    return plots.plot([one if isinstance(one, Saved) else show(one) for one in wanted], what, ax)


def delete(*names: str) -> int:
    """Remove the results of these names, damaged ones as well; how many. All of them, or none.

    Raises:
        UnknownResultError: There is none of one of these names; then nothing was removed.
        HistoryError: The folder cannot be used.

    Example:
        >>> area = autotune(lambda side: side * side)
        >>> squares = area(range(1000))
        >>> saved = history.save("before", area)
        >>> history.delete("before")
        1
    """
    _refuse_if_off()
    for name in names:
        if not store.exists(name):
            raise UnknownResultError(_no_such(name))
    return sum(store.remove(name) for name in dict.fromkeys(names))


def clear() -> int:
    """Remove all results, damaged ones as well; how many.

    Raises:
        HistoryError: The folder cannot be used.

    Example:
        >>> history.clear()
        0
    """
    _refuse_if_off()
    return store.clear()


def check_name(name: str, *, replace: bool = False, add: bool = False) -> None:
    """Refuse a name that `save` would refuse: for asking before a long measurement.

    Raises:
        InvalidOptionError: The name is not allowed, or taken: neither to be replaced nor added to.
        HistoryError: The folder cannot be used.
    """
    _refuse_if_off()
    if type(name) is not str or not 1 <= len(name) <= MAX_NAME_CHARS or not name.isprintable():
        raise InvalidOptionError(
            f"{name!r:.120} cannot be a result's name: it is a printable text of 1 to "
            f"{MAX_NAME_CHARS} characters."
        )
    if replace and add:
        raise InvalidOptionError(
            "replace=True and add=True (--replace and --add) exclude each other. Pass only one."
        )
    if not (replace or add) and store.exists(name):
        raise InvalidOptionError(
            f"there is a result named {name!r} already. Choose another name, replace it "
            "(replace=True, --replace), add to it (add=True, --add), or delete it."
        )


def _readable() -> builtins.list[Saved | None]:
    """Each result; None for a file that holds none, or that of another name."""
    found: builtins.list[Saved | None] = []
    for stem, document in store.all_documents():
        saved = None if document is None else Saved.from_document(document)
        found.append(saved if saved and store.stem(saved.name) == stem else None)
    return found


def _no_such(name: object) -> str:
    from difflib import get_close_matches

    names = [saved.name for saved in _readable() if saved is not None]
    near = get_close_matches(str(name)[:200], names, n=3, cutoff=0.5)
    if near:
        what_to_do = f"Nearest: {', '.join(map(repr, near))}."
    elif names:
        what_to_do = "`amorsize history list` lists what there is."
    else:
        what_to_do = "Nothing has been saved yet."
    return f"there is no result named {str(name)[:120]!r}. {what_to_do}"


def _refuse_if_off() -> None:
    if cache.switched_off():
        raise HistoryError(
            f"{cache.SWITCH_VARIABLE}={os.environ.get(cache.SWITCH_VARIABLE, 'off')} forbids to "
            "read and write what is kept on disk. Unset it to work with saved results."
        )
