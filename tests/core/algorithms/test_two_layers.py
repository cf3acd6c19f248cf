"""The gradient from one kernel: the same numbers as from differentiating the loss."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms import two_layers
from arlbench.core.algorithms.dqn.models import MLPQ
from arlbench.core.algorithms.dqn.state import DQNTrainState
from arlbench.core.algorithms.dqn.updates import Batch, discounts, optimizer, update

N_MEMBERS = 2


def random_batch(key: jax.Array, n: int, n_features: int, n_actions: int) -> two_layers.Batch:
    keys = jax.random.split(key, 6)
    return two_layers.Batch(
        features=jax.random.normal(keys[0], (n, n_features)),
        next_features=jax.random.normal(keys[1], (n, n_features)),
        actions=jax.random.randint(keys[2], (n,), 0, n_actions),
        rewards=jax.random.normal(keys[3], (n,)),
        terminated=jax.random.bernoulli(keys[4], 0.3, (n,)).astype(jnp.float32),
        weights=jax.random.uniform(keys[5], (n,)),
    )


def random_params(network: MLPQ, key: jax.Array, n_features: int) -> Any:
    params = network.init(key, jnp.zeros((1, n_features)))
    # Biases too, which are initially zero.
    return jax.tree.map(lambda x: x + 0.1 * jax.random.normal(key, x.shape), params)


# Sizes with and without padding; every activation.
@pytest.mark.parametrize(
    ("n_features", "n_actions", "n", "network"),
    [
        (4, 2, 16, {"activation": "tanh", "hidden_size": 16}),
        pytest.param(
            *(6, 3, 20, {"activation": "relu", "hidden_size": 32}), marks=pytest.mark.thorough
        ),
        pytest.param(
            *(16, 16, 5, {"activation": "tanh", "hidden_size": 16}), marks=pytest.mark.thorough
        ),
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
            found = two_layers.gradient(
                network.activation, params, target_params, batch, gamma, interpret=True
            )
            return found.grads, found.td_error, found.q_value
        state = DQNTrainState.create_with_opt_state(
            apply_fn=network.apply,
            params=params,
            target_params=target_params,
            tx=optimizer(),
            opt_state=None,
        )
        transitions = Batch(
            batch.features,
            batch.weights,
            batch.actions,
            batch.next_features,
            batch.rewards,
            discounts(batch.terminated, gamma),
        )
        outcome = update(state, transitions)
        return outcome.grads, outcome.td_error, outcome.q_value

    found = jax.vmap(lambda key, g: member(key, g, True))(keys, gamma)
    expected = jax.vmap(lambda key, g: member(key, g, False))(keys, gamma)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("n_units", "n_actions", "n_features", "n_transitions", "expected"),
    [
        (64, 2, 4, 64, True),
        (16, 64, 64, 1, True),
        (64, 2, 4, 65, False),
        (64, 2, 65, 64, False),
        (64, 65, 4, 64, False),
        (128, 2, 4, 64, False),
        (48, 2, 4, 64, False),
        (8, 2, 4, 64, False),
    ],
)
def test_the_kernel_is_for_two_layers_that_fit_into_registers(
    n_units, n_actions, n_features, n_transitions, expected
):
    assert two_layers.fits(n_units, n_actions, n_features, n_transitions) is expected
