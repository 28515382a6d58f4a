"""amorsize: parallel maps that tune themselves while they do the work.

    from amorsize import autotune

    @autotune
    def parse(path): ...

    documents = parse(paths)

Names are loaded when they are first asked for, so that importing the package costs next to nothing.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from amorsize import cache as cache
    from amorsize import history as history
    from amorsize._api.map import failed_index as failed_index
    from amorsize._api.map import partial_results as partial_results
    from amorsize._api.map import shutdown as shutdown
    from amorsize._api.map import workers as workers
    from amorsize._api.typed import TunedFunction as TunedFunction
    from amorsize._api.typed import autotune as autotune
    from amorsize._api.typed import tuned_map as tuned_map
    from amorsize._workers.worker_numbers import worker_number as worker_number
    from amorsize.errors import AmorsizeError as AmorsizeError
    from amorsize.errors import AmorsizeWarning as AmorsizeWarning
    from amorsize.errors import HistoryError as HistoryError
    from amorsize.errors import InvalidOptionError as InvalidOptionError
    from amorsize.errors import ItemTimeout as ItemTimeout
    from amorsize.errors import MissingExtraError as MissingExtraError
    from amorsize.errors import RemoteError as RemoteError
    from amorsize.errors import SerializationError as SerializationError
    from amorsize.errors import UnknownResultError as UnknownResultError
    from amorsize.errors import WorkerDied as WorkerDied
    from amorsize.errors import WorkersUnavailable as WorkersUnavailable
    from amorsize.errors import WrongTypeError as WrongTypeError
    from amorsize.explanation import Explanation as Explanation
    from amorsize.optimizer import OptimizationResult as OptimizationResult
    from amorsize.optimizer import optimize as optimize
    from amorsize.progress import Progress as Progress
    from amorsize.tuning import PipelineResult as PipelineResult
    from amorsize.tuning import TuningResult as TuningResult
    from amorsize.tuning import quick_tune as quick_tune
    from amorsize.tuning import tune_parameters as tune_parameters
    from amorsize.tuning import tune_pipeline as tune_pipeline

__version__ = "0.1.0"

__all__ = [
    "AmorsizeError",
    "AmorsizeWarning",
    "Explanation",
    "HistoryError",
    "InvalidOptionError",
    "ItemTimeout",
    "MissingExtraError",
    "OptimizationResult",
    "PipelineResult",
    "Progress",
    "RemoteError",
    "SerializationError",
    "TunedFunction",
    "TuningResult",
    "UnknownResultError",
    "WorkerDied",
    "WorkersUnavailable",
    "WrongTypeError",
    "autotune",
    "cache",
    "failed_index",
    "history",
    "optimize",
    "partial_results",
    "quick_tune",
    "shutdown",
    "tune_parameters",
    "tune_pipeline",
    "tuned_map",
    "worker_number",
    "workers",
]

_HOMES = {
    "Explanation": "amorsize.explanation",
    "OptimizationResult": "amorsize.optimizer",
    "PipelineResult": "amorsize.tuning",
    "Progress": "amorsize.progress",
    "TunedFunction": "amorsize._api.decorator",
    "TuningResult": "amorsize.tuning",
    "autotune": "amorsize._api.decorator",
    "cache": "amorsize.cache",  # the module itself: cache.clear(), cache.entries()
    "failed_index": "amorsize._api.map",
    "history": "amorsize.history",
    "optimize": "amorsize.optimizer",
    "partial_results": "amorsize._api.map",
    "quick_tune": "amorsize.tuning",
    "shutdown": "amorsize._api.map",
    "tune_parameters": "amorsize.tuning",
    "tune_pipeline": "amorsize.tuning",
    "tuned_map": "amorsize._api.tuned_map",
    "worker_number": "amorsize._workers.worker_numbers",
    "workers": "amorsize._api.map",
}

#: Public names that were changed, by what they are called now.
_RENAMED = {"partial": "partial_results"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        hint = f"; it is called {_RENAMED[name]!r} now" if name in _RENAMED else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")
    import sys

    from amorsize._host.own_modules import find_quickly

    find_quickly()
    home = _HOMES.get(name, "amorsize.errors")
    if home == "amorsize._api.map":
        from amorsize._host.signals import no_interrupts

        with no_interrupts():  # a handler that makes a call would find half of the modules
            __import__(home)
    __import__(home)
    module = sys.modules[home]
    value = module if home == f"{__name__}.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
