"""The formulas of DQN, compared with numbers worked out by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.core.algorithms.dqn import losses

# The accuracy of sums of numbers up to 1 in float32.
ROUNDING = 2.0**-22

epsilon = jax.jit(losses.epsilon)
importance_weights = jax.jit(losses.importance_weights)

probabilities = st.floats(0, 1, width=32, allow_subnormal=False)
batch_probabilities = st.lists(st.floats(2**-100, 1, width=32), min_size=8, max_size=8).map(
    lambda values: np.array(values, np.float32)
)


@pytest.mark.parametrize(
    ("reward", "discount", "target"),
    [(1.0, 0.5, 1.0 + 0.5 * 4.0), (1.0, 0.0, 1.0), (-2.0, 1.0, 2.0), (-2.0, 0.0, -2.0)],
)
def test_the_target_bootstraps_from_the_best_action_by_the_discount(reward, discount, target):
    next_q = jnp.array([3.0, 4.0, -1.0])
    computed = losses.td_target(jnp.float32(reward), jnp.float32(discount), next_q)
    assert computed == target
    assert computed.shape == ()


def test_the_target_takes_the_best_of_negative_values_too():
    next_q = jnp.array([-3.0, -2.0])
    assert losses.td_target(jnp.float32(0), jnp.float32(1), next_q) == -2


def test_the_td_error_is_the_value_of_the_action_taken_less_the_target():
    q = jnp.array([1.0, 2.5, -1.0])
    errors = [losses.td_error(q, jnp.int32(a), jnp.float32(2.0)) for a in range(3)]
    np.testing.assert_array_equal(jnp.stack(errors), [-1.0, 0.5, -3.0])


def test_the_loss_is_the_mean_of_half_the_weighted_squares():
    errors, weights = jnp.array([2.0, -4.0, 1.0, 0.0]), jnp.array([1.0, 0.5, 0.25, 1.0])
    # (1 * 2 + 0.5 * 8 + 0.25 * 0.5 + 0) / 4
    assert losses.weighted_loss(errors, weights) == 6.125 / 4


def test_the_slope_of_the_loss_is_the_weighted_error_over_the_batch_size():
    errors, weights = jnp.array([2.0, -4.0]), jnp.array([1.0, 0.5])
    slope = jax.grad(losses.weighted_loss)(errors, weights)
    np.testing.assert_array_equal(slope, [1.0, -1.0])


def test_importance_weights_of_a_small_batch_are_those_worked_out_by_hand():
    weights = losses.importance_weights(jnp.array([0.25, 0.0625, 1.0]), 0.5)
    # Square roots of 4, 16 and 1, divided by the largest.
    np.testing.assert_allclose(weights, [0.5, 1.0, 0.25], rtol=1e-6)


@given(batch_probabilities, probabilities)
def test_importance_weights_are_their_definition(batch, beta):
    definition = (1 / batch.astype(np.float64)) ** beta
    weights = importance_weights(batch, np.float32(beta))
    np.testing.assert_allclose(weights, definition / definition.max(), rtol=1e-4, atol=1e-37)
    # When compiled, the product is rounded once in the exponent, but not in its maximum.
    assert np.max(weights) == pytest.approx(1, rel=1e-5)


def test_importance_weights_of_the_smallest_floats_are_finite():
    tiny = float(np.finfo(np.float32).tiny)
    batch = np.array([tiny, tiny * 4, 0.5, 1.0], np.float32)
    weights = importance_weights(batch, np.float32(1.0))
    np.testing.assert_allclose(weights, [1.0, 0.25, tiny * 2, tiny], rtol=1e-4, atol=tiny)


def test_equal_probabilities_and_a_beta_of_zero_give_weights_of_one():
    np.testing.assert_array_equal(losses.importance_weights(jnp.full(5, 1e-6), 0.7), np.ones(5))
    batch = jnp.array([1e-30, 0.1, 1.0])
    np.testing.assert_array_equal(losses.importance_weights(batch, 0.0), np.ones(3))


@pytest.mark.parametrize(
    ("timesteps", "expected"), [(0, 1.0), (25, 0.8125), (50, 0.625), (100, 0.25), (400, 0.25)]
)
def test_epsilon_falls_linearly_over_its_fraction_and_stays(timesteps, expected):
    # From 1 to 1/4 over half of 200 steps, which is exact in binary.
    assert epsilon(timesteps, 1.0, 0.25, 0.5, 200) == expected


@given(probabilities, probabilities, probabilities, st.integers(1, 10**7))
def test_epsilon_begins_at_the_one_end_and_arrives_at_the_other(start, end, fraction, horizon):
    fraction = np.float32(fraction)
    arrival = np.ceil(float(fraction) * horizon) + 1
    for timesteps in (arrival, 10.0 * horizon, 1e9):
        assert epsilon(timesteps, start, end, fraction, horizon) == pytest.approx(end, abs=ROUNDING)
    if fraction > 0:
        assert epsilon(0.0, start, end, fraction, horizon) == np.float32(start)
        half = epsilon(float(fraction) * horizon / 2, start, end, fraction, horizon)
        assert half == pytest.approx((start + end) / 2, abs=ROUNDING)


@given(
    probabilities,
    probabilities,
    probabilities,
    st.integers(1, 10**7),
    st.lists(st.integers(0, 2 * 10**7), min_size=8, max_size=8),
)
def test_epsilon_moves_one_way_and_stays_between_its_ends(start, end, fraction, horizon, steps):
    timesteps = np.array(sorted(steps), np.float32)
    path = np.asarray(epsilon(timesteps, start, end, fraction, horizon))
    low, high = sorted([start, end])
    assert np.all((path >= low - ROUNDING) & (path <= high + ROUNDING))
    moves = np.diff(path)
    assert np.all(moves >= 0) if end >= start else np.all(moves <= 0)


@pytest.mark.parametrize("timesteps", [0, 1, 10**6])
def test_without_a_horizon_epsilon_is_at_its_target_from_the_start(timesteps):
    assert epsilon(timesteps, 1.0, 0.25, 0.0, 1000) == 0.25


def test_epsilon_rises_where_its_target_is_the_larger():
    assert epsilon(0, 0.25, 0.75, 1.0, 100) == 0.25
    assert epsilon(50, 0.25, 0.75, 1.0, 100) == 0.5
    assert epsilon(100, 0.25, 0.75, 1.0, 100) == 0.75


def test_the_default_schedule_arrives_at_exactly_its_target():
    assert epsilon(100, 1.0, np.float32(0.05), 0.1, 1000) == np.float32(0.05)


def test_batches_are_refused_where_one_transition_is_meant():
    batch = jnp.zeros(3)
    with pytest.raises(AssertionError):
        losses.td_target(batch, batch, jnp.zeros((3, 2)))
    with pytest.raises(AssertionError):
        losses.td_error(jnp.zeros((3, 2)), jnp.zeros(3, jnp.int32), batch)
    with pytest.raises(AssertionError):
        losses.weighted_loss(batch, jnp.ones((3, 1)))
    with pytest.raises(AssertionError):
        losses.weighted_loss(batch, jnp.ones(4))
