"""The result of a step, from which objectives and state features are computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from arlbench.core.algorithms.harness.progress import UpdateStatistic


class StepResult(NamedTuple):
    """The result of a step of a schedule.

    Attributes:
        returns: Undiscounted returns, float32 ``[n_eval_steps, n_eval_episodes]``; NaN
            for evaluations that were not reached because learning diverged.
        timesteps: Environment steps of the step at each evaluation, int64
            ``[n_eval_steps]``; all 0 if earlier steps had used up its budget.
        began_at: Environment steps of the run before the step.
        train_seconds: Time of the training and its evaluations, without compilation.
        compile_seconds: Time of compilation.
        statistics: Statistics of the step's updates, by name; empty if no feature needs them.
        measured: Values from the objectives' meters, by the objective's name.
        earlier: Mean return of the last evaluation of each earlier step, ``[config_step]``.
        diverged_at: Environment steps of the step after which learning was found to be
            non-finite; None if it was not.
    """

    returns: np.ndarray
    timesteps: np.ndarray
    began_at: int
    train_seconds: float
    compile_seconds: float
    statistics: Mapping[str, UpdateStatistic]
    measured: Mapping[str, float]
    earlier: tuple[float, ...]
    diverged_at: int | None

    @property
    def ended_at(self) -> int:
        """Environment steps of the run at the end of the step."""
        done = self.timesteps[-1] if self.diverged_at is None else self.diverged_at
        return self.began_at + int(done)

    @property
    def curve(self) -> np.ndarray:
        """Mean return of each evaluation, ``[n_eval_steps]``."""
        return self.returns.mean(axis=1)

    def frame(self) -> pd.DataFrame:
        """The learning curve, one row for each evaluation: ``steps`` in this step, ``returns``."""
        return pd.DataFrame({"steps": self.timesteps, "returns": self.curve})
