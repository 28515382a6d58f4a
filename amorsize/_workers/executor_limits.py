"""What no executor can keep."""

from __future__ import annotations

from amorsize.errors import InvalidOptionError


def refuse(
    where: str, *, has_timeout: bool, has_teardown: bool, has_memory_limit: bool = False
) -> None:
    """Raise for options that no executor can keep.

    Args:
        where: Names the executor in messages, such as "with executor=".
        has_timeout: Whether the call has timeout=.
        has_teardown: Whether the call has teardown=.
        has_memory_limit: Whether the call has max_worker_memory=.

    Raises:
        InvalidOptionError: One of them is set.
    """
    outlive = "its workers go on living after the call, and none can be told that it ran its last"
    for is_set, name, verb, why in (
        (has_teardown, "teardown", "promised", f"{outlive} item"),
        (has_timeout, "timeout", "kept", "its workers cannot be ended one by one"),
        (has_memory_limit, "max_worker_memory", "kept", "its workers are not ours to replace"),
    ):
        if is_set:
            raise InvalidOptionError(f"{name}= cannot be {verb} {where}: {why}. Leave {name} out.")
