"""Loops of members that are batched with ``jax.vmap`` and do not all make as many turns.

JAX turns a loop whose length differs from member to member into one that copies its
whole carry at every turn, replay buffer included. Here the length is that of the longest,
shared by all, and each turn is told whether it counts for a member: one that sits out
keeps its small values by a select and drops its writes into large arrays.

Without an ``axis`` there is one member, every turn counts, and nothing is selected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import chex
import jax
import jax.numpy as jnp

Carry = TypeVar("Carry")

#: Whether a turn counts for this member, bool ``[]``; None where it does in any case.
Active = jax.Array | None


def repeat(
    n: chex.Numeric, body: Callable[[Carry, Active], Carry], carry: Carry, axis: str | None
) -> Carry:
    """``n`` turns for this member; in a batch as many as the member with the most makes.

    Args:
        n: Turns, int32 ``[]``.
        body: Takes the carry and whether the turn counts.
        carry: What changes from turn to turn.
        axis: The name of the batch, None outside of one.
    """
    if axis is None:
        return jax.lax.fori_loop(0, n, lambda _, c: body(c, None), carry)
    longest = jax.lax.pmax(n, axis)
    return jax.lax.fori_loop(0, longest, lambda i, c: body(c, i < n), carry)


def turns(n: chex.Numeric, active: Active) -> chex.Numeric:
    """The turns of an inner loop: none where the outer one does not count."""
    return n if active is None else jnp.where(active, n, 0)


def keep(active: Active, new: Any, old: Any) -> Any:
    """The new tree where the turn counts, else the old one. For small trees."""
    if active is None:
        return new
    return jax.tree.map(lambda a, b: jnp.where(active, a, b), new, old)


def refresh(stale: jax.Array, renew: Callable[[], Any], current: Any, axis: str | None) -> Any:
    """A new tree where the current one is stale; in a batch made where any member's is."""
    if axis is None:
        return jax.lax.cond(stale, renew, lambda: current)
    any_stale = jax.lax.pmax(stale.astype(jnp.int32), axis) > 0

    def renew_stale() -> Any:
        return jax.tree.map(lambda a, b: jnp.where(stale, a, b), renew(), current)

    return jax.lax.cond(any_stale, renew_stale, lambda: current)
