"""Which network is chosen for which observations, and the network for grids."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.algorithms.dqn import DQN, networks
from arlbench.core.algorithms.dqn.models import CNNQ, MLPQ
from arlbench.core.algorithms.dqn.networks import GridQ
from arlbench.core.environments import make_env
from arlbench.core.observations import Grid
from arlbench.errors import UnknownEnvironmentError
from probes import OneStep

NAS_CONFIG = {"activation": "relu", "hidden_size": 8}


class Observing(OneStep):
    """An environment with a given observation space."""

    def __init__(self, space: spaces.Space) -> None:
        super().__init__()
        self._space = space

    @property
    def observation_space(self) -> spaces.Space:
        return self._space


@pytest.mark.parametrize(
    ("space", "network"),
    [
        (spaces.Box(0, 255, (4, 84, 84), np.uint8), CNNQ(2, **NAS_CONFIG)),
        (spaces.Box(0, 255, (1, 36, 40), np.uint8), CNNQ(2, **NAS_CONFIG)),
        (spaces.Box(0, 1, (10, 10, 4)), GridQ(2, Grid((10, 10, 4), 0), **NAS_CONFIG)),
        (
            spaces.Dict([("n", spaces.Discrete(3)), ("board", spaces.Box(0, 9, (4, 4), np.int32))]),
            GridQ(2, Grid((4, 4, 1), 3), **NAS_CONFIG),
        ),
    ],
    ids=["frames", "small frames", "grid", "board and a number"],
)
def test_the_observation_decides_which_convolutional_network_reads_it(
    space: spaces.Space, network: Any
) -> None:
    env = Observing(space)
    assert networks.choose(env, True, NAS_CONFIG) == network
    assert networks.choose(env, False, NAS_CONFIG) == MLPQ(2, **NAS_CONFIG)


@pytest.mark.parametrize(
    "space", [spaces.Box(0, 1, (4,)), spaces.Discrete(5), spaces.Box(0, 255, (63, 30, 3))]
)
def test_what_no_convolution_can_read_is_refused(space: spaces.Space) -> None:
    with pytest.raises(UnknownEnvironmentError, match=r"36 pixels a side nor .* cnn_policy=False"):
        DQN(None, Observing(space), cnn_policy=True)


def test_the_grid_network_is_a_convolution() -> None:
    """The same values, from XLA's own convolution with the same parameters."""
    network = GridQ(3, Grid((6, 5, 2), 0), hidden_size=7)
    features = jax.random.normal(jax.random.key(0), (4, 60))
    params = network.init(jax.random.key(1), features)
    layers = params["params"]
    convolved = jax.lax.conv_general_dilated(
        features.reshape(4, 6, 5, 2),
        layers["convolution"]["kernel"].reshape(3, 3, 2, 16),
        (1, 1),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    seen = jnp.tanh(convolved + layers["convolution"]["bias"][None, None, None]).reshape(4, -1)
    hidden = jnp.tanh(seen @ layers["hidden"]["kernel"] + layers["hidden"]["bias"][None])
    expected = hidden @ layers["out"]["kernel"] + layers["out"]["bias"][None]
    np.testing.assert_allclose(network.apply(params, features), expected, atol=1e-5)


@pytest.mark.thorough
def test_what_lies_beside_the_grid_is_read_too() -> None:
    network = GridQ(2, Grid((3, 3, 1), 1), hidden_size=4)
    features = jax.random.normal(jax.random.key(0), (1, 12))
    params = network.init(jax.random.key(1), features)
    # One square of cells with 16 features, one feature before the grid and two after it.
    assert params["params"]["hidden"]["kernel"].shape == (1 + 16 + 2, 4)
    before = network.apply(params, features)
    for i in range(12):
        assert not np.array_equal(network.apply(params, features.at[0, i].add(1.0)), before)


def test_the_parameters_begin_as_those_of_the_other_networks() -> None:
    params = GridQ(2, Grid((5, 5, 3), 0), hidden_size=6).init(jax.random.key(0), jnp.zeros((1, 75)))
    gains = {"convolution": 2.0, "hidden": 2.0, "out": 1.0}
    for name, gain in gains.items():
        kernel = np.asarray(params["params"][name]["kernel"])
        # Orthogonal, along the shorter side.
        np.testing.assert_allclose(kernel.T @ kernel, gain * np.eye(kernel.shape[1]), atol=1e-5)
        np.testing.assert_array_equal(params["params"][name]["bias"], 0.0)


@pytest.mark.thorough
def test_a_grid_is_learnt_from() -> None:
    config = {"learning_starts": 0, "buffer_size": 1024, "buffer_batch_size": 8}
    dqn = DQN(config, make_env("gymnax", "Breakout-MinAtar", n_envs=2), cnn_policy=True)
    state = dqn.init(jax.random.key(0))
    before = jax.tree.map(np.asarray, state.runner_state.train_state.params)
    state, result = dqn.train(*state, 200, 1, 2)
    after = jax.tree.map(np.asarray, state.runner_state.train_state.params)
    assert result.eval_rewards.shape == (1, 2)
    assert isinstance(dqn.structure.agent.network, GridQ)
    changed = jax.tree.map(lambda a, b: not np.array_equal(a, b), before, after)
    assert all(jax.tree.leaves(changed))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (MLPQ(2, **NAS_CONFIG), "MLPQ, two layers of 8 relu units"),
        (CNNQ(2, **NAS_CONFIG), "CNNQ, three convolutions over pictures and 8 relu units"),
        (
            GridQ(2, Grid((10, 9, 4), 0), **NAS_CONFIG),
            "GridQ, a convolution over a grid of 10 x 9 x 4 and 8 relu units",
        ),
    ],
)
def test_a_network_is_described_in_a_few_words(network: Any, words: str) -> None:
    assert networks.describe(network) == words
