"""Tune deliberately: measure plans on real workers, compare them, keep the best.

    from amorsize.tuning import quick_tune, tune_parameters

    print(quick_tune(parse, paths))

Unlike a call of a tuned function, a tuning runs items again and again, and says how much.
"""

from __future__ import annotations

from amorsize.tuning.configuration import Configuration
from amorsize.tuning.pipeline import PipelineResult, tune_pipeline
from amorsize.tuning.result import TuningResult
from amorsize.tuning.tune import compare_plans, quick_tune, so_far, tune_parameters

__all__ = (
    "Configuration",
    "PipelineResult",
    "TuningResult",
    "compare_plans",
    "quick_tune",
    "so_far",
    "tune_parameters",
    "tune_pipeline",
)
