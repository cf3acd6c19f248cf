"""What objectives and state features are computed from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from arlbench.core.algorithms.harness.progress import UpdateStatistic


class StepResult(NamedTuple):
    """A step of a schedule, finished.

    Attributes:
        returns: Undiscounted returns, float32 ``[n_eval_steps, n_eval_episodes]``; NaN
            for evaluations that were not reached because learning diverged.
        timesteps: Environment steps of the step at each evaluation, int64
            ``[n_eval_steps]``; all 0 if earlier steps had used up its budget.
        began_at: Environment steps of the run before the step.
        train_seconds: Time of the training and its evaluations, compilation apart.
        compile_seconds: Time spent on compilation.
        statistics: Of the step's updates, by name; empty if no feature needs them.
        measured: What objectives' meters read, by the objective's name.
        earlier: Mean return of the last evaluation of each step before, ``[config_step]``.
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
        """Environment steps of the run up to the step's end."""
        done = self.timesteps[-1] if self.diverged_at is None else self.diverged_at
        return self.began_at + int(done)

    @property
    def curve(self) -> np.ndarray:
        """Mean return of each evaluation, ``[n_eval_steps]``."""
        return self.returns.mean(axis=1)

    def frame(self) -> pd.DataFrame:
        """The learning curve: ``steps`` of this step and mean ``returns``, a row an evaluation."""
        return pd.DataFrame({"steps": self.timesteps, "returns": self.curve})
