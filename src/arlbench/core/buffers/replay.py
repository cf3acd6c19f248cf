"""A ring of transitions in flashbax's prioritised buffer state.

The state's arrays have a fixed *capacity*, a power of two that shapes the program; how
many rows of it are in use, the *size*, is an ordinary number that may differ from call
to call and from member to member. Every function here is pure and traceable.
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

#: The raw priority of a row that holds nothing.
EMPTY = -1.0

#: Raw priorities are capped here, so that their sum over any buffer stays finite.
MAX_PRIORITY = 1e12

_SHARED_BYTES = 8 * 2**20


class Experience(NamedTuple):
    """What the buffer stores; flashbax's leading axes, one row of ``capacity`` steps.

    Attributes:
        transition: Any pytree, leaves ``[1, capacity, ...]``.
        priority: Raw priorities ``p_i``, not yet raised to alpha, ``[1, capacity]``;
            ``EMPTY`` where no transition is stored.
    """

    transition: Any
    priority: jax.Array


def default_capacity(example: Any, size: int) -> int:
    """Rows to allocate for a logical size: rounded up to a power of two.

    Small buffers get 8 MiB in any case, so that ordinary sizes share one program.
    """
    shared_rows = _SHARED_BYTES // max(row_bytes(example), 1)
    return max(power_of_two_at_least(size), power_of_two_at_least(shared_rows + 1) // 2)


def power_of_two_at_least(n: int) -> int:
    """The smallest power of two that is at least ``n``, and at least 2."""
    return max(2, 1 << (n - 1).bit_length())


def row_bytes(example: Any) -> int:
    """Memory of one stored row, its priority and its part of the sum tree."""
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
    """Rows allocated."""
    return state.experience.priority.shape[1]


def count(state: PrioritisedTrajectoryBufferState, size: chex.Numeric) -> jax.Array:
    """Rows that hold a transition, int32 ``[]``; ``size`` is the buffer's logical size."""
    return jnp.where(state.is_full, size, state.current_index)


def append(
    state: PrioritisedTrajectoryBufferState,
    transitions: Any,
    size: chex.Numeric,
    alpha: chex.Numeric | None,
    active: Active = None,
) -> PrioritisedTrajectoryBufferState:
    """Writes transitions over the oldest rows, at the largest priority recorded so far.

    Args:
        state: The buffer.
        transitions: A batch, leaves ``[B, ...]``; of one larger than the buffer the
            last rows stay.
        size: The buffer's logical size, at most its capacity.
        alpha: The exponent of the sum tree, or None to leave the tree alone, which is
            right while sampling is uniform.
        active: Whether to write at all.
    """
    n_new = jax.tree.leaves(transitions)[0].shape[0]
    offsets = jnp.arange(n_new, dtype=jnp.int32)
    rows = (state.current_index + offsets) % size
    # A batch that wraps onto itself would write one row twice, in no defined order.
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
    """The transitions in these rows ``[B]``, leaves ``[B, ...]``."""
    return jax.tree.map(lambda stored: stored[0, rows], state.experience.transition)


def sample_uniform(
    state: PrioritisedTrajectoryBufferState, words: jax.Array, size: chex.Numeric
) -> jax.Array:
    """Rows drawn uniformly, with replacement, from those that hold a transition.

    Args:
        state: The buffer.
        words: Random words, uint32 ``[B]``.
        size: The buffer's logical size.

    Returns:
        Rows, int32 ``[B]``. The remainder favours some rows by a factor of at most
        ``1 + size / 2**32``.
    """
    return (words % count(state, size).astype(jnp.uint32)).astype(jnp.int32)


