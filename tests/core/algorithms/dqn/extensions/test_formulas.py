"""Every formula of an extension, by hand with NumPy and compared with rlax."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.dqn.extensions import bootstrapping, distributions, regression
from arlbench.core.algorithms.dqn.extensions.heads import Categorical, Quantiles, Values
from arlbench.core.algorithms.dqn.extensions.hyperparameters import ExtendedHyperparameters
from arlbench.core.algorithms.dqn.extensions.updating import _NOTHING as NOTHING

with warnings.catch_warnings():
    # TensorFlow Probability, which it needs, imports names that JAX deprecates.
    warnings.simplefilter("ignore")
    import rlax

N, ACTIONS, ATOMS = 12, 3, 7


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2, shape).astype(np.float32)


def close(found: Any, expected: Any, rtol: float = 2e-5) -> None:
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=2e-6)


def test_hubers_loss_by_hand() -> None:
    errors = np.float32([-3.0, -0.5, 0.0, 1.0, 2.0])
    close(regression.huber(errors, 1.0), [2.5, 0.125, 0.0, 0.5, 1.5])
    close(regression.huber(errors, 2.0), [4.0, 0.125, 0.0, 0.5, 2.0])


@pytest.mark.parametrize("delta", [0.3, 1.0, 5.0])
def test_hubers_loss_is_rlaxs(delta: float) -> None:
    errors = normal(0, N)
    close(regression.huber(errors, delta), rlax.huber_loss(errors, delta))


def test_gradients_are_scaled_to_the_norm_only_if_they_are_longer() -> None:
    grads = {"a": np.float32([3.0]), "b": np.float32([0.0, 4.0])}  # the norm is 5
    close(jax.tree.leaves(regression.clipped(grads, 2.5))[1], [0.0, 2.0])
    for limit in (0.0, 5.0, 100.0):
        for found, before in zip(
            jax.tree.leaves(regression.clipped(grads, limit)), jax.tree.leaves(grads), strict=True
        ):
            np.testing.assert_array_equal(found, before)


def test_decay_takes_a_share_of_the_parameters_before_the_step() -> None:
    after = regression.decayed({"a": np.float32([1.0])}, {"a": np.float32([4.0])}, 0.125)
    close(after["a"], [0.5])


def test_a_linear_schedule_begins_exactly_and_stays_at_its_end() -> None:
    found = [float(regression.linear(np.float32(0.3), 0.1, p)) for p in (0.0, 0.5, 1.0, 7.0)]
    assert found[0] == np.float32(0.3)
    close(found[1:], [0.2, 0.1, 0.1])


def test_the_double_q_target_is_rlaxs() -> None:
    q, next_q, own = normal(1, N, ACTIONS), normal(2, N, ACTIONS), normal(3, N, ACTIONS)
    reward, discount = normal(4, N), np.full(N, 0.9, np.float32)
    actions = np.arange(N) % ACTIONS
    policy = bootstrapping.greedy(own, None).policy
    target = reward + discount * np.sum(policy * next_q, axis=1)
    expected = jax.vmap(rlax.double_q_learning)(q, actions, reward, discount, next_q, own)
    close(target - q[np.arange(N), actions], expected)


def test_an_illegal_action_is_never_bootstrapped_from() -> None:
    q, mask = np.float32([[5.0, 1.0, 2.0]]), np.array([[False, True, True]])
    np.testing.assert_array_equal(bootstrapping.greedy(q, mask).policy, [[0, 0, 1]])
    soft = bootstrapping.soft(q, mask, 1.0)
    close(soft.policy, [[0.0, 1 / (1 + np.e), np.e / (1 + np.e)]])
    p = np.array([1, np.e]) / (1 + np.e)
    close(soft.bonus, [-np.sum(p * np.log(p))])


def test_munchausens_reward_and_entropy_by_hand() -> None:
    temperature, alpha = 0.5, 0.9
    q = np.float32([[0.0, 0.5, -20.0]])
    weights = np.exp(q[0] / temperature)
    log_policy = np.log(weights / weights.sum())
    expected = [alpha * max(temperature * log_policy[a], -1.0) for a in range(3)]
    found = [
        bootstrapping.munchausen_reward(q, None, np.array([a]), alpha, temperature)[0]
        for a in range(3)
    ]
    close(found, expected)
    assert found[2] == np.float32(-alpha)  # clipped
    soft = bootstrapping.soft(q, None, temperature)
    close(soft.policy, np.exp(log_policy)[None])
    close(soft.bonus, [-temperature * np.sum(np.exp(log_policy) * log_policy)])


def test_probabilities_between_atoms_are_shared_by_nearness() -> None:
    atoms = np.float32([0.0, 1.0, 2.0])
    returns, probabilities = np.float32([[0.25, 5.0]]), np.float32([[0.8, 0.2]])
    close(distributions.projected(returns, probabilities, atoms), [[0.6, 0.2, 0.2]])


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_the_projection_and_the_categorical_loss_are_rlaxs() -> None:
    head = Categorical(ATOMS, -4.0, 5.0)
    logits, next_logits = normal(5, N, ACTIONS, ATOMS), normal(6, N, ACTIONS, ATOMS)
    selector, reward = normal(7, N, ACTIONS), normal(8, N)
    discount, actions = np.full(N, 0.9, np.float32), np.arange(N) % ACTIONS
    policy = bootstrapping.greedy(selector, None).policy
    target = head.target(next_logits, policy, reward, discount)
    found = head.losses(logits[np.arange(N), actions], target, reward, NOTHING)
    atoms = np.broadcast_to(np.asarray(head.atoms), (N, ATOMS))
    expected = jax.vmap(rlax.categorical_double_q_learning)(
        atoms, logits, actions, reward, discount, atoms, next_logits, selector
    )
    close(found, expected, rtol=1e-4)
    close(np.sum(target, axis=1), np.ones(N))


def test_the_quantile_loss_by_hand() -> None:
    """Two quantiles for the midpoints 1/4 and 3/4, and one target of 3."""
    quantiles, target = np.float32([[1.0, 4.0]]), np.float32([[3.0]])
    # An error of 2, of which Huber's loss is 1.5, and one of -1, of which it is 0.5.
    close(distributions.quantile_huber(quantiles, target, 1.0), [0.25 * 1.5 + 0.25 * 0.5])


def test_the_quantile_loss_needs_no_implicit_promotion() -> None:
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        found = distributions.quantile_huber(normal(16, N, ATOMS), normal(17, N, ATOMS), 1.0)
    assert found.dtype == np.float32


@pytest.mark.parametrize("kappa", [0.5, 1.0])
def test_the_quantile_loss_is_rlaxs(kappa: float) -> None:
    head = Quantiles(ATOMS)
    outputs, next_outputs = normal(9, N, ACTIONS, ATOMS), normal(10, N, ACTIONS, ATOMS)
    reward, discount = normal(11, N), np.full(N, 0.9, np.float32)
    actions, midpoints = np.arange(N) % ACTIONS, (np.arange(ATOMS, dtype=np.float32) + 0.5) / ATOMS
    policy = bootstrapping.greedy(head.values(next_outputs), None).policy
    target = head.target(next_outputs, policy, reward, discount)
    huber = NOTHING._replace(loss=np.int32(1), huber_delta=np.float32(kappa))
    found = head.losses(outputs[np.arange(N), actions], target, reward, huber)
    turned, next_turned = np.moveaxis(outputs, 1, 2), np.moveaxis(next_outputs, 1, 2)
    taus = np.broadcast_to(midpoints, (N, ATOMS))
    expected = jax.vmap(lambda *parts: rlax.quantile_q_learning(*parts, huber_param=kappa))(
        turned, taus, actions, reward, discount, next_turned, next_turned
    )
    close(found * kappa, expected, rtol=1e-4)  # rlax does not divide by kappa


def test_a_head_of_values_knows_both_losses() -> None:
    errors, inputs = np.float32([-3.0, 0.5]), NOTHING._replace(huber_delta=np.float32(1.0))
    assert Values().losses(errors, (), errors, NOTHING).tolist() == [4.5, 0.125]
    for loss, expected in ((0, [4.5, 0.125]), (1, [2.5, 0.125])):
        known: ExtendedHyperparameters = inputs._replace(loss=jnp.int32(loss))
        assert Values().losses(errors, (), errors, known).tolist() == expected


@pytest.mark.parametrize("head", [Categorical(ATOMS, -4.0, 5.0), Quantiles(ATOMS)])
def test_expected_returns_follow_the_target(head: Any) -> None:
    """The mean of the target is ``reward + discount * value``, if no atom is too far out."""
    outputs, policy = 0.1 * normal(12, N, ACTIONS, ATOMS), np.full((N, ACTIONS), 1 / 3, np.float32)
    reward, discount = 0.1 * normal(13, N), np.full(N, 0.5, np.float32)
    target = head.target(outputs, policy, reward, discount)
    mean = target @ head.atoms if isinstance(head, Categorical) else np.mean(target, axis=1)
    close(mean, reward + discount * np.mean(head.values(outputs), axis=1), rtol=1e-4)
