"""A packed buffer holds the filled rows and gives the same buffer back."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.buffers import packing, replay
from arlbench.core.checkpoints.trees import read_tree, write_tree
from arlbench.errors import ConfigurationError
from probes import same_bits

CAPACITY = 16
EXAMPLE = {
    "number": jax.ShapeDtypeStruct((2,), jnp.float32),
    "pixels": jax.ShapeDtypeStruct((3,), jnp.uint8),
    "flag": jax.ShapeDtypeStruct((), jnp.bool_),
    "half": jax.ShapeDtypeStruct((), jnp.bfloat16),
}


@functools.partial(jax.jit, static_argnames=("n", "alpha"))
def appended(state: Any, n: int, size: int, alpha: float | None) -> Any:
    """The buffer with ``n`` more transitions, all different."""
    count = state.running_index + 1 + jnp.arange(n)
    transitions = {
        "number": jnp.stack([count, -count], axis=1).astype(jnp.float32),
        "pixels": jnp.stack([count] * 3, axis=1).astype(jnp.uint8),
        "flag": count % 2 == 0,
        "half": (count / 3).astype(jnp.bfloat16),
    }
    return replay.append(state, transitions, size, alpha)


def filled(*batches: int, size: int = CAPACITY, alpha: float | None = None) -> Any:
    """A buffer to which batches of these sizes were added."""
    state = replay.init(EXAMPLE, CAPACITY)
    for n in batches:
        state = appended(state, n, size, alpha)
    return state


def prioritised(*batches: int, size: int = CAPACITY) -> Any:
    """The same with different priorities, some of which were set twice."""
    state = filled(*batches, size=size, alpha=0.6)
    rows = jnp.array([0, 3, 1, 3])
    return replay.set_priorities(state, rows, jnp.array([0.3, 7.0, 1e-6, 5.0]), 0.6)


BUFFERS = {
    "empty": (filled, 0),
    "one row": (lambda: filled(1), 1),
    "partly filled": (lambda: filled(5, 4), 9),
    "full to the last row": (lambda: filled(8, 8), 16),
    "wrapped": (lambda: filled(8, 8, 5), 16),
    "smaller than its capacity": (lambda: filled(4, size=11), 4),
    "smaller than its capacity and wrapped": (lambda: filled(8, 8, size=11), 11),
    "prioritised": (lambda: prioritised(7), 7),
    "prioritised and wrapped": (lambda: prioritised(8, 8, 3), 16),
    "prioritised, smaller and wrapped": (lambda: prioritised(8, 8, size=11), 11),
}


@pytest.mark.parametrize("kind", BUFFERS)
def test_a_buffer_comes_back_in_every_bit(kind: str) -> None:
    make, n_rows = BUFFERS[kind]
    state = make()
    packed = packing.pack(state)
    assert {len(rows) for rows in jax.tree.leaves(packed[:3])} == {n_rows}
    assert int(packed.capacity) == CAPACITY
    unpacked = packing.unpack(packed)
    assert same_bits(unpacked, state)
    assert jax.tree.structure(unpacked) == jax.tree.structure(state)
    # Equal in type too, so that no program is compiled again.
    assert jax.tree.map(jnp.shape, unpacked) == jax.tree.map(jnp.shape, state)
    assert unpacked.sum_tree_state.tree_depth == state.sum_tree_state.tree_depth == 4


@pytest.mark.parametrize("kind", BUFFERS)
def test_a_buffer_comes_back_from_a_file(kind: str, tmp_path: Path) -> None:
    state = BUFFERS[kind][0]()
    write_tree(tmp_path / "buffer.npz", packing.pack(state))
    packed = read_tree(tmp_path / "buffer.npz", packing.template(EXAMPLE), "buffer")
    assert same_bits(packing.unpack(packed), state)


def grown_older(state: Any, size: int) -> Any:
    """The buffer after more operations: appending, drawing, new priorities."""
    state = appended(state, 3, size, 0.6)
    rows, _ = replay.sample_prioritised(state, jnp.array([0.1, 0.5, 0.9]))
    return replay.set_priorities(state, rows, jnp.array([0.2, 3.0, 40.0]), 0.6)


@pytest.mark.parametrize("size", [4, 6, 11])
def test_after_shrinking_only_the_rows_that_stayed_are_packed(size: int) -> None:
    shrunk = replay.rebuild_tree(replay.resize(prioritised(8, 8), size), 0.6)
    packed = packing.pack(shrunk)
    assert len(packed.priority) == size
    # The newest of the sixteen, oldest first.
    np.testing.assert_array_equal(
        packed.transition["number"][:, 0], np.arange(16 - size + 1, 17, dtype=np.float32)
    )
    unpacked = packing.unpack(packed)
    # Old values after the filled rows are not read: their rows are not drawn, so everything
    # that follows is the same.
    here, there = grown_older(shrunk, size), grown_older(unpacked, size)
    assert same_bits(packing.pack(here), packing.pack(there))
    assert same_bits(here.sum_tree_state, there.sum_tree_state)
    assert same_bits(here.experience.priority, there.experience.priority)


def test_a_file_is_as_large_as_the_rows_that_are_filled(tmp_path: Path) -> None:
    capacity, row_bytes = 2**16, replay.row_bytes(EXAMPLE)
    empty = replay.init(EXAMPLE, capacity)
    sizes = {}
    for n in (0, 1000, 3000):
        state = appended(empty, n, capacity, None) if n else empty
        path = tmp_path / f"{n}.npz"
        write_tree(path, packing.pack(state))
        sizes[n] = path.stat().st_size
    # The inner nodes of the tree, half of its 8 bytes for each row, are not saved.
    assert sizes[3000] - sizes[1000] == 2000 * (row_bytes - 4)
    assert sizes[0] < 4096


def test_a_packed_buffer_does_not_follow_its_origin() -> None:
    state = prioritised(7)
    packed, expected = packing.pack(state), packing.pack(prioritised(7))
    donated = jax.jit(grown_older, static_argnums=1, donate_argnums=0)(state, CAPACITY)
    assert not same_bits(packing.pack(donated), expected)
    assert same_bits(packed, expected)


def test_a_batch_of_buffers_is_not_taken_for_one() -> None:
    batch = jax.tree.map(lambda x: jnp.stack([x, x]), prioritised(7))
    with pytest.raises(ConfigurationError, match="a batch of buffers"):
        packing.pack(batch)


def test_an_unpacked_buffer_can_be_taken_over_by_a_program() -> None:
    unpacked = packing.unpack(packing.pack(prioritised(8, 8, 3)))
    jax.jit(grown_older, static_argnums=1, donate_argnums=0)(unpacked, CAPACITY)
    assert unpacked.experience.priority.is_deleted()
    assert unpacked.experience.transition["number"].is_deleted()
