"""Running statistics compared with NumPy's statistics over all data at once."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.core import running_statistics

N_FEATURES = 2

update = jax.jit(running_statistics.update)
normalize = jax.jit(running_statistics.normalize)

# Few different lengths, because each needs its own program, in any order and number.
splits = st.lists(st.sampled_from([1, 2, 3, 8, 25]), min_size=1, max_size=10)


def statistics_of(data: np.ndarray, split: list[int]) -> running_statistics.RunningStatisticsState:
    """The state after adding data in batches of these lengths."""
    assert sum(split) == len(data)
    state = running_statistics.init_state(data.shape[1:])
    for batch in np.split(data, np.cumsum(split)[:-1]):
        state = update(state, batch)
    return state


@given(splits, st.integers(0, 1000), st.sampled_from([0.0, -3.0, 1000.0]))
def test_mean_and_deviation_are_numpys_over_any_split_into_batches(split, seed, offset):
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(sum(split), N_FEATURES)) * [1.0, 20.0] + offset
    data = data.astype(np.float32)
    state = statistics_of(data, split)
    exact = data.astype(np.float64)
    assert state.count == len(data)
    np.testing.assert_allclose(state.mean, exact.mean(axis=0), rtol=1e-5, atol=1e-4)
    # With an offset of a thousand deviations, a sum of squares would lose all its digits.
    np.testing.assert_allclose(state.std, np.maximum(exact.std(axis=0), 1e-4), rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(
        state.summed_variance, exact.var(axis=0) * len(data), rtol=4e-3, atol=1e-3
    )


def test_two_batches_give_the_numbers_worked_out_by_hand():
    state = statistics_of(np.array([[1.0], [3.0], [5.0], [7.0]], np.float32), [1, 3])
    assert state.count == 4
    assert state.mean == 4
    assert state.summed_variance == 9 + 1 + 1 + 9
    np.testing.assert_allclose(state.std, 5**0.5, rtol=1e-6)
    standardised = normalize(state, jnp.array([[4.0], [9.0]]))
    np.testing.assert_allclose(standardised, [[0.0], [5**0.5]], rtol=1e-6)


def test_nothing_seen_yet_standardises_to_the_input():
    state = running_statistics.init_state((N_FEATURES,))
    batch = jnp.array([[0.5, -2.0]])
    np.testing.assert_array_equal(normalize(state, batch), batch)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.3, 12345.678])
@pytest.mark.parametrize("n_envs", [1, 3, 8])
def test_a_constant_feature_stays_at_zero(value, n_envs):
    data = np.full((n_envs * 12, 1), value, np.float32)
    state = statistics_of(data, [n_envs] * 12)
    np.testing.assert_allclose(normalize(state, data), 0, atol=0.02)


def test_a_small_change_of_a_constant_feature_is_not_blown_up():
    state = statistics_of(np.full((8, 1), 2.0, np.float32), [8])
    # The smallest possible divisor is 1e-4.
    np.testing.assert_allclose(normalize(state, jnp.array([[2.0001]])), [[1.0]], rtol=0.01)


def test_standardised_inputs_are_clipped_to_ten_deviations():
    state = statistics_of(np.array([[-1.0], [1.0]], np.float32), [2])
    batch = jnp.array([[-1e6], [-10.5], [-9.5], [9.5], [10.5], [np.inf]])
    np.testing.assert_allclose(normalize(state, batch)[:, 0], [-10, -10, -9.5, 9.5, 10, 10])


def test_disabled_it_gives_the_input_back_bit_for_bit():
    state = statistics_of(np.arange(6, dtype=np.float32).reshape(3, 2), [3])
    tiny = np.float32(2**-149)
    batch = np.array([[-0.0, np.nan], [np.inf, tiny], [1e38, 0.1]], np.float32)
    unchanged = np.asarray(normalize(state, batch, False))
    np.testing.assert_array_equal(unchanged.view(np.uint32), batch.view(np.uint32))
    assert not np.array_equal(normalize(state, batch, True), batch, equal_nan=True)


def test_switching_it_on_and_off_compiles_nothing(count_compilations):
    state = running_statistics.init_state((N_FEATURES,))
    batch = np.zeros((4, N_FEATURES), np.float32)
    normalize(state, batch, np.bool_(True))
    with count_compilations() as counter:
        normalize(state, batch, np.bool_(False))
    assert counter.count == 0


def test_a_batch_of_another_shape_is_refused():
    state = running_statistics.init_state((N_FEATURES,))
    with pytest.raises(AssertionError):
        running_statistics.update(state, jnp.zeros((4, N_FEATURES + 1)))
