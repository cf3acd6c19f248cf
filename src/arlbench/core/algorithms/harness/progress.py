"""What training reports while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np


class UpdateStatistic(NamedTuple):
    """A statistic of a number over the updates of a training run.

    Attributes:
        mean: The mean; 0 without any update.
        std: The population standard deviation; 0 without any update.
    """

    mean: float
    std: float


class TrainingProgress(NamedTuple):
    """The progress of a training run, between two segments.

    Attributes:
        state: The algorithm's state, valid until the next segment reuses its memory.
        timesteps: Environment steps done in this call.
        total_timesteps: Environment steps that this call will do in total.
        eval_rewards: Returns of the evaluations so far, ``[n_done, n_eval_episodes]``.
        statistics: Statistics of the updates so far, by name; None if they are not tracked.
    """

    state: Any
    timesteps: int
    total_timesteps: int
    eval_rewards: np.ndarray
    statistics: Mapping[str, UpdateStatistic] | None = None


#: Is called between segments; if it returns True, the training stops early.
OnProgress = Callable[[TrainingProgress], bool | None]
