"""Tells which clients of services send what earlier answers told them.

Cookies, and the counts of an authentication, are read from one answer and sent with the next
request. Threads may use such a client at once, but then each request depends on the order in which
answers come.
"""

from __future__ import annotations

from amorsize._function import callables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from amorsize._function.sharing.findings import Findings

#: What an opener is made of that keeps nothing of an answer; each by its own class alone.
_OPENING = frozenset(
    f"urllib.request.{name}"
    for name in (
        *("ProxyHandler", "UnknownHandler", "HTTPHandler", "HTTPSHandler", "FTPHandler"),
        *("HTTPDefaultErrorHandler", "HTTPRedirectHandler", "HTTPErrorProcessor"),
        *("FileHandler", "DataHandler"),
    )
)
#: The same for what a client of httpx authenticates with.
_STANDING = frozenset({"builtins.NoneType", "httpx.BasicAuth", "httpx._auth.BasicAuth"})


def may_share(findings: Findings, client: Any, known_as: str, label: str) -> bool:
    """Whether threads may use a client at once, if its documentation lets them.

    The cookies of one that has none yet are watched.
    """
    if keeps_answers(client, known_as):
        return False
    if (jar := jar_of(client, known_as)) is not None:
        findings.keep("mutables", jar, f"the cookies of {label or 'self'}")
    return True


def keeps_answers(client: Any, known_as: str) -> bool:
    """Whether a client is known to send what it was told before.

    Args:
        client: An object that the table of types knows.
        known_as: The name of its type in that table.
    """
    if known_as == "urllib.request.OpenerDirector":
        return not _OPENING.issuperset(map(callables.type_name, client.handlers))
    if known_as == "httpx.Client":
        is_standing = callables.type_name(callables.own(client, "_auth")) in _STANDING
        return bool(jar_of(client, known_as)) or not is_standing
    return False


def jar_of(client: Any, known_as: str) -> Any:
    """Where a client keeps the cookies that any answer may bring; None: nowhere."""
    if known_as != "httpx.Client":
        return None
    return callables.own(callables.own(client, "_cookies"), "jar")
