"""The text that `help()` shows below a tuned function's own docstring: how to call it."""

from __future__ import annotations

from inspect import Parameter, cleandoc

from amorsize._engine.options.call_options import DEFAULTS
from amorsize._function.callables import own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._engine.options.call_options import Options

_TEXT = """\
Tuned by amorsize. Call it with {data}: it returns the list of what the function returns for
each item, in their order. Keywords go to every item.

    results = {name}({items})
    result = {name}.one({one})  # the function as it was written, for one item
    results = {name}.using(n_jobs=4)({items})  # with other options, for one call
    for result in {name}.stream({items}):  # results as they are needed
        ...
    print({name}.explain())  # what the last call measured, chose and achieved

{options}`help(amorsize.autotune)` explains all options."""


def help_text(tuned: Any) -> str:
    """The docstring of a tuned function."""
    taken = _taken(tuned)
    told = _TEXT.format(
        data=f"an iterable for each of {', '.join(taken)}" if taken[1:] else "an iterable of items",
        name=_reached_as(tuned),
        items=", ".join(f"all_{name}" for name in taken) if taken[1:] else "items",
        one=", ".join(taken) or "item",
        options=_changed(tuned.options),
    )
    its_own = tuned.__wrapped__.__doc__
    has_one = isinstance(its_own, str) and its_own.strip()
    return f"{cleandoc(str(its_own))}\n\n{told}" if has_one else told


def _taken(tuned: Any) -> list[str]:
    """The parameters for which a call takes iterables."""
    parameters = tuned.__signature__.parameters.values()
    names = [one.name for one in parameters if one.kind is Parameter.POSITIONAL_ONLY]
    is_receiver = bool(_home(tuned)) and names[:1] in (["self"], ["cls"])
    return names[1:] if is_receiver else names


def _home(tuned: Any) -> str:
    """The class in which the function was defined; "" for none."""
    qualname = str(own(tuned.__wrapped__, "__qualname__", ""))
    home = qualname.rpartition("<locals>.")[2].rpartition(".")[0]
    return home if own(tuned.__wrapped__, "__module__") != "builtins" else ""


def _reached_as(tuned: Any) -> str:
    """The name of the function as users write it."""
    name, home = (tuned._self_parent or tuned)._self_name, _home(tuned)
    if not home:
        return "tuned" if name == "<lambda>" else name
    binding = getattr(tuned, "_self_binding", "function")
    return f"{home}.{name}" if binding in ("staticmethod", "classmethod") else f"instance.{name}"


def _changed(options: Options) -> str:
    """The options that differ from the defaults, as users write them."""
    texts = [
        f"{name}={value!r}"
        for name, value in options.as_dict().items()
        if value != getattr(DEFAULTS, name)
    ]
    return f"Its options: {', '.join(texts)}. " if texts else ""
