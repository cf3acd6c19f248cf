"""A ring of transitions in flashbax's prioritised buffer state.

The state's arrays have a fixed *capacity*, a power of two that determines shapes in the program.
The *size*, how many of the rows are used, is an ordinary number that may differ between calls
and between members. Every function here is pure and traceable.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from flashbax.buffers.prioritised_trajectory_buffer import PrioritisedTrajectoryBufferState
from flashbax.buffers.sum_tree import SumTreeState

from arlbench.core import lockstep
from arlbench.core.buffers import sum_tree, wide_tree
from arlbench.core.buffers.wide_tree import WideTree
from arlbench.core.lockstep import Active

#: The raw priority of an empty row.
EMPTY = -1.0

#: The largest raw priority, chosen so that the sum over any buffer stays finite.
MAX_PRIORITY = 1e12

_SHARED_BYTES = 8 * 2**20


class Experience(NamedTuple):
    """The content of the buffer, with flashbax's axes: a batch of one, then ``capacity`` steps.

    Attributes:
        transition: Any pytree, leaves ``[1, capacity, ...]``.
        priority: Raw priorities ``p_i``, not yet raised to alpha, ``[1, capacity]``;
            ``EMPTY`` for rows without a transition.
    """

    transition: Any
    priority: jax.Array


def default_capacity(example: Any, size: int) -> int:
    """Rows to allocate for a logical size, rounded up to a power of two.

    Even small buffers get 8 MiB, so that ordinary sizes share one program.
    """
    shared_rows = _SHARED_BYTES // max(row_bytes(example), 1)
    return max(power_of_two_at_least(size), power_of_two_at_least(shared_rows + 1) // 2)


def power_of_two_at_least(n: int) -> int:
    """The smallest power of two that is at least ``n``, and at least 2."""
    return max(2, 1 << (n - 1).bit_length())


def row_bytes(example: Any) -> int:
    """Bytes of one stored row, including its priority and its part of the sum tree."""
    leaves = jax.tree.leaves(example)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in leaves) + 4 + 8


def init(example: Any, capacity: int) -> PrioritisedTrajectoryBufferState:
    """An empty buffer.

    Args:
        example: One transition (arrays or shapes), without batch axes.
        capacity: Rows to allocate, a power of two.
    """
    stored = jax.tree.map(lambda x: jnp.zeros((1, capacity, *x.shape), x.dtype), example)
    tree = SumTreeState(
        nodes=jnp.zeros(2 * capacity - 1, jnp.float32),
        max_recorded_priority=jnp.ones((), jnp.float32),
        tree_depth=capacity.bit_length() - 1,
        capacity=capacity,
    )
    return PrioritisedTrajectoryBufferState(  # type: ignore[call-arg]
        experience=Experience(stored, jnp.full((1, capacity), EMPTY, jnp.float32)),
        current_index=jnp.zeros((), jnp.int32),
        is_full=jnp.zeros((), bool),
        sum_tree_state=tree,
        running_index=jnp.zeros((), jnp.int32),
    )


def capacity(state: PrioritisedTrajectoryBufferState) -> int:
    """The number of allocated rows."""
    return state.experience.priority.shape[1]


def count(state: PrioritisedTrajectoryBufferState, size: chex.Numeric) -> jax.Array:
    """How many rows hold a transition, int32 ``[]``; ``size`` is the buffer's logical size."""
    return jnp.where(state.is_full, size, state.current_index)


