"""A gradient step in one kernel: the same numbers as from the loss's gradient and optax."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core import lockstep
from arlbench.core.algorithms import two_layers
from arlbench.core.algorithms.dqn.models import MLPQ
from arlbench.core.algorithms.dqn.state import DQNTrainState
from arlbench.core.algorithms.dqn.updates import (
    Batch,
    discounts,
    optimizer,
    update,
    update_by_kernel,
    with_learning_rate,
)

N_MEMBERS = 2


def random_batch(key: jax.Array, n: int, n_features: int, n_actions: int) -> Batch:
    keys = jax.random.split(key, 6)
    return Batch(
        features=jax.random.normal(keys[0], (n, n_features)),
        weights=jax.random.uniform(keys[5], (n,)),
        actions=jax.random.randint(keys[2], (n,), 0, n_actions),
        next_features=jax.random.normal(keys[1], (n, n_features)),
        rewards=jax.random.normal(keys[3], (n,)),
        discount=discounts(jax.random.bernoulli(keys[4], 0.3, (n,)), 0.9),
    )


def random_params(network: MLPQ, key: jax.Array, n_features: int) -> Any:
    params = network.init(key, jnp.zeros((1, n_features)))
    # Biases too, which are initially zero.
    return jax.tree.map(lambda x: x + 0.1 * jax.random.normal(key, x.shape), params)


# With padding and without.
@pytest.mark.parametrize(
    ("n_features", "n_actions", "n", "network"),
    [
        pytest.param(
            *(6, 3, 5, {"activation": "relu", "hidden_size": 16}), marks=pytest.mark.thorough
        ),
        pytest.param(
            *(16, 16, 16, {"activation": "tanh", "hidden_size": 16}), marks=pytest.mark.stress
        ),
    ],
)
def test_the_kernel_takes_the_step_of_update(n_features, n_actions, n, network):
    network = MLPQ(n_actions, **network)
    keys = jax.random.split(jax.random.key(1), N_MEMBERS)
    active = jnp.array([True, False])

    def member(key: jax.Array, active: jax.Array, kernel: bool) -> Any:
        state = learner(network, key, n_features)
        batch = random_batch(key, n, n_features, n_actions)
        if kernel:
            return update_by_kernel(network.activation, state, batch, active, with_grads=True)
        outcome = update(state, batch)
        return outcome._replace(train_state=lockstep.keep(active, outcome.train_state, state))

    with interpreted():
        found = jax.jit(jax.vmap(functools.partial(member, kernel=True)))(keys, active)
    expected = jax.jit(jax.vmap(functools.partial(member, kernel=False)))(keys, active)
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    assert_close(found, expected)
    before = jax.jit(jax.vmap(lambda key: learner(network, key, n_features)))(keys)
    kept, initial = (jax.tree.map(lambda x: x[1], state) for state in (found.train_state, before))
    jax.tree.map(np.testing.assert_array_equal, kept, initial)


@pytest.mark.parametrize("last", [2**31 - 2, 2**31 - 1])
def test_counters_of_updates_stay_at_their_largest_value_as_those_of_optax(last, monkeypatch):
    given = []

    def step(_: str, params: Any, __: Any, moments: Any, batch: Any, adam: Any, *___: Any) -> Any:
        given.append(adam)
        zeros = jnp.zeros(batch.actions.shape)
        return two_layers.Step(params, *moments, zeros, zeros, None)

    monkeypatch.setattr(two_layers, "step", step)
    network, n = MLPQ(2, hidden_size=16), jnp.int32(last)
    state, batch = learner(network, jax.random.key(1), 4), random_batch(jax.random.key(2), 4, 4, 2)
    adam_state, *others = state.opt_state.inner_state
    inner_state = (adam_state._replace(count=n), *others)
    state = state.replace(opt_state=state.opt_state._replace(count=n, inner_state=inner_state))
    after = update_by_kernel("tanh", state, batch, None, with_grads=False).train_state.opt_state
    assert (after.count, after.inner_state[0].count) == (2**31 - 1, 2**31 - 1)
    # After so many steps, the moments need no correction.
    assert given[0][-2:] == (1.0, 1.0)


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_a_target_follows_by_a_share_of_the_distance(share):
    network = MLPQ(2, hidden_size=16)
    state = jax.jit(lambda key: learner(network, key, 4))(jax.random.key(0))
    found = two_layers.follow(state.params, state.target_params, share, interpret=True)
    expected = jax.tree.map(
        lambda target, online: target + share * (online - target), state.target_params, state.params
    )
    assert_close(found, expected)


def learner(network: MLPQ, key: jax.Array, n_features: int) -> DQNTrainState:
    """A learner that has learnt before: moments are not 0, and its target is another network."""
    own, target, first, second = (
        random_params(network, k, n_features) for k in jax.random.split(key, 4)
    )
    state = DQNTrainState.create_with_opt_state(
        apply_fn=network.apply, params=own, target_params=target, tx=optimizer(), opt_state=None
    )
    for grads in (first, second):
        state = state.apply_gradients(grads=grads)
    return state.replace(opt_state=with_learning_rate(state.opt_state, 0.01))


@contextlib.contextmanager
def interpreted() -> Iterator[None]:
    """Within this context, kernels need no GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(two_layers, "step", functools.partial(two_layers.step, interpret=True))
        yield


def assert_close(found: Any, expected: Any) -> None:
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
