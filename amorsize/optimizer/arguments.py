"""What `optimize` may be asked for."""

from __future__ import annotations

from typing import Any

from amorsize._engine.options import call_checks
from amorsize.errors import InvalidOptionError, WrongTypeError

#: Options that are True or False.
FLAGS = ("prefer_threads_for_io", "auto_adjust_for_nested_parallelism")
#: Options that similar functions have elsewhere, with what does the same here.
REPLACED = {
    "use_spawn_benchmark": (
        "what starting a worker costs is measured on this host in any case, by real workers where "
        "calls have started some (`amorsize machine` shows it). Leave it out."
    ),
    "use_chunking_benchmark": (
        "what sending a chunk costs is measured on this host in any case. Leave it out; to measure "
        "chunksizes on real workers, call tune_parameters(func, data, chunksize_range=[...])."
    ),
    "profile": (
        "every result has what was seen and why: print(result.explain()), or read result.item_s, "
        "result.sampled_s, result.reason and result.warnings. Leave it out."
    ),
}


def check_flags(**given: Any) -> None:
    """Refuse what is no option, with what does the same here, and values of the wrong type."""
    callback = given.pop("progress_callback")
    if callback is not None and not callable(callback):
        raise WrongTypeError(
            f"progress_callback={call_checks.shown(callback)} is of the wrong type: it is a "
            "function "
            "of what is being done and the share that is done, or None."
        )
    for name, value in given.items():
        if name in REPLACED:
            raise WrongTypeError(f"optimize has no option {name!r}: {REPLACED[name]}")
        if name not in FLAGS:
            raise WrongTypeError(
                f"optimize has no option {name!r}. It has sample_size, target_chunk_duration, "
                f"verbose, item_kwargs, backend, n_jobs, thread_safe, {', '.join(FLAGS)} and "
                "progress_callback."
            )
        if value is not True and value is not False:
            raise WrongTypeError(
                f"{name}={call_checks.shown(value)} is of the wrong type: it is True or False."
            )


def check_numbers(sample_size: Any, target_chunk_duration: Any) -> None:
    if isinstance(sample_size, bool) or not isinstance(sample_size, int):
        raise WrongTypeError(
            f"sample_size={call_checks.shown(sample_size)} is of the wrong type: it is the "
            "number of "
            "items to run."
        )
    if sample_size < 1:
        raise InvalidOptionError(
            f"sample_size={sample_size} is not allowed: at least 1 item has to be run."
        )
    if target_chunk_duration is None:
        return
    if isinstance(target_chunk_duration, bool) or not isinstance(
        target_chunk_duration, int | float
    ):
        raise WrongTypeError(
            f"target_chunk_duration={call_checks.shown(target_chunk_duration)} is of the wrong "
            "type: "
            "it is a number of seconds, or None."
        )
    if not 0 < target_chunk_duration < float("inf"):
        raise InvalidOptionError(
            f"target_chunk_duration={target_chunk_duration} is not allowed: it is a number of "
            "seconds above 0, or None."
        )
