"""A grid world compared with published results (make learn; minutes)."""

from __future__ import annotations

import numpy as np
import pytest

from arlbench import EnvSpec, Problem
from arlbench.experiments.presets import tuned_for
from arlbench.population import train_population

pytestmark = pytest.mark.learning


def test_the_empty_room_is_crossed_by_every_seed() -> None:
    """The published best of 256 configurations reaches 0.95 with this budget."""
    name = "MiniGrid-EmptyRandom-5x5"
    problem = Problem(
        EnvSpec("xland", name, n_envs=4),
        hpo_config=tuned_for(name).hyperparameters,
        n_total_timesteps=100_000,
        n_eval_steps=10,
        n_eval_episodes=128,
    )
    result = train_population(problem, [{}], list(range(5)))
    returns = result.returns[0, :, -1].mean(axis=-1)
    print(f"\n{name} over 5 seeds: {np.mean(returns):.3f} ({np.round(returns, 3)})")
    assert np.mean(returns) >= 0.9
