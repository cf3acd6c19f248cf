"""The form in which a buffer is saved: only its filled rows."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
from flashbax.buffers.prioritised_trajectory_buffer import PrioritisedTrajectoryBufferState
from flashbax.buffers.sum_tree import SumTreeState

from arlbench.core.buffers import replay
from arlbench.core.buffers.replay import EMPTY, Experience
from arlbench.core.shapes import ArrayTemplate, any_number
from arlbench.errors import ConfigurationError

# In flashbax, a batch axis comes before the axis of rows.
_N_AXES = 2


class PackedBuffer(NamedTuple):
    """The ``n`` filled rows of a buffer, and the other fields of its state.

    Attributes:
        transition: Stored transitions, leaves ``[n, ...]``, in the order of the rows.
        priority: Raw priorities, float32 ``[n]``.
        leaf_values: The sum tree's leaves, float32 ``[n]``, from which its sums are computed.
        max_recorded_priority: float32 ``[]``.
        current_index: int32 ``[]``.
        is_full: bool ``[]``.
        running_index: int32 ``[]``.
        capacity: The number of allocated rows, int32 ``[]``.
    """

    transition: Any
    priority: Any
    leaf_values: Any
    max_recorded_priority: Any
    current_index: Any
    is_full: Any
    running_index: Any
    capacity: Any


def pack(state: PrioritisedTrajectoryBufferState) -> PackedBuffer:
    """The buffer without its empty rows, copied into ordinary memory.

    Raises:
        ConfigurationError: If the state is a batch of buffers.
    """
    if state.experience.priority.ndim != _N_AXES:
        raise ConfigurationError("This is a batch of buffers; save each of them separately.")
    priority = np.asarray(state.experience.priority[0])
    # Rows are filled starting with the first, and emptied starting with the last.
    n = int(np.count_nonzero(priority != EMPTY))
    capacity, tree = replay.capacity(state), state.sum_tree_state

    def rows(leaf: Any) -> np.ndarray:
        return np.array(np.asarray(leaf)[0, :n], copy=True)

    return PackedBuffer(
        transition=jax.tree.map(rows, state.experience.transition),
        priority=priority[:n].copy(),
        leaf_values=np.asarray(tree.nodes)[capacity - 1 :][:n].copy(),
        max_recorded_priority=np.array(tree.max_recorded_priority),
        current_index=np.array(state.current_index),
        is_full=np.array(state.is_full),
        running_index=np.array(state.running_index),
        capacity=np.int32(capacity),
    )


def template(example: Any) -> PackedBuffer:
    """Shapes of a packed buffer; a length of None stands for any number of rows.

    Args:
        example: One transition (arrays or shapes), without batch axes.
    """

    number, count, flag = (ArrayTemplate((), kind) for kind in (np.float32, np.int32, np.bool_))
    return PackedBuffer(
        transition=jax.tree.map(any_number, example),
        priority=any_number(number),
        leaf_values=any_number(number),
        max_recorded_priority=number,
        current_index=count,
        is_full=flag,
        running_index=count,
        capacity=count,
    )


def unpack(packed: PackedBuffer) -> PrioritisedTrajectoryBufferState:
    """The inverse of :func:`pack`, in new memory of the default device."""
    capacity = int(packed.capacity)

    def filled(rows: Any, nothing: float = 0.0) -> np.ndarray:
        array = np.full((capacity, *rows.shape[1:]), nothing, rows.dtype)
        array[: len(rows)] = rows
        return array

    def stored(rows: Any, nothing: float = 0.0) -> jax.Array:
        return on_device(filled(rows, nothing)[None])

    tree = SumTreeState(
        nodes=on_device(_sums_above(filled(packed.leaf_values))),
        max_recorded_priority=on_device(packed.max_recorded_priority),
        tree_depth=capacity.bit_length() - 1,
        capacity=capacity,
    )
    return PrioritisedTrajectoryBufferState(  # type: ignore[call-arg]
        experience=Experience(
            jax.tree.map(stored, packed.transition), stored(packed.priority, EMPTY)
        ),
        current_index=on_device(packed.current_index),
        is_full=on_device(packed.is_full),
        sum_tree_state=tree,
        running_index=on_device(packed.running_index),
    )


def _sums_above(leaf_values: np.ndarray) -> np.ndarray:
    """The nodes of the sum tree over these leaves, computed on the host to compile nothing."""
    levels = [leaf_values]
    while len(levels[0]) > 1:
        pairs = levels[0].reshape(-1, 2)
        levels.insert(0, pairs[:, 0] + pairs[:, 1])
    return np.concatenate(levels)


def on_device(array: Any) -> jax.Array:
    """The array in new memory of the default device."""
    # In new memory, because training donates these buffers, and NumPy's memory cannot be donated.
    return jax.device_put(np.asarray(array), may_alias=False)
