"""Results of steps, made by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from arlbench.autorl import StepResult
from arlbench.core.algorithms.algorithm import UpdateStatistic

STATISTICS = {
    "grad_norm": UpdateStatistic(3.0, 0.5),
    "grad_variance": UpdateStatistic(0.25, 0.1),
    "loss": UpdateStatistic(7.0, 2.0),
    "td_error": UpdateStatistic(1.5, 0.75),
    "q_value": UpdateStatistic(-4.0, 1.0),
}


def make_result(**changes: Any) -> StepResult:
    """A result with two evaluations of three episodes; the step before ended with 20."""
    fields: dict[str, Any] = {
        "returns": np.array([[1.0, 2.0, 3.0], [4.0, 10.0, 16.0]], np.float32),
        "timesteps": np.array([50, 100]),
        "began_at": 300,
        "train_seconds": 1.5,
        "compile_seconds": 0.5,
        "statistics": STATISTICS,
        "measured": {"emissions": 2e-6},
        "earlier": (20.0,),
        "diverged_at": None,
    }
    return StepResult(**{**fields, **changes})
