"""The signature of a map, from that of the function it calls for each item."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import Parameter, Signature, signature

from amorsize._host.signals import reraise_from_handler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_EMPTY = Parameter.empty
_ANYTHING = Signature(
    [
        Parameter("iterables", Parameter.VAR_POSITIONAL, annotation=Iterable),
        Parameter("item_kwargs", Parameter.VAR_KEYWORD),
    ],
    return_annotation=list,
)


def mapped_signature(func: Any, *, n_receivers: int) -> Signature:
    """`(path: str, encoding: str = "utf-8") -> Doc` as `(path: Iterable[str], /, *, ...) -> list`.

    Parameters without a default become iterables of what they were, the first one in any case; the
    others are the keywords that go to every item.

    Args:
        func: What is called for each item.
        n_receivers: How many leading parameters are passed on as they are: 1 for the `self` of a
            method that was reached through its class.
    """
    own = _signature_of(func)
    if own is None:
        return _ANYTHING
    parameters = list(own.parameters.values())
    mapped = [p.replace(kind=Parameter.POSITIONAL_ONLY) for p in parameters[:n_receivers]]
    for index, parameter in enumerate(parameters[n_receivers:]):
        kept = _mapped(parameter, is_first=index == 0)
        if kept is not None:
            mapped.append(kept)
    mapped.sort(key=lambda parameter: parameter.kind)  # stable: a keyword may precede *args
    return Signature(mapped, return_annotation=_of(list, own.return_annotation))


def _signature_of(func: Any) -> Signature | None:
    try:
        return signature(func, eval_str=True)
    except (TypeError, ValueError):  # a builtin that does not tell
        return None
    except Exception as error:  # an annotation that names what exists for type checkers only
        reraise_from_handler(error)
        return signature(func)


def _mapped(parameter: Parameter, *, is_first: bool) -> Parameter | None:
    kind = parameter.kind
    item = parameter.annotation
    if kind is Parameter.VAR_POSITIONAL:
        return parameter.replace(annotation=_of(Iterable, item))
    if kind in (Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD):
        return parameter
    if is_first or parameter.default is _EMPTY:
        return parameter.replace(
            kind=Parameter.POSITIONAL_ONLY, default=_EMPTY, annotation=_of(Iterable, item)
        )
    if kind is Parameter.POSITIONAL_ONLY:  # no keyword can name it: it keeps its default
        return None
    return parameter.replace(kind=Parameter.KEYWORD_ONLY)


def _of(container: Any, item: Any) -> Any:
    """`container[item]`, also where the item's type is known by its text alone."""
    if item is _EMPTY:
        return container
    return f"{container.__name__}[{item}]" if isinstance(item, str) else container[item]