def sample_prioritised(
    state: PrioritisedTrajectoryBufferState, jitter: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Rows drawn with ``P(i) = p_i^alpha / sum_k p_k^alpha``, stratified over the batch.

    The total is divided into as many equal ranges as the batch has rows, and one row is
    drawn from each (Schaul et al. 2016, appendix B.2.1). Draws resolve the total to 24
    bits: beyond some ten million rows of equal priority, neighbours are drawn unevenly.

    Args:
        state: The buffer, whose sum tree is up to date.
        jitter: Uniform in [0, 1), where in its range each draw falls, ``[B]``.

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
    """Gives rows ``[B]`` new raw priorities ``[B]``; a NaN counts as the largest.

    Where it is not ``active`` nothing changes.
    """
    priorities = jnp.minimum(jnp.nan_to_num(priorities, nan=MAX_PRIORITY), MAX_PRIORITY)
    tree = state.sum_tree_state
    written = _dropped_unless(active, rows, state)
    stored = state.experience.priority.at[0, written].set(priorities, mode="drop")
    largest = jnp.maximum(tree.max_recorded_priority, jnp.max(priorities))
    return state.replace(
        experience=state.experience._replace(priority=stored),
        sum_tree_state=tree.replace(
            # Read back what was stored: a row drawn twice must not end with two values.
            nodes=_sums(tree.nodes).set_leaves(tree.nodes, written, stored[0, rows] ** alpha),
            max_recorded_priority=lockstep.keep(active, largest, tree.max_recorded_priority),
        ),
    )


def with_wide_tree(state: PrioritisedTrajectoryBufferState) -> PrioritisedTrajectoryBufferState:
    """The buffer with a wide tree in place of the binary one, for accelerators.

    Only a program's own iterations see it so: it is not of flashbax's type any more.
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
    """The module whose functions take these nodes."""
    return wide_tree if isinstance(nodes, WideTree) else sum_tree


def _dropped_unless(
    active: Active, rows: jax.Array, state: PrioritisedTrajectoryBufferState
) -> jax.Array:
    """The rows, or rows past the end, which are not written."""
    return rows if active is None else jnp.where(active, rows, capacity(state))


def rebuild_tree(
    state: PrioritisedTrajectoryBufferState, alpha: chex.Numeric
) -> PrioritisedTrajectoryBufferState:
    """Makes the sum tree anew from the raw priorities, for an alpha that has changed.

    Where nothing has changed it gives the very same tree, so it may be called freely.
    """
    priority = state.experience.priority[0]
    leaf_values = jnp.where(priority == EMPTY, 0.0, jnp.maximum(priority, 0.0) ** alpha)
    tree = state.sum_tree_state
    return state.replace(sum_tree_state=tree.replace(nodes=sum_tree.build(leaf_values)))


def resize(
    state: PrioritisedTrajectoryBufferState, size: chex.Numeric
) -> PrioritisedTrajectoryBufferState:
    """Fits the ring to a new logical size; the newest rows stay, in order.

    The old size need not be known: it is the number of rows that hold something, once
    the ring is full. The sum tree is left as it was; see :func:`rebuild_tree`.
    """
    held = jnp.sum(state.experience.priority != EMPTY, dtype=jnp.int32)
    must_move = jnp.where(state.is_full, held != size, held > size)
    # A loop of one or no turns leaves an unchanged buffer in its place, without a copy.
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
    """Moves the newest ``min(held, size)`` rows to the front, oldest first."""
    kept = jnp.minimum(held, size)
    oldest = jnp.where(state.is_full, state.current_index, 0)
    position = jnp.arange(capacity(state), dtype=jnp.int32)
    source = (oldest + held - kept + position) % jnp.maximum(held, 1)
    experience = jax.tree.map(lambda x: x[:, source], state.experience)
    priority = jnp.where(position[None] < kept, experience.priority, EMPTY)
    return state.replace(
        experience=experience._replace(priority=priority),
        current_index=kept,
        is_full=jnp.zeros((), bool),
    )


def grow(
    state: PrioritisedTrajectoryBufferState, new_capacity: int
) -> PrioritisedTrajectoryBufferState:
    """Allocates more rows; follow it with :func:`resize` and :func:`rebuild_tree`."""
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
