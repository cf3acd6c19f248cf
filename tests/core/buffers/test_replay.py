"""The replay buffer as a ring, compared with a plain list."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.core.buffers import replay, sum_tree

ALPHA = 0.6
SMALL, LARGE = 8, 16
EXAMPLE = {
    "frame": jax.ShapeDtypeStruct((2, 2), jnp.uint8),
    "category": jax.ShapeDtypeStruct((), jnp.int32),
    "features": jax.ShapeDtypeStruct((3,), jnp.float32),
    "terminated": jax.ShapeDtypeStruct((), jnp.bool_),
}

append = jax.jit(replay.append)
resize = jax.jit(replay.resize)
rebuild_tree = jax.jit(replay.rebuild_tree)
set_priorities = jax.jit(replay.set_priorities)
grow = jax.jit(replay.grow, static_argnames="new_capacity")

# Up to twice the capacity, so that a batch can overwrite its own rows.
batch_sizes = st.sampled_from([1, 2, 3, 5, 8, 9, 17])


def transitions(ids: np.ndarray) -> dict[str, np.ndarray]:
    """Transitions that differ in every one of their leaves."""
    ids = np.asarray(ids)
    column = ids.reshape(-1, 1)
    return {
        "frame": np.broadcast_to((ids % 256).reshape(-1, 1, 1), (len(ids), 2, 2)).astype(np.uint8),
        "category": (2**30 + ids).astype(np.int32),
        "features": np.concatenate([column, -column, column / 2], axis=1).astype(np.float32),
        "terminated": ids % 2 == 1,
    }


@dataclasses.dataclass
class ListModel:
    """What a ring should hold: ids and raw priorities, the oldest first."""

    size: int
    rows: list[tuple[int, float]] = dataclasses.field(default_factory=list)
    largest: float = 1.0
    n_seen: int = 0

    def append(self, n: int) -> np.ndarray:
        ids = np.arange(self.n_seen, self.n_seen + n)
        self.n_seen += n
        self.rows = (self.rows + [(int(i), self.largest) for i in ids])[-self.size :]
        return ids

    def resize(self, size: int) -> None:
        self.size = size
        self.rows = self.rows[-size:]

    def prioritise(self, position: int, priority: float) -> None:
        self.rows[position] = (self.rows[position][0], priority)
        self.largest = max(self.largest, priority)


def rows_oldest_first(state: Any, size: int) -> np.ndarray:
    """The start and end of the ring, worked out from its two counters."""
    end = int(state.current_index)
    return (end + np.arange(size)) % size if state.is_full else np.arange(end)


def assert_equals_model(state: Any, model: ListModel) -> None:
    assert replay.count(state, model.size) == len(model.rows)
    # Read with NumPy, because gathering every possible length would compile as many programs.
    nodes, rebuilt = jax.device_get(
        (state.sum_tree_state.nodes, rebuild_tree(state, ALPHA).sum_tree_state.nodes)
    )
    state = jax.device_get(state)
    rows = rows_oldest_first(state, model.size)
    assert len(rows) == len(model.rows)
    stored = jax.tree.map(lambda leaf: leaf[0, rows], state.experience.transition)
    jax.tree.map(np.testing.assert_array_equal, stored, transitions([i for i, _ in model.rows]))
    priorities = np.full(replay.capacity(state), replay.EMPTY, np.float32)
    priorities[rows] = [priority for _, priority in model.rows]
    np.testing.assert_array_equal(state.experience.priority[0], priorities)
    leaf_values = np.where(priorities == replay.EMPTY, 0, np.abs(priorities) ** ALPHA)
    np.testing.assert_allclose(sum_tree.leaves(nodes), leaf_values, rtol=1e-6)
    np.testing.assert_array_equal(nodes, rebuilt)
    assert state.running_index == model.n_seen


def operate(state: Any, model: ListModel, data: st.DataObject) -> Any:
    """One random operation, on the buffer and on the model."""
    operation = data.draw(st.sampled_from(["append", "append", "resize", "prioritise", "grow"]))
    if operation == "append":
        ids = model.append(data.draw(st.sampled_from([1, 3, 17])))
        return append(state, transitions(ids), model.size, ALPHA)
    if operation == "prioritise" and model.rows:
        position = data.draw(st.integers(0, len(model.rows) - 1))
        priority = data.draw(st.floats(2**-20, 1000, width=32))
        model.prioritise(position, priority)
        row = rows_oldest_first(state, model.size)[position]
        return set_priorities(
            state, np.array([row], np.int32), np.array([priority], np.float32), ALPHA
        )
    if operation == "grow":
        state = grow(state, LARGE)
    model.resize(data.draw(st.integers(1, replay.capacity(state))))
    return rebuild_tree(resize(state, model.size), ALPHA)


@given(st.data())
def test_any_sequence_of_operations_agrees_with_a_plain_list(data):
    model = ListModel(data.draw(st.integers(1, SMALL)))
    state = replay.init(EXAMPLE, SMALL)
    for _ in range(data.draw(st.integers(1, 8))):
        state = operate(state, model, data)
        assert_equals_model(state, model)


@given(size=st.integers(1, SMALL), n_envs=batch_sizes, n_appends=st.integers(1, 5))
def test_any_number_of_environments_fits_any_buffer_size(size, n_envs, n_appends):
    model = ListModel(size)
    state = replay.init(EXAMPLE, SMALL)
    for _ in range(n_appends):
        state = append(state, transitions(model.append(n_envs)), size, ALPHA)
    assert replay.count(state, size) == min(size, n_envs * n_appends)
    assert bool(state.is_full) == (n_envs * n_appends >= size)
    assert_equals_model(state, model)


def test_an_empty_buffer_holds_nothing():
    state = replay.init(EXAMPLE, SMALL)
    assert replay.capacity(state) == SMALL
    assert replay.count(state, SMALL) == 0
    assert not state.is_full
    assert sum_tree.total(state.sum_tree_state.nodes) == 0


def test_a_full_buffer_drops_its_oldest_rows():
    state = replay.init(EXAMPLE, SMALL)
    for begin in (0, 3):
        state = append(state, transitions(np.arange(begin, begin + 3)), 5, None)
    # Row 0 was the oldest and now holds the sixth transition.
    np.testing.assert_array_equal(
        state.experience.transition["features"][0, :5, 0], [5, 1, 2, 3, 4]
    )
    assert state.current_index == 1
    assert replay.count(state, 5) == 5


def test_of_a_batch_larger_than_the_buffer_the_last_rows_stay():
    state = append(replay.init(EXAMPLE, SMALL), transitions(np.arange(17)), 3, None)
    stored = replay.gather(state, rows_oldest_first(state, 3))
    np.testing.assert_array_equal(stored["features"][:, 0], [14, 15, 16])


@pytest.mark.parametrize(("n_stored", "wrapped"), [(5, False), (11, True)])
def test_the_newest_rows_stay_in_order_when_shrinking_and_growing(n_stored, wrapped):
    state = replay.init(EXAMPLE, SMALL)
    for i in range(n_stored):
        state = append(state, transitions([i]), 7, None)
    assert (int(state.current_index) != n_stored) == wrapped
    shrunk = resize(state, 4)
    newest = np.arange(n_stored)[-4:]
    stored = replay.gather(shrunk, rows_oldest_first(shrunk, 4))
    np.testing.assert_array_equal(stored["features"][:, 0], newest)
    grown = append(resize(shrunk, 8), transitions([100]), 8, None)
    stored = replay.gather(grown, rows_oldest_first(grown, 8))
    np.testing.assert_array_equal(stored["features"][:, 0], [*newest, 100])


def test_resizing_to_the_same_size_changes_nothing():
    state = replay.init(EXAMPLE, SMALL)
    for i in range(11):
        state = append(state, transitions([i]), 7, ALPHA)
    jax.tree.map(np.testing.assert_array_equal, resize(state, 7), state)


def test_integers_and_bytes_keep_their_dtypes():
    state = append(replay.init(EXAMPLE, SMALL), transitions([255, 256]), SMALL, None)
    state = resize(grow(state, LARGE), LARGE)
    stored = replay.gather(state, jnp.array([0, 1]))
    dtypes = jax.tree.map(lambda leaf: leaf.dtype, stored)
    assert dtypes == jax.tree.map(lambda leaf: jnp.dtype(leaf.dtype), EXAMPLE)
    np.testing.assert_array_equal(stored["frame"][:, 0, 0], [255, 0])
    # 2**30 + 255 is not a float32, so it would change if it were converted to one.
    np.testing.assert_array_equal(stored["category"], [2**30 + 255, 2**30 + 256])


def test_new_rows_enter_at_the_largest_priority_recorded_so_far():
    state = append(replay.init(EXAMPLE, SMALL), transitions([0, 1]), SMALL, 1.0)
    np.testing.assert_array_equal(state.experience.priority[0, :2], [1, 1])
    state = set_priorities(state, jnp.array([0, 1]), jnp.array([7.0, 0.5]), 1.0)
    # The largest priority is remembered even after its row has another one.
    state = set_priorities(state, jnp.array([0, 1]), jnp.array([2.0, 0.5]), 1.0)
    state = append(state, transitions([2]), SMALL, 1.0)
    np.testing.assert_array_equal(state.experience.priority[0, :3], [2, 0.5, 7])
    assert sum_tree.total(state.sum_tree_state.nodes) == 9.5


def test_without_alpha_the_sum_tree_is_left_alone():
    state = append(replay.init(EXAMPLE, SMALL), transitions([0, 1, 2]), SMALL, None)
    assert not np.any(state.sum_tree_state.nodes)
    np.testing.assert_array_equal(rebuild_tree(state, ALPHA).sum_tree_state.nodes[0], 3)


@pytest.mark.parametrize(
    ("n", "expected"), [(1, 2), (2, 2), (3, 4), (1024, 1024), (1025, 2048), (10_000_000, 2**24)]
)
def test_capacities_are_the_next_power_of_two(n, expected):
    assert replay.power_of_two_at_least(n) == expected


def test_a_row_costs_its_leaves_its_priority_and_two_tree_nodes():
    # 4 bytes of frame, 4 of category, 12 of features, 1 of terminated; and 4 and 8 bytes.
    assert replay.row_bytes(EXAMPLE) == 33


def test_small_buffers_share_one_capacity_that_fits_in_eight_mebibytes():
    shared = replay.default_capacity(EXAMPLE, 1)
    # 8 MiB hold 254,200 rows of 33 bytes; the power of two below that is 2**17.
    assert shared == 2**17
    assert replay.default_capacity(EXAMPLE, 2**17) == shared
    assert replay.default_capacity(EXAMPLE, 2**17 + 1) == 2**18
    assert replay.default_capacity(EXAMPLE, 10_000_000) == 2**24
