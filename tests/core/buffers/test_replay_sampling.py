"""Sampling from the replay buffer, compared with exact probabilities.

Stratified draws vary less than independent ones, so their chi-square statistic is smaller
than the test assumes. Batches with a single draw are independent and fit the test exactly;
larger batches show that strata do not shift the probabilities. Every test also tries wrong
probabilities, which the same statistic must reject. Seeds are fixed.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from arlbench.core.buffers import replay, sum_tree

EXAMPLE = {"id": jax.ShapeDtypeStruct((), jnp.int32)}
CAPACITY = 8
N_DRAWS = 2**18
PRIORITIES = np.array([0.01, 0.2, 1.0, 1.0, 5.0, 30.0])

ACCEPTED, REJECTED = 1e-3, 1e-9

append = jax.jit(replay.append)
rebuild_tree = jax.jit(replay.rebuild_tree)
set_priorities = jax.jit(replay.set_priorities)
sample_batches = jax.jit(jax.vmap(replay.sample_prioritised, in_axes=(None, 0)))


def filled(n: int, size: int, alpha: float | None) -> Any:
    """A buffer of logical size ``size`` to which transitions 0 ... n - 1 were appended."""
    state = replay.init(EXAMPLE, CAPACITY)
    for i in range(n):
        state = append(state, {"id": np.array([i], np.int32)}, size, alpha)
    return state


def with_priorities(priorities: np.ndarray, alpha: float) -> Any:
    state = filled(len(priorities), CAPACITY, alpha)
    rows = jnp.arange(len(priorities))
    return set_priorities(state, rows, jnp.asarray(priorities, jnp.float32), alpha)


def draw(state: Any, batch_size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Many prioritised draws in batches, and the probabilities that are returned with them."""
    shape = (N_DRAWS // batch_size, batch_size)
    rows, probabilities = sample_batches(state, jax.random.uniform(jax.random.key(seed), shape))
    return np.asarray(rows).ravel(), np.asarray(probabilities).ravel()


def definition(priorities: np.ndarray, alpha: float) -> np.ndarray:
    """``P(i) = p_i^alpha / sum_k p_k^alpha`` (Schaul et al. 2016)."""
    powers = np.asarray(priorities, np.float64) ** alpha
    return powers / powers.sum()


def p_value(draws: np.ndarray, probabilities: np.ndarray) -> float:
    """The p-value of the hypothesis that these draws follow these probabilities."""
    counts = np.bincount(draws, minlength=len(probabilities))
    assert len(counts) == len(probabilities), "a row was drawn that holds nothing"
    return float(stats.chisquare(counts, probabilities * len(draws)).pvalue)


@pytest.mark.parametrize("batch_size", [1, 32])
@pytest.mark.parametrize("alpha", [0.01, 0.5, 1.0])
def test_rows_are_drawn_by_priority_to_the_power_of_alpha(alpha, batch_size):
    rows, _ = draw(with_priorities(PRIORITIES, alpha), batch_size)
    assert p_value(rows, definition(PRIORITIES, alpha)) > ACCEPTED
    wrong_alphas = {0.01: [0.0, 0.03, 1.0], 0.5: [0.0, 0.48, 1.0], 1.0: [0.0, 0.5, 0.97]}
    for wrong in wrong_alphas[alpha]:
        assert p_value(rows, definition(PRIORITIES, wrong)) < REJECTED


@pytest.mark.parametrize("alpha", [0.01, 0.5, 1.0])
def test_the_probability_that_comes_with_a_row_is_the_definition(alpha):
    rows, probabilities = draw(with_priorities(PRIORITIES, alpha), 32)
    expected = definition(PRIORITIES, alpha)[rows]
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5)


def test_each_draw_of_a_batch_comes_from_its_own_part_of_the_total():
    # Four rows with a quarter each: a batch of four has every row once, in order.
    state = with_priorities(np.full(4, 3.0), 1.0)
    rows, _ = draw(state, 4)
    np.testing.assert_array_equal(rows.reshape(-1, 4)[:1000], [[0, 1, 2, 3]] * 1000)


