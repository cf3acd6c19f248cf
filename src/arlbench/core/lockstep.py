"""Loops of members that are batched with ``jax.vmap`` and do not all make as many turns.

JAX turns a loop whose length differs from member to member into one that copies its
whole carry at every turn, replay buffer included. Here the length is that of the longest,
shared by all, and each turn is told whether it counts for a member: one that sits out
keeps its small values by a select and drops its writes into large arrays.

Without an ``axis`` there is one member, every turn counts, and nothing is selected.

An accelerator waits for the host wherever the next kernel depends on a number that was just
computed: at every turn of a loop of unknown length, and at every branch. Programs that are
traced :func:`without_waiting` therefore make as many turns as are known in advance, of
which some do not count, and compute both sides of a branch to select from them.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import chex
import jax
import jax.numpy as jnp

Carry = TypeVar("Carry")

#: Whether a turn counts for this member, bool ``[]``; None where it does in any case.
Active = jax.Array | None

_waits = contextvars.ContextVar("waits", default=True)


@contextlib.contextmanager
def without_waiting(enabled: bool = True) -> Iterator[None]:
    """Within it, traced programs have known lengths and selections, if ``enabled``.

    It acts while a program is traced, so the program's static arguments must say that it did.
    """
    token = _waits.set(not enabled)
    try:
        yield
    finally:
        _waits.reset(token)


def may_wait() -> bool:
    """Whether lengths of loops and branches may depend on what is computed."""
    return _waits.get()


def repeat(
    n: chex.Numeric,
    body: Callable[[Carry, Active], Carry],
    carry: Carry,
    axis: str | None,
    at_most: int | None = None,
) -> Carry:
    """``n`` turns for this member; in a batch as many as the member with the most makes.

    Args:
        n: Turns, int32 ``[]``.
        body: Takes the carry and whether the turn counts.
        carry: What changes from turn to turn.
        axis: The name of the batch, None outside of one.
        at_most: A number that no member's turns exceed, for programs that do not wait.
    """
    if at_most is not None and not may_wait():
        return _masked(n, body, carry, at_most)
    if axis is None:
        return jax.lax.fori_loop(0, n, lambda _, c: body(c, None), carry)
    longest = jax.lax.pmax(n, axis)
    return jax.lax.fori_loop(0, longest, lambda i, c: body(c, i < n), carry)


def _masked(
    n: chex.Numeric, body: Callable[[Carry, Active], Carry], carry: Carry, n_turns: int
) -> Carry:
    """``n_turns`` turns, of which the first ``n`` count."""
    if n_turns == 1:
        return body(carry, jnp.asarray(n) > 0)
    return jax.lax.fori_loop(0, n_turns, lambda i, c: body(c, i < n), carry)


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
