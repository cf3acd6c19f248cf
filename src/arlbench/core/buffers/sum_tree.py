"""A complete binary tree of sums in a flat array, laid out as flashbax lays it out.

Level ``l`` occupies ``nodes[2**l - 1 : 2**(l + 1) - 1]``; the leaves are the last level.
An inner node is always *computed* as the sum of its children, never adjusted by a
difference. So the tree is a function of its leaves alone: it does not drift, and
building it anew gives the same bits.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

# Levels that one round of the descent passes at once: eight neighbouring grandchildren
# are one short read, where three levels in turn would be three reads that wait.
_LEVELS_PER_ROUND = 3

# The top of the tree is summed whole: with a batch of rows below, most of it changes
# anyway, and a dense sum costs less than reading and writing it row by row.
_DENSE_LEVELS = 6


def depth(nodes: jax.Array) -> int:
    """Levels below the root."""
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
    """Sets leaves ``indices [B]`` to ``values [B]`` and mends the sums above them.

    An index of ``capacity`` or more is ignored. An index that occurs twice must come
    with equal values.
    """
    bottom = depth(nodes)
    first = _first(bottom)
    nodes = nodes.at[first + indices].set(values, mode="drop")
    # An ignored leaf lies past the end; its place in the climb is taken by the last one,
    # whose sums are right already.
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
        Indices ``[B]`` of leaves that are positive, whatever the rounding.
    """
    bottom = depth(nodes)
    # The first round is the short one, if any: then all others pass as many levels.
    level = bottom % _LEVELS_PER_ROUND
    node = jnp.zeros(quantiles.shape, jnp.int32)
    first = _descend(nodes, node, quantiles * total(nodes), level, 1 << level)

    def descend(turn: jax.Array, carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        below = level + (turn + 1) * _LEVELS_PER_ROUND
        return _descend(nodes, *carry, below, 1 << _LEVELS_PER_ROUND)

    # A loop, for XLA would do earlier rounds again wherever a later one uses them.
    node, _ = jax.lax.fori_loop(0, bottom // _LEVELS_PER_ROUND, descend, first)
    return node


def _descend(
    nodes: jax.Array, node: jax.Array, remaining: jax.Array, level: int | jax.Array, width: int
) -> tuple[jax.Array, jax.Array]:
    """From each node to that of its ``width`` descendants at ``level`` which holds the rest."""
    values = nodes[_first(level) + node[:, None] * width + jnp.arange(width)[None, :]]
    child, start = jnp.zeros_like(node), jnp.zeros_like(remaining)
    before = jnp.zeros_like(remaining)
    # The last child with mass that begins at or before the rest. Where rounding carries
    # the rest past the end, that child still has mass: an empty leaf is never reached.
    # Child by child, as XLA on a CPU makes slow loops of a sum and a maximum over so few.
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
