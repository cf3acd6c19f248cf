"""Calls and arguments of scripts for arlbench 0.1.3, besides the signatures of the contract."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from flax.core import freeze

from arlbench.core.algorithms.dqn import checkpoint
from arlbench.core.algorithms.dqn.models import CNNQ, MLPQ
from probes import same_bits, small_dqn, small_state


def wave(shape: tuple[int, ...], scale: float) -> np.ndarray:
    return (scale * np.sin(np.arange(np.prod(shape)))).reshape(shape).astype(np.float32)


def test_parameters_of_arlbench_0_1_3_give_the_values_that_they_gave_there() -> None:
    dqn = small_dqn(hidden_size=8)
    shapes = {"dense0": (2, 8), "dense1": (8, 8), "out_layer": (8, 2)}
    layers = {
        name: {"kernel": wave(shape, 0.1), "bias": wave(shape[1:], 0.1)}
        for name, shape in shapes.items()
    }
    runner = dqn.init(
        jax.random.key(0),
        network_params={"params": layers},
        target_params=freeze({"params": layers}),
    ).runner_state
    train_state = runner.train_state
    assert set(train_state.params["params"]) == {"hidden_0", "hidden_1", "out"}
    assert same_bits(train_state.params, train_state.target_params)
    np.testing.assert_array_equal(train_state.params["params"]["out"]["kernel"], wave((8, 2), 0.1))


#: Outputs of the networks of arlbench 0.1.3 for parameters and inputs made from sine waves.
PUBLISHED_VALUES = {
    "MLPQ": [
        [0.0047043771, 0.0821021870, 0.0840156227],
        [0.0041859909, 0.0816237181, 0.0840169713],
    ],
    "CNNQ": [
        [-0.0011036732, 0.0840455294, 0.0919236615],
        [-0.0010905857, 0.0840527937, 0.0919184238],
    ],
}


@pytest.mark.parametrize("name", PUBLISHED_VALUES)
def test_layers_are_read_as_the_published_networks_read_them(name: str) -> None:
    network, x = {
        "MLPQ": (MLPQ(3, "tanh", 8), wave((2, 4), 1.0)),
        "CNNQ": (CNNQ(3, "relu", 4), 127 + wave((2, 4, 84, 84), 100.0)),
    }[name]
    own = jax.eval_shape(network.init, jax.random.key(0), x)["params"]
    published = {
        layer: jax.tree.map(lambda leaf: wave(leaf.shape, 0.1), own[ours])
        for layer, ours in checkpoint._PUBLISHED_LAYERS.items()
        if ours in own
    }
    assert len(published) == len(own)
    values = network.apply(checkpoint._plain({"params": published}), x)
    np.testing.assert_allclose(values, PUBLISHED_VALUES[name], atol=2e-6)


def test_eval_is_evaluate_by_its_published_name() -> None:
    dqn = small_dqn()
    runner = small_state(dqn).runner_state
    returns = dqn.eval(runner, 5)
    assert returns.shape == (5,)
    assert same_bits(returns, dqn.evaluate(runner, 5))
    assert same_bits(returns, dqn.eval(runner, num_eval_episodes=5))