@pytest.mark.parametrize("batch_size", [1, 32])
def test_a_buffer_that_has_wrapped_around_is_drawn_from_by_priority(batch_size):
    state = filled(9, 6, 0.5)
    np.testing.assert_array_equal(state.experience.transition["id"][0, :6], [6, 7, 8, 3, 4, 5])
    state = set_priorities(state, jnp.arange(6), jnp.asarray(PRIORITIES, jnp.float32), 0.5)
    rows, _ = draw(state, batch_size)
    assert p_value(rows, definition(PRIORITIES, 0.5)) > ACCEPTED
    # Three new rows over the oldest ones, which are now in the middle of the array.
    state = append(state, {"id": np.array([9, 10, 11], np.int32)}, 6, 0.5)
    newer = np.where(np.arange(6) >= 3, 30.0, PRIORITIES)
    rows, _ = draw(state, batch_size)
    assert p_value(rows, definition(newer, 0.5)) > ACCEPTED
    assert p_value(rows, definition(PRIORITIES, 0.5)) < REJECTED


def test_rows_without_any_td_error_are_drawn_by_their_epsilon():
    td_errors, epsilon = np.array([0.0, 0.0, 0.5, 2.0]), 1e-6
    priorities = np.abs(td_errors) + epsilon
    rows, _ = draw(with_priorities(priorities, 0.5), 32)
    # Half a thousandth each: about 120 draws, few but not none.
    assert 50 < np.sum(rows == 0) < 250
    assert p_value(rows, definition(priorities, 0.5)) > ACCEPTED
    assert p_value(rows, definition(np.abs(td_errors) + 4 * epsilon, 0.5)) < REJECTED


def test_rows_are_drawn_evenly_where_no_td_error_is_left():
    rows, _ = draw(with_priorities(np.full(6, 1e-7), 1.0), 32)
    assert p_value(rows, np.full(6, 1 / 6)) > ACCEPTED


def test_huge_and_undefined_priorities_count_as_the_largest():
    given = np.array([1e30, np.inf, np.nan, 1.0, 1e6])
    clipped = np.array([1e12, 1e12, 1e12, 1.0, 1e6])
    state = with_priorities(given, 0.1)
    np.testing.assert_array_equal(state.experience.priority[0, :5], clipped.astype(np.float32))
    assert state.sum_tree_state.max_recorded_priority == np.float32(1e12)
    rows, _ = draw(state, 32)
    assert p_value(rows, definition(clipped, 0.1)) > ACCEPTED
    assert p_value(rows, definition(np.minimum(clipped, 1e11), 0.1)) < REJECTED


def test_the_largest_priorities_of_a_full_buffer_have_a_finite_total():
    state = with_priorities(np.full(CAPACITY, np.inf), 1.0)
    _, probabilities = draw(state, 32)
    np.testing.assert_allclose(probabilities, 1 / 8, rtol=1e-6)
    # 2**24 rows, as many as the largest buffer of the search space needs.
    assert np.isfinite(np.float32(replay.MAX_PRIORITY) * np.float32(2**24))


def test_a_row_drawn_twice_ends_with_one_priority_and_its_own_leaf():
    state = with_priorities(PRIORITIES, 1.0)
    rows = jnp.array([2, 2, 2, 4])
    state = set_priorities(state, rows, jnp.array([3.0, 3.5, 4.0, 8.0]), 1.0)
    stored = state.experience.priority[0]
    assert float(stored[2]) in {3.0, 3.5, 4.0}
    np.testing.assert_array_equal(sum_tree.leaves(state.sum_tree_state.nodes)[:6], stored[:6])
    np.testing.assert_array_equal(
        sum_tree.build(sum_tree.leaves(state.sum_tree_state.nodes)), state.sum_tree_state.nodes
    )


