"""The rows of a member's results, which :mod:`arlbench.experiments.table` describes.

They are made without pyarrow, because importing it takes longer than a short training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from arlbench.experiments.experiment import Experiment
from arlbench.population import MemberResult


def rows_of(experiment: Experiment, result: MemberResult) -> list[dict[str, Any]]:
    """One row for each evaluation, including those that a diverged member did not reach."""
    config: Mapping[str, Any] = experiment.configs[result.config_index]
    of_all = {
        "config": result.config_index,
        "seed": experiment.seeds[result.seed_index],
        "status": result.status,
        "diverged_at": result.diverged_at,
        "train_seconds": result.train_seconds,
        **config,
    }
    steps = zip(result.timesteps, result.returns, strict=True)
    return [
        {**of_all, "evaluation": i, "timesteps": int(timesteps), **_of_episodes(returns)}
        for i, (timesteps, returns) in enumerate(steps, start=1)
    ]


def _of_episodes(returns: np.ndarray) -> dict[str, Any]:
    """The cells for one evaluation ``[n_eval_episodes]``; empty if it has a NaN."""
    if np.isnan(returns).any():
        return {}
    return {
        "return_mean": float(returns.mean(dtype=np.float64)),
        "return_std": float(returns.std(dtype=np.float64)),
        "episode_returns": np.asarray(returns, np.float32),
    }
