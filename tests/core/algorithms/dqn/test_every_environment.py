"""DQN trains and evaluates in every kind of environment."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from arlbench.core.algorithms.dqn import DQN, networks
from arlbench.core.environments import make_env

#: One of each kind of observation and mask; those with presets train in
#: ``tests/experiments/test_published_environments.py``.
ENVIRONMENTS = [
    ("gymnax", "Breakout-MinAtar"),
    ("gymnax", "FourRooms-misc"),
    ("gymnax", "MemoryChain-bsuite"),
    ("gymnax", "Pong-misc"),
    ("navix", "Navix-Empty-5x5-v0"),
    ("jumanji", "Snake-v1"),
]

#: They take long to compile, and all but the first are like one above.
SLOW = [
    ("craftax", "Craftax-Classic-Symbolic-v1"),
    ("navix", "Navix-DoorKey-5x5-v0"),
    ("jumanji", "Game2048-v1"),
    ("jumanji", "Maze-v0"),
]

#: Names of environments for a convolutional network; the others use a plain one.
GRIDS = {"MinAtar": "GridQ", "MiniGrid-": "GridQ", "Navix-": "GridQ", "Snake": "GridQ"}

CONFIG = {
    "buffer_size": 2_048,
    "buffer_batch_size": 4,
    "learning_starts": 100,
    "train_freq": 8,
    "initial_epsilon": 0.5,
}


@pytest.mark.parametrize(
    ("framework", "name"),
    [
        *(pytest.param(*env, marks=pytest.mark.thorough) for env in ENVIRONMENTS),
        *(pytest.param(*env, marks=pytest.mark.stress) for env in SLOW),
    ],
)
def test_two_thousand_steps_and_an_evaluation(framework: str, name: str) -> None:
    network = next((kind for part, kind in GRIDS.items() if part in name), "MLPQ")
    dqn = DQN(
        CONFIG,
        make_env(framework, name, n_envs=4),
        cnn_policy=network == "GridQ",
        nas_config={"hidden_size": 4},
    )
    assert networks.describe(dqn.structure.agent.network).startswith(network)
    state = dqn.init(jax.random.key(0), capacity=2_048)
    (runner, _), result = dqn.train(*state, 2_000, n_eval_steps=1, n_eval_episodes=4)
    assert runner.global_step == 63 * 8
    assert runner.train_state.step == 60
    assert result.eval_rewards.shape == (1, 4)
    assert np.isfinite(result.eval_rewards).all()
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(runner.train_state.params))
