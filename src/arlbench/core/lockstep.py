"""Loops of different lengths for members that are batched with ``jax.vmap``.

If a loop's length differs between members, JAX makes a loop that copies its whole carry at
every turn, including the replay buffer. Here all members share the length of the longest
loop, and each turn is told whether it counts for a member. If it does not, the member's small
values are kept by a select, and its writes into large arrays are dropped.

Without an ``axis`` there is only one member; every turn counts and nothing is selected.

An accelerator waits for the host whenever the next kernel depends on a number that was just
computed: at every turn of a loop of unknown length, and at every branch. Programs that are
traced :func:`without_waiting` therefore make a number of turns that is known in advance,
some of which may not count, and compute both sides of a branch to select from them.
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

#: Whether a turn counts for this member, bool ``[]``; None if it always does.
Active = jax.Array | None

_waits = contextvars.ContextVar("waits", default=True)


@contextlib.contextmanager
def without_waiting(enabled: bool = True) -> Iterator[None]:
    """If ``enabled``, programs traced in this context have loops of known lengths, and no branches.

    A program's static arguments must therefore include whether it was traced in one.
    """
    token = _waits.set(not enabled)
    try:
        yield
    finally:
        _waits.reset(token)


def may_wait() -> bool:
    """Whether lengths of loops, and branches, may depend on computed values."""
    return _waits.get()


def repeat(
    n: chex.Numeric,
    body: Callable[[Carry, Active], Carry],
    carry: Carry,
    axis: str | None,
    at_most: int | None = None,
) -> Carry:
    """Runs ``n`` turns for this member; a batch runs the largest number of any member.

    Args:
        n: The number of turns, int32 ``[]``.
        body: A function of the carry and of whether the turn counts.
        carry: The values that change from turn to turn.
        axis: The name of the batch; None without a batch.
        at_most: An upper limit on any member's turns; programs that do not wait run this many.
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
    """Runs ``n_turns`` turns, of which the first ``n`` count."""
    if n_turns == 1:
        return body(carry, jnp.asarray(n) > 0)
    return jax.lax.fori_loop(0, n_turns, lambda i, c: body(c, i < n), carry)


def turns(n: chex.Numeric, active: Active) -> chex.Numeric:
    """The turns of an inner loop: none if the outer turn does not count."""
    return n if active is None else jnp.where(active, n, 0)


def keep(active: Active, new: Any, old: Any) -> Any:
    """The new tree if the turn counts, otherwise the old one. For small trees."""
    if active is None:
        return new
    return jax.tree.map(lambda a, b: jnp.where(active, a, b), new, old)


def refresh(stale: jax.Array, renew: Callable[[], Any], current: Any, axis: str | None) -> Any:
    """A new tree if the current one is stale; a batch makes new ones if any member's is stale."""
    if axis is None:
        return jax.lax.cond(stale, renew, lambda: current)
    any_stale = jax.lax.pmax(stale.astype(jnp.int32), axis) > 0

    def renew_stale() -> Any:
        return jax.tree.map(lambda a, b: jnp.where(stale, a, b), renew(), current)

    return jax.lax.cond(any_stale, renew_stale, lambda: current)
