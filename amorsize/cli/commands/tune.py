"""`amorsize tune|optimize|compare`: measure or predict how a function is best run over data."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from amorsize._host.signals import reraise_from_handler
from amorsize.cli import data, target
from amorsize.cli.command import INTERRUPTED, Answer, Argument, Command, FailureError
from amorsize.cli.commands.run import FUNC, SAVING
from amorsize.cli.failures import failed
from amorsize.cli.file_names import file_name
from amorsize.cli.numbers import seconds, whole
from amorsize.cli.text import clean
from amorsize.cli.tuning_answer import answer
from amorsize.policy.actions import WORKER_BACKENDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from amorsize.optimizer import OptimizationResult
    from amorsize.policy.actions import Plan
    from amorsize.tuning import TuningResult

#: Where plans can be told to run items; the loop is measured beside them in any case.


def _tune(asked: argparse.Namespace) -> Answer:
    from amorsize import tuning

    if asked.quick:
        _refuse_beside_quick(asked)
    func, items = _func_and_items(asked)
    options: dict[str, Any] = {
        "verbose": asked.verbose,
        "prefer_threads_for_io": asked.threads,
        "timeout_per_config": asked.timeout_per_config,
        "backends": asked.backends,
        "budget_s": asked.budget,
        "seed": asked.seed,
        "save": not asked.no_save,
    }
    if asked.quick:
        return _measured(asked, func, lambda: tuning.quick_tune(func, items, **options))
    options |= {
        "n_jobs_range": asked.n_jobs_range,
        "chunksize_range": asked.chunksize_range,
        "use_optimizer_hint": not asked.no_optimizer_hint,
        "strategy": asked.strategy or "grid",
        "repeats": asked.repeats,
    }
    return _measured(asked, func, lambda: tuning.tune_parameters(func, items, **options))


def _refuse_beside_quick(asked: argparse.Namespace) -> None:
    """A quick tuning chooses by itself what a full one can be told."""
    for name in ("n_jobs_range", "chunksize_range", "no_optimizer_hint", "strategy", "repeats"):
        if getattr(asked, name):
            flag = f"--{name.replace('_', '-')}"
            raise FailureError(
                f"--quick chooses what it tries by itself: leave out {flag}, or --quick.",
                status=2,
            )


def _compare(asked: argparse.Namespace) -> Answer:
    from amorsize import tuning

    func, items = _func_and_items(asked)
    return _measured(
        asked,
        func,
        lambda: tuning.compare_plans(
            func,
            items,
            asked.plans,
            asked.verbose,
            timeout_per_config=asked.timeout_per_config,
            repeats=asked.repeats,
            budget_s=asked.budget,
            seed=asked.seed,
        ),
    )


def _optimize(asked: argparse.Namespace) -> Answer:
    from amorsize.optimizer import optimize

    func, items = _func_and_items(asked)
    options = {"backend": asked.backend} if asked.backend else {}
    try:
        found = optimize(
            func,
            items,
            asked.sample_size,
            asked.target_chunk_duration,
            asked.verbose,
            n_jobs=asked.n_jobs,
            **options,
        )
    except Exception as error:
        raise failed(error, verbose=asked.verbose) from error
    return Answer(document=_prediction(found), blocks=[found.explain()])


def _prediction(found: OptimizationResult) -> dict[str, Any]:
    """A prediction as plain values, without the data."""
    fields = (name for name in found.__dataclass_fields__ if name != "data")
    values = {name: getattr(found, name) for name in fields}
    return {**values, "backend": found.backend, "estimated_s": found.estimated_s}


def _func_and_items(asked: argparse.Namespace) -> tuple[Callable[..., Any], Any]:
    """What to measure on what; refused early where the result could not be kept."""
    from amorsize import history
    from amorsize._function import callables

    if getattr(asked, "save_result", None) is not None:
        history.check_name(asked.save_result, replace=asked.replace, add=asked.add)
    path = getattr(asked, "save_config", None)
    if path is not None and not os.path.isdir(os.path.dirname(path) or "."):
        raise FailureError(f"{clean(path)} cannot be written: there is no such folder.")
    func = callables.raw(target.found(asked.func))
    return func, data.listed(asked)


def _measured(
    asked: argparse.Namespace, func: Callable[..., Any], measure: Callable[[], TuningResult]
) -> Answer:
    """Measure, keep what was asked to be kept, and tell; also what there is after Ctrl-C."""
    from amorsize import history, tuning

    try:
        result = measure()
    except KeyboardInterrupt as stopped:
        found = tuning.so_far(stopped)
        if found is None or not found.configurations_tested:
            raise FailureError(
                "interrupted before anything was measured.", status=INTERRUPTED
            ) from None
        text = "interrupted; this is what was found by then, and nothing of it was kept."
        raise FailureError(text, status=INTERRUPTED, answer=answer(found)) from None
    except Exception as error:
        raise failed(error, verbose=asked.verbose) from error
    if asked.save_result is not None:
        history.save(asked.save_result, result, func=func, replace=asked.replace, add=asked.add)
    if asked.save_config is not None:
        try:
            result.save_config(asked.save_config)
        except OSError as error:
            reraise_from_handler(error)
            raise FailureError(
                f"{clean(asked.save_config)} cannot be written: {error.strerror}.",
                answer=answer(result),
            ) from None
    return answer(result)


# -- arguments ------------------------------------------------------------------------------


def _plan(text: str) -> Plan:
    """`4,10` or `8,50,thread`: jobs, items in a chunk, and where."""
    from amorsize.policy.actions import Plan

    wrong = argparse.ArgumentTypeError(
        f"{text!r} is no plan: jobs, items in a chunk and perhaps a backend, as 4,10 or 8,50,thread"
    )
    parts = [part.strip() for part in text.split(",")]
    if len(parts) == 2:
        parts.append("process")
    if len(parts) != 3 or parts[2] not in WORKER_BACKENDS:
        raise wrong
    if not all(part.isascii() and part.isdecimal() and int(part) for part in parts[:2]):
        raise wrong
    return Plan(backend=parts[2], n_jobs=int(parts[0]), chunksize=int(parts[1]), source="tuned")


_LIMITS: tuple[Argument, ...] = (
    (
        ("--timeout-per-config",),
        {"type": seconds, "metavar": "S", "help": "end a configuration after S seconds"},
    ),
    (
        ("--budget",),
        {"type": seconds, "metavar": "S", "help": "end the search after S seconds"},
    ),
    (
        ("--repeats",),
        {
            "type": whole,
            "metavar": "N",
            "help": "runs of each configuration; without: as many as the noise demands",
        },
    ),
    (
        ("--seed",),
        {"type": whole, "default": 0, "metavar": "N", "help": "seed of the order of runs (0)"},
    ),
    (
        ("-v", "--verbose"),
        {"action": "store_true", "help": "tell on stderr what is tried and found"},
    ),
)

_KEEPING: tuple[Argument, ...] = (
    *SAVING,
    (
        ("--save-config",),
        {
            "type": file_name,
            "metavar": "FILE",
            "help": "write the result for TuningResult.load_config",
        },
    ),
)

COMMANDS = (
    Command(
        words=("tune",),
        help="measure ways of running a function over data, and keep the best for its next call",
        run=_tune,
        runs_code=True,
        arguments=(
            FUNC,
            *data.ARGUMENTS,
            (
                ("--quick",),
                {"action": "store_true", "help": "at most 1.5 times what the loop takes"},
            ),
            (
                ("--n-jobs-range",),
                {
                    "type": whole,
                    "nargs": "+",
                    "metavar": "N",
                    "help": "numbers of jobs to try",
                },
            ),
            (
                ("--chunksize-range",),
                {"type": whole, "nargs": "+", "metavar": "N", "help": "chunksizes to try"},
            ),
            (
                ("--no-optimizer-hint",),
                {"action": "store_true", "help": "do not look at a few items first"},
            ),
            (("--threads",), {"action": "store_true", "help": "try threads instead of processes"}),
            (
                ("--backends",),
                {"choices": WORKER_BACKENDS, "nargs": "+", "help": "where to try it"},
            ),
            (
                ("--strategy",),
                {
                    "choices": ("grid", "halving", "bayes"),
                    "help": "all cells (the default), the better half on ever more of the data, "
                    "or Bayesian search (pip install 'amorsize[bayes]')",
                },
            ),
            (
                ("--no-save",),
                {"action": "store_true", "help": "do not have the next call start from the winner"},
            ),
            *_LIMITS,
            *_KEEPING,
        ),
        epilog=(
            "examples:\n"
            "  amorsize tune shop.parse --data-file paths.txt --quick\n"
            "  amorsize tune shop.price --data-range 1000 --n-jobs-range 1 2 4 "
            "--chunksize-range 10 50\n"
            "  amorsize tune shop.fetch --data-file urls.txt --threads --budget 60 "
            "--save-result monday"
        ),
    ),
    Command(
        words=("optimize",),
        help="predict from a few items how a function is best run over data",
        run=_optimize,
        runs_code=True,
        arguments=(
            FUNC,
            *data.ARGUMENTS,
            (
                ("--sample-size",),
                {"type": whole, "default": 5, "metavar": "N", "help": "items to run (5)"},
            ),
            (
                ("--target-chunk-duration",),
                {
                    "type": seconds,
                    "metavar": "S",
                    "help": "seconds that a chunk is to last",
                },
            ),
            (
                ("--backend",),
                {"choices": WORKER_BACKENDS, "help": "predict for these workers alone"},
            ),
            (
                ("-j", "--n-jobs"),
                {
                    "type": whole,
                    "metavar": "N",
                    "help": "for so many at most; -1: usable cores",
                },
            ),
            (("-v", "--verbose"), {"action": "store_true", "help": "tell on stderr what is found"}),
        ),
        epilog="example:\n  amorsize optimize shop.parse --data-file paths.txt --sample-size 20",
    ),
    Command(
        words=("compare",),
        help="measure plans that you name side by side, the loop beside them",
        run=_compare,
        runs_code=True,
        arguments=(
            FUNC,
            (
                ("plans",),
                {
                    "type": _plan,
                    "nargs": "+",
                    "metavar": "PLAN",
                    "help": "jobs, items in a chunk, and perhaps a backend: 4,10 or 8,50,thread",
                },
            ),
            *data.ARGUMENTS,
            *_LIMITS,
            *_KEEPING,
        ),
        epilog='example:\n  amorsize compare shop.price "4,10" "8,50,thread" --data-range 1000',
    ),
)
