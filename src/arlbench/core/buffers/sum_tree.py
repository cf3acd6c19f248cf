"""A complete binary tree of sums in a flat array, with flashbax's layout.

Level ``l`` occupies ``nodes[2**l - 1 : 2**(l + 1) - 1]``; the leaves are the last level.
An inner node is always *computed* as the sum of its children, never adjusted by a
difference. Therefore the tree depends only on its leaves: it does not drift, and building
it again gives the same bits.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

# The levels that one round of the descent passes together: eight neighbouring descendants are one
# short read, while three levels one after another would be three reads that wait for each other.
_LEVELS_PER_ROUND = 3

# The top of the tree is summed as a whole: a batch of rows changes most of it anyway, and a
# dense sum costs less than reading and writing it row by row.
_DENSE_LEVELS = 6


def depth(nodes: jax.Array) -> int:
    """The number of levels below the root."""
    return (nodes.shape[0] + 1).bit_length() - 2


def total(nodes: jax.Array) -> jax.Array:
    """The sum over all leaves."""
    return nodes[0]


def leaves(nodes: jax.Array) -> jax.Array:
    """The leaf values, ``[2**depth]``."""
    return nodes[_first(depth(nodes)) :]


def build(leaf_values: jax.Array) -> jax.Array:
    """The tree ``[2 * capacity - 1]`` over leaves ``[capacity]``, a power of two."""
    levels = [leaf_values]
    while levels[0].shape[0] > 1:
        pairs = levels[0].reshape(-1, 2)
        levels.insert(0, pairs[:, 0] + pairs[:, 1])
    return jnp.concatenate(levels)


def set_leaves(nodes: jax.Array, indices: jax.Array, values: jax.Array) -> jax.Array:
    """Sets leaves ``indices [B]`` to ``values [B]`` and computes the sums above them again.

    An index of ``capacity`` or more is ignored. An index that occurs twice must have equal
    values.
    """
    bottom = depth(nodes)
    first = _first(bottom)
    nodes = nodes.at[first + indices].set(values, mode="drop")
    # An ignored leaf is past the end; the climb uses the last leaf instead, whose sums are
    # already right.
    positions = first + jnp.minimum(indices, first)
    dense = min(_DENSE_LEVELS, bottom)

    def climb(_: int, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        nodes, positions = carry
        positions = (positions - 1) >> 1
        return nodes.at[positions].set(_sum_of_children(nodes, positions)), positions

    nodes, _ = jax.lax.fori_loop(0, bottom - dense, climb, (nodes, positions))
    top = build(nodes[_first(dense) : _first(dense + 1)])
    return jax.lax.dynamic_update_slice(nodes, top, (0,))


def find(nodes: jax.Array, quantiles: jax.Array) -> jax.Array:
    """The leaf at each quantile of the total.

    Args:
        nodes: The tree; at least one leaf is positive.
        quantiles: Numbers in [0, 1], ``[B]``.

    Returns:
        Indices ``[B]`` of leaves; they are positive even after rounding.
    """
    bottom = depth(nodes)
    # If one round is shorter, it is the first, so that all others pass the same number of levels.
    level = bottom % _LEVELS_PER_ROUND
    node = jnp.zeros(quantiles.shape, jnp.int32)
    first = _descend(nodes, node, quantiles * total(nodes), level, 1 << level)

    def descend(turn: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        below = level + (turn + 1) * _LEVELS_PER_ROUND
        return _descend(nodes, *carry, below, 1 << _LEVELS_PER_ROUND)

    # A loop, because otherwise XLA would repeat earlier rounds whenever a later one uses them.
    node, _ = jax.lax.fori_loop(0, bottom // _LEVELS_PER_ROUND, descend, first)
    return node


def _descend(
    nodes: jax.Array, node: jax.Array, remaining: jax.Array, level: int | jax.Array, width: int
) -> tuple[jax.Array, jax.Array]:
    """Moves from each node to the descendant at ``level`` in which ``remaining`` falls.

    Args:
        nodes: The tree.
        node: Positions within their level, int32 ``[B]``.
        remaining: Sums to pass, counted from the first leaf below each node, ``[B]``.
        level: The level to move to.
        width: The number of descendants of a node at that level.

    Returns:
        The descendants' positions in ``level``, and the sums that remain within them.
    """
    values = nodes[_first(level) + node[:, None] * width + jnp.arange(width)[None, :]]
    child, start = jnp.zeros_like(node), jnp.zeros_like(remaining)
    before = jnp.zeros_like(remaining)
    # Finds the last child with mass that begins at or before the remaining sum. If rounding
    # carries the sum past the end, that child still has mass: an empty leaf is never reached.
    # Children are looked at one after another, because XLA on a CPU makes slow loops for sums and
    # maxima over so few values.
    for column in range(width):
        reachable = (values[:, column] > 0) & (before <= remaining)
        child = jnp.where(reachable, column, child)
        start = jnp.where(reachable, before, start)
        before = before + values[:, column]
    return node * width + child, jnp.maximum(remaining - start, 0.0)


def _first(level: Any) -> Any:
    """Position of the first node of a level."""
    return (1 << level) - 1


def _sum_of_children(nodes: jax.Array, position: jax.Array) -> jax.Array:
    left = 2 * position + 1
    return nodes[left] + nodes[left + 1]
