"""The sum tree: its sums never drift, and its descent never ends at an empty leaf."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.core.buffers import sum_tree

# Depths 1 to 5 and 7: all remainders for the three levels that one round descends.
CAPACITIES = [2, 4, 8, 16, 32, 128]
N_INDICES = 5
N_QUANTILES = 16

build = jax.jit(sum_tree.build)
set_leaves = jax.jit(sum_tree.set_leaves)
find = jax.jit(sum_tree.find)

# Possible values of priorities to the power of alpha, and 0.
leaf_floats = st.one_of(
    st.just(0.0), st.floats(2**-24, 2**40, width=32), st.sampled_from([1.0, 1e-7, 1e12])
)


def sums_by_hand(leaf_values: np.ndarray) -> np.ndarray:
    """The nodes from the root downwards, with one float32 addition for each inner node."""
    levels = [leaf_values]
    while len(levels[0]) > 1:
        levels.insert(0, levels[0][0::2] + levels[0][1::2])
    return np.concatenate(levels)


@st.composite
def leaves_of_any_tree(draw: st.DrawFn, elements: st.SearchStrategy = leaf_floats) -> np.ndarray:
    capacity = draw(st.sampled_from(CAPACITIES))
    values = draw(st.lists(elements, min_size=capacity, max_size=capacity))
    return np.array(values, np.float32)


@st.composite
def writes(draw: st.DrawFn, capacity: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices, some of them twice and some out of range, and values, equal for equal indices."""
    indices = draw(st.lists(st.integers(0, capacity + 3), min_size=N_INDICES, max_size=N_INDICES))
    value_of = {i: draw(leaf_floats) for i in sorted(set(indices))}
    values = [value_of[i] for i in indices]
    return np.array(indices, np.int32), np.array(values, np.float32)


def test_a_tree_of_four_leaves_has_the_sums_worked_out_by_hand():
    nodes = build(jnp.array([1.0, 2.0, 3.0, 4.0]))
    np.testing.assert_array_equal(nodes, [10, 3, 7, 1, 2, 3, 4])
    assert sum_tree.total(nodes) == 10
    assert sum_tree.depth(nodes) == 2
    np.testing.assert_array_equal(sum_tree.leaves(nodes), [1, 2, 3, 4])


@given(leaves_of_any_tree())
def test_every_inner_node_is_the_sum_of_its_children(leaf_values):
    np.testing.assert_array_equal(build(leaf_values), sums_by_hand(leaf_values))


@given(leaves_of_any_tree(st.integers(0, 1000)))
def test_the_root_is_the_sum_of_all_leaves(leaf_values):
    assert sum_tree.total(build(leaf_values)) == leaf_values.sum()


@given(st.data())
def test_any_sequence_of_writes_leaves_the_tree_of_its_leaves(data):
    leaf_values = data.draw(leaves_of_any_tree())
    nodes = build(leaf_values)
    for _ in range(data.draw(st.integers(1, 4))):
        indices, values = data.draw(writes(len(leaf_values)))
        nodes = set_leaves(nodes, indices, values)
        in_range = indices < len(leaf_values)
        leaf_values[indices[in_range]] = values[in_range]
        # Bit for bit: the tree does not drift from a newly built tree.
        np.testing.assert_array_equal(nodes, sums_by_hand(leaf_values))


@pytest.mark.parametrize("index", [4, 5, 1000])
def test_a_write_past_the_last_leaf_is_ignored(index):
    nodes = build(jnp.array([1.0, 2.0, 3.0, 4.0]))
    written = set_leaves(nodes, jnp.array([index, 0]), jnp.array([100.0, 5.0]))
    np.testing.assert_array_equal(written, [14, 7, 7, 5, 2, 3, 4])


def test_quantiles_of_four_leaves_find_the_leaves_worked_out_by_hand():
    # Leaf 0 has [0, 0.125), leaf 1 nothing, leaf 2 [0.125, 0.375), leaf 3 the rest.
    nodes = build(jnp.array([1.0, 0.0, 2.0, 5.0]))
    quantiles = jnp.array([0.0, 0.12, 0.125, 0.37, 0.375, 0.9, 1.0])
    np.testing.assert_array_equal(find(nodes, quantiles), [0, 0, 2, 2, 3, 3, 3])


@given(st.data())
def test_a_quantile_finds_the_leaf_that_the_cumulative_sum_names(data):
    leaf_values = data.draw(leaves_of_any_tree(st.integers(0, 7)))
    leaf_values[data.draw(st.integers(0, len(leaf_values) - 1))] += 1
    total = int(leaf_values.sum())
    wholes = data.draw(
        st.lists(st.integers(0, total - 1), min_size=N_QUANTILES, max_size=N_QUANTILES)
    )
    # Half-way between whole numbers, so that rounding cannot cross a boundary.
    positions = np.array(wholes) + 0.5
    found = find(build(leaf_values), (positions / total).astype(np.float32))
    np.testing.assert_array_equal(
        found, np.searchsorted(np.cumsum(leaf_values), positions, side="right")
    )


@given(st.data())
def test_no_quantile_ever_finds_an_empty_leaf(data):
    leaf_values = data.draw(leaves_of_any_tree())
    leaf_values[data.draw(st.integers(0, len(leaf_values) - 1))] = data.draw(
        st.floats(2**-24, 2**40, width=32)
    )
    drawn = data.draw(
        st.lists(st.floats(0, 1, width=32), min_size=N_QUANTILES - 4, max_size=N_QUANTILES - 4)
    )
    near_one = np.nextafter(np.float32(1), np.float32(0))
    quantiles = np.array([0.0, 1.0, near_one, 0.5, *drawn], np.float32)
    found = np.asarray(find(build(leaf_values), quantiles))
    assert np.all(leaf_values[found] > 0)


@pytest.mark.parametrize("capacity", CAPACITIES)
def test_the_only_leaf_with_mass_is_found_wherever_it_lies(capacity):
    quantiles = jnp.linspace(0, 1, N_QUANTILES)
    for leaf in range(0, capacity, max(1, capacity // 8)):
        nodes = build(jnp.zeros(capacity).at[leaf].set(1e-7))
        np.testing.assert_array_equal(find(nodes, quantiles), [leaf] * N_QUANTILES)
