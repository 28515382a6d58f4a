"""Imports the optional packages, which the extras of amorsize bring."""

from amorsize.errors import MissingExtraError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def load(module: str, *, extra: str, need: str, otherwise: str = "") -> "Any":
    """Import an optional package.

    Args:
        module: Its name, as Python imports it.
        extra: The extra of amorsize that installs it.
        need: What needs it, as the first words of the message: "pictures need".
        otherwise: What the user can do without it, as a sentence.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        return __import__(module)
    except ImportError as error:
        hint = f" {otherwise}" if otherwise else ""
        raise MissingExtraError(
            f"{need} {module}, which is not installed: run `pip install 'amorsize[{extra}]'`.{hint}"
        ) from error