def append(
    state: PrioritisedTrajectoryBufferState,
    transitions: Any,
    size: chex.Numeric,
    alpha: chex.Numeric | None,
    active: Active = None,
) -> PrioritisedTrajectoryBufferState:
    """Writes transitions over the oldest rows, with the largest priority recorded so far.

    Args:
        state: The buffer.
        transitions: A batch, leaves ``[B, ...]``; if it is larger than the buffer, only
            its last rows are kept.
        size: The buffer's logical size, at most its capacity.
        alpha: The exponent of the sum tree; None leaves the tree unchanged, which is
            right while sampling is uniform.
        active: Whether to write, bool ``[]``; None writes.
    """
    n_new = jax.tree.leaves(transitions)[0].shape[0]
    offsets = jnp.arange(n_new, dtype=jnp.int32)
    rows = (state.current_index + offsets) % size
    # A batch larger than the ring would write one row twice, in an undefined order.
    rows = jnp.where(offsets >= n_new - size, rows, capacity(state))
    rows = _dropped_unless(active, rows, state)
    tree = state.sum_tree_state
    priority = tree.max_recorded_priority
    experience = Experience(
        jax.tree.map(
            lambda stored, new: stored.at[0, rows].set(new, mode="drop"),
            state.experience.transition,
            transitions,
        ),
        state.experience.priority.at[0, rows].set(priority, mode="drop"),
    )
    if alpha is not None:
        leaf_values = jnp.broadcast_to(priority**alpha, (n_new,))
        tree = tree.replace(nodes=_sums(tree.nodes).set_leaves(tree.nodes, rows, leaf_values))
    n_written = lockstep.turns(n_new, active)
    end = state.current_index + n_written
    return state.replace(
        experience=experience,
        current_index=end % size,
        is_full=state.is_full | (end >= size),
        sum_tree_state=tree,
        running_index=state.running_index + n_written,
    )


def gather(state: PrioritisedTrajectoryBufferState, rows: jax.Array) -> Any:
    """The transitions of these rows ``[B]``, leaves ``[B, ...]``."""
    return jax.tree.map(lambda stored: stored[0, rows], state.experience.transition)


def sample_uniform(
    state: PrioritisedTrajectoryBufferState, words: jax.Array, size: chex.Numeric
) -> jax.Array:
    """Draws rows uniformly, with replacement, from those that hold a transition.

    Args:
        state: The buffer.
        words: Random words, uint32 ``[B]``.
        size: The buffer's logical size.

    Returns:
        Rows, int32 ``[B]``. Because they are remainders, some rows are more likely, by a factor
        of at most ``1 + size / 2**32``.
    """
    return (words % count(state, size).astype(jnp.uint32)).astype(jnp.int32)


