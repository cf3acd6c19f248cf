"""The gradient as one kernel: the same numbers as differentiating the loss."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.dqn import fused
from arlbench.core.algorithms.dqn.models import CNNQ, MLPQ
from arlbench.core.algorithms.dqn.state import DQNTrainState
from arlbench.core.algorithms.dqn.updates import optimizer, update

N_MEMBERS = 2


def random_batch(key: jax.Array, n: int, n_features: int, n_actions: int) -> fused.Batch:
    keys = jax.random.split(key, 6)
    return fused.Batch(
        features=jax.random.normal(keys[0], (n, n_features)),
        next_features=jax.random.normal(keys[1], (n, n_features)),
        actions=jax.random.randint(keys[2], (n,), 0, n_actions),
        rewards=jax.random.normal(keys[3], (n,)),
        terminated=jax.random.bernoulli(keys[4], 0.3, (n,)).astype(jnp.float32),
        weights=jax.random.uniform(keys[5], (n,)),
    )


def random_params(network: MLPQ, key: jax.Array, n_features: int) -> Any:
    params = network.init(key, jnp.zeros((1, n_features)))
    # Biases too, which begin at zero.
    return jax.tree.map(lambda x: x + 0.1 * jax.random.normal(key, x.shape), params)


# Sizes that are padded, and sizes that are not; every activation.
@pytest.mark.parametrize(
    ("n_features", "n_actions", "n", "network"),
    [
        (4, 2, 16, {"activation": "tanh", "hidden_size": 16}),
        (6, 3, 20, {"activation": "relu", "hidden_size": 32}),
        (16, 16, 5, {"activation": "tanh", "hidden_size": 16}),
    ],
)
def test_the_kernel_gives_what_update_differentiates(n_features, n_actions, n, network):
    network = MLPQ(n_actions, **network)
    keys = jax.random.split(jax.random.key(1), N_MEMBERS)
    gamma = jnp.array([0.9, 0.5])

    def member(key: jax.Array, gamma: jax.Array, kernel: bool) -> Any:
        own, target, batch_key = jax.random.split(key, 3)
        params = random_params(network, own, n_features)
        target_params = random_params(network, target, n_features)
        batch = random_batch(batch_key, n, n_features, n_actions)
        if kernel:
            found = fused.gradient(network, params, target_params, batch, gamma, interpret=True)
            return found.grads, found.td_error, found.q_value
        state = DQNTrainState.create_with_opt_state(
            apply_fn=network.apply,
            params=params,
            target_params=target_params,
            tx=optimizer(),
            opt_state=None,
        )
        outcome = update(
            state,
            batch.features,
            batch.weights,
            batch.actions,
            batch.next_features,
            batch.rewards,
            batch.terminated,
            gamma,
        )
        return outcome.grads, outcome.td_error, outcome.q_value

    found = jax.vmap(lambda key, g: member(key, g, True))(keys, gamma)
    expected = jax.vmap(lambda key, g: member(key, g, False))(keys, gamma)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("network", "batch_size", "n_features", "expected"),
    [
        (MLPQ(2), 64, 4, True),
        (MLPQ(2), 65, 4, False),
        (MLPQ(2), 64, 65, False),
        (MLPQ(65), 64, 4, False),
        (MLPQ(2, hidden_size=128), 64, 4, False),
        (MLPQ(2, hidden_size=48), 64, 4, False),
        (MLPQ(2, hidden_size=8), 64, 4, False),
        (CNNQ(2, hidden_size=64), 64, 4, False),
    ],
)
def test_there_is_a_kernel_for_two_layers_that_fit_into_registers(
    network, batch_size, n_features, expected
):
    assert fused.fits(network, batch_size, n_features) is expected
