"""DQN trains and evaluates in every kind of environment."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from arlbench.core.algorithms.dqn import DQN, networks
from arlbench.core.environments import list_environments, make_env

GYMNAX = [
    x.name
    for x in list_environments()
    if x.framework == "gymnax" and not x.unusable and not DQN.cannot_learn(x)
]

#: Besides gymnax, a few of each library: those with another kind of mask or observation.
OTHERS = [
    ("xland", "MiniGrid-EmptyRandom-5x5"),
    ("xland", "MiniGrid-DoorKey-5x5"),
    ("xland", "MiniGrid-FourRooms"),
    ("xland", "MiniGrid-Unlock"),
    ("navix", "Navix-Empty-5x5-v0"),
    ("navix", "Navix-DoorKey-5x5-v0"),
    ("jumanji", "Game2048-v1"),
    ("jumanji", "Snake-v1"),
    ("jumanji", "Maze-v0"),
    ("craftax", "Craftax-Classic-Symbolic-v1"),
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


#: The others are for `make thorough`: in total, their compilation takes minutes.
QUICK = {"CartPole-v1", "Navix-Empty-5x5-v0"}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("framework", "name"),
    [
        pytest.param(framework, name, marks=() if name in QUICK else pytest.mark.thorough)
        for framework, name in [*(("gymnax", name) for name in GYMNAX), *OTHERS]
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