def sample_prioritised(
    state: PrioritisedTrajectoryBufferState, jitter: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Draws rows with ``P(i) = p_i^alpha / sum_k p_k^alpha``, stratified over the batch.

    The total is divided into as many equal ranges as the batch has rows, and one row is
    drawn from each (Schaul et al. 2016, appendix B.2.1). Draws have a resolution of 24 bits:
    with more than about ten million rows of equal priority, neighbours are drawn unevenly.

    Args:
        state: A buffer whose sum tree is up to date.
        jitter: The position of each draw in its range, uniform in [0, 1), ``[B]``.

    Returns:
        Rows ``[B]`` and their probabilities ``[B]``.
    """
    nodes = state.sum_tree_state.nodes
    n = jitter.shape[0]
    sums = _sums(nodes)
    rows = sums.find(nodes, (jnp.arange(n, dtype=jnp.float32) + jitter) / n)
    return rows, sums.leaves(nodes)[rows] / sums.total(nodes)


def set_priorities(
    state: PrioritisedTrajectoryBufferState,
    rows: jax.Array,
    priorities: jax.Array,
    alpha: chex.Numeric,
    active: Active = None,
) -> PrioritisedTrajectoryBufferState:
    """Gives rows ``[B]`` new raw priorities ``[B]``; a NaN becomes ``MAX_PRIORITY``.

    Nothing changes unless ``active`` is true or None.
    """
    priorities = jnp.minimum(jnp.nan_to_num(priorities, nan=MAX_PRIORITY), MAX_PRIORITY)
    tree = state.sum_tree_state
    written = _dropped_unless(active, rows, state)
    stored = state.experience.priority.at[0, written].set(priorities, mode="drop")
    largest = jnp.maximum(tree.max_recorded_priority, jnp.max(priorities))
    return state.replace(
        experience=state.experience._replace(priority=stored),
        sum_tree_state=tree.replace(
            # Reads back the stored values, because a row drawn twice must not get two values.
            nodes=_sums(tree.nodes).set_leaves(tree.nodes, written, stored[0, rows] ** alpha),
            max_recorded_priority=lockstep.keep(active, largest, tree.max_recorded_priority),
        ),
    )


def with_wide_tree(state: PrioritisedTrajectoryBufferState) -> PrioritisedTrajectoryBufferState:
    """The buffer with a wide tree instead of the binary one, for accelerators.

    This form does not have flashbax's type, so only the iterations within a program use it.
    """
    tree = state.sum_tree_state
    nodes = wide_tree.build(sum_tree.leaves(tree.nodes))
    return state.replace(sum_tree_state=tree.replace(nodes=nodes))


def with_binary_tree(state: PrioritisedTrajectoryBufferState) -> PrioritisedTrajectoryBufferState:
    """The inverse of :func:`with_wide_tree`."""
    tree = state.sum_tree_state
    nodes = sum_tree.build(wide_tree.leaves(tree.nodes))
    return state.replace(sum_tree_state=tree.replace(nodes=nodes))


def _sums(nodes: jax.Array | WideTree) -> Any:
    """The module with the functions for these nodes."""
    return wide_tree if isinstance(nodes, WideTree) else sum_tree


def _dropped_unless(
    active: Active, rows: jax.Array, state: PrioritisedTrajectoryBufferState
) -> jax.Array:
    """The rows if active; otherwise rows past the end, which are not written."""
    return rows if active is None else jnp.where(active, rows, capacity(state))


def rebuild_tree(
    state: PrioritisedTrajectoryBufferState, alpha: chex.Numeric
) -> PrioritisedTrajectoryBufferState:
    """Builds the sum tree again from the raw priorities, for an alpha that has changed.

    If nothing has changed, it returns exactly the same tree, so it may be called at any time.
    """
    priority = state.experience.priority[0]
    leaf_values = jnp.where(priority == EMPTY, 0.0, jnp.maximum(priority, 0.0) ** alpha)
    tree = state.sum_tree_state
    return state.replace(sum_tree_state=tree.replace(nodes=sum_tree.build(leaf_values)))


def resize(
    state: PrioritisedTrajectoryBufferState, size: chex.Numeric
) -> PrioritisedTrajectoryBufferState:
    """Adapts the ring to a new logical size; the newest rows are kept, in order.

    The old size need not be known: once the ring is full, it is the number of rows that hold
    a transition. The sum tree does not change; see :func:`rebuild_tree`.
    """
    held = jnp.sum(state.experience.priority != EMPTY, dtype=jnp.int32)
    must_move = jnp.where(state.is_full, held != size, held > size)
    # A loop of at most one turn leaves an unchanged buffer in its place, without a copy.
    state = jax.lax.fori_loop(
        0, must_move.astype(jnp.int32), lambda _, s: _unroll(s, held, size), state
    )
    return state.replace(
        is_full=state.is_full | (state.current_index == size),
        current_index=state.current_index % size,
    )


def _unroll(
    state: PrioritisedTrajectoryBufferState, held: jax.Array, size: chex.Numeric
) -> PrioritisedTrajectoryBufferState:
    """Moves the newest ``min(held, size)`` rows to the front, with the oldest first."""
    kept = jnp.minimum(held, size)
    oldest = jnp.where(state.is_full, state.current_index, 0)
    position = jnp.arange(capacity(state), dtype=jnp.int32)
    source = (oldest + held - kept + position) % jnp.maximum(held, 1)
    # The tree has a power of two of leaves, but there may be fewer rows.
    experience = jax.tree.map(lambda x: x[:, source[: x.shape[1]]], state.experience)
    priority = jnp.where(position[None] < kept, experience.priority, EMPTY)
    return state.replace(
        experience=experience._replace(priority=priority),
        current_index=kept,
        is_full=jnp.zeros((), bool),
    )


def grow(
    state: PrioritisedTrajectoryBufferState, new_capacity: int
) -> PrioritisedTrajectoryBufferState:
    """Allocates more rows; call :func:`resize` and :func:`rebuild_tree` afterwards."""
    example = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape[2:], x.dtype), state.experience.transition
    )
    larger = init(example, new_capacity)
    experience = jax.tree.map(
        lambda new, old: new.at[:, : old.shape[1]].set(old), larger.experience, state.experience
    )
    tree = larger.sum_tree_state.replace(
        max_recorded_priority=state.sum_tree_state.max_recorded_priority
    )
    return state.replace(experience=experience, sum_tree_state=tree)
