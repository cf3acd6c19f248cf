"""What a training tells while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np


class UpdateStatistic(NamedTuple):
    """Some number over the updates of a training.

    Attributes:
        mean: Its mean; 0 if there was no update.
        std: Its population standard deviation; the same.
    """

    mean: float
    std: float


class TrainingProgress(NamedTuple):
    """Where a training stands, between two segments.

    Attributes:
        state: The algorithm's state, until the next segment takes over its memory.
        timesteps: Environment steps done in this call.
        total_timesteps: Environment steps that this call will do.
        eval_rewards: Returns of the evaluations so far, ``[n_done, n_eval_episodes]``.
        statistics: Of the updates so far, by name; None if they are not tracked.
    """

    state: Any
    timesteps: int
    total_timesteps: int
    eval_rewards: np.ndarray
    statistics: Mapping[str, UpdateStatistic] | None = None


#: Called between segments; training stops early if it returns True.
OnProgress = Callable[[TrainingProgress], bool | None]