@pytest.fixture(scope="module")
def million_rows() -> tuple[Any, np.ndarray]:
    """A buffer of 2**20 rows, of which one million are used, and their raw priorities."""
    state = replay.init(EXAMPLE, 2**20)
    priorities = np.random.default_rng(0).lognormal(sigma=2, size=1_000_000).astype(np.float32)
    # A trend over the rows, so that bins of neighbours differ in their mass.
    priorities *= np.linspace(0.2, 2, len(priorities), dtype=np.float32)
    stored = state.experience.priority.at[0, : len(priorities)].set(priorities)
    return state.replace(experience=state.experience._replace(priority=stored)), priorities


@pytest.mark.parametrize("alpha", [0.01, 0.5, 1.0])
def test_a_million_rows_are_drawn_by_priority(million_rows, alpha):
    state, priorities = million_rows
    rows, probabilities = draw(rebuild_tree(state, alpha), 64)
    assert rows.max() < len(priorities)
    row_probabilities = definition(priorities, alpha)
    np.testing.assert_allclose(probabilities, row_probabilities[rows], rtol=1e-4)
    bin_probabilities = row_probabilities.reshape(100, -1).sum(axis=1)
    assert p_value(rows // 10_000, bin_probabilities) > ACCEPTED
    wrong_alpha = {0.01: 0.5, 0.5: 1.0, 1.0: 0.5}[alpha]
    wrong = definition(priorities, wrong_alpha).reshape(100, -1).sum(axis=1)
    assert p_value(rows // 10_000, wrong) < REJECTED
    # Neighbours too: the last digits of a row's number have the mass that they should have.
    by_digits = row_probabilities.reshape(-1, 64).sum(axis=0)
    assert p_value(rows % 64, by_digits) > ACCEPTED


@pytest.mark.parametrize(("n", "size"), [(3, 8), (5, 5), (9, 6)])
def test_uniform_sampling_draws_every_stored_row_equally_often(n, size):
    state = filled(n, size, None)
    words = jax.random.bits(jax.random.key(1), (N_DRAWS,))
    rows = np.asarray(replay.sample_uniform(state, words, size))
    held = min(n, size)
    assert rows.dtype == np.int32
    assert p_value(rows, np.full(held, 1 / held)) > ACCEPTED
    tilted = np.full(held, 1 / held)
    tilted[:2] += [0.01, -0.01]
    assert p_value(rows, tilted) < REJECTED


def test_rows_of_a_shrunk_buffer_are_drawn_uniformly_from_what_is_left():
    state = replay.resize(filled(8, 8, None), 3)
    words = jax.random.bits(jax.random.key(2), (N_DRAWS,))
    rows = replay.sample_uniform(state, words, 3)
    ids = np.asarray(replay.gather(state, rows)["id"])
    assert set(ids) == {5, 6, 7}
    assert p_value(ids - 5, np.full(3, 1 / 3)) > ACCEPTED


@pytest.mark.parametrize(("before", "after"), [(1.0, 0.01), (0.01, 1.0), (0.9, 0.5), (0.5, 0.0)])
def test_a_tree_rebuilt_for_another_alpha_is_the_tree_of_that_alpha(before, after):
    changed = rebuild_tree(with_priorities(PRIORITIES, before), after)
    fresh = with_priorities(PRIORITIES, after)
    np.testing.assert_array_equal(changed.sum_tree_state.nodes, fresh.sum_tree_state.nodes)
    assert not np.array_equal(
        changed.sum_tree_state.nodes, with_priorities(PRIORITIES, before).sum_tree_state.nodes
    )


@pytest.mark.parametrize("alpha", [0.01, 0.37, 0.6, 0.9, 1.0])
def test_a_tree_rebuilt_with_nothing_changed_has_the_same_bits(alpha):
    state = replay.init(EXAMPLE, 1024)
    values = np.random.default_rng(3).lognormal(sigma=4, size=(20, 48)).astype(np.float32)
    rows = np.random.default_rng(4).integers(0, 700, size=(20, 48))
    for i in range(20):
        state = append(state, {"id": np.arange(48, dtype=np.int32)}, 700, alpha)
        state = set_priorities(state, jnp.asarray(rows[i] % (48 * (i + 1))), values[i], alpha)
    rebuilt = rebuild_tree(state, alpha)
    jax.tree.map(np.testing.assert_array_equal, rebuilt, state)
