"""Formulas for errors and gradients: Huber's loss, clipping, decay and linear schedules."""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp


def huber(errors: jax.Array, delta: chex.Numeric) -> jax.Array:
    """``0.5 e^2`` up to delta and ``delta (|e| - 0.5 delta)`` beyond (Huber 1964); ``[B]``."""
    sizes = jnp.abs(errors)
    within = jnp.minimum(sizes, delta)
    return within * (sizes - 0.5 * within)


def clipped(grads: Any, limit: chex.Numeric) -> Any:
    """The gradients, scaled down to a global norm of at most ``limit`` (Pascanu et al. 2013).

    If the limit is 0, they stay as they are.
    """
    norm = jnp.sqrt(sum(jnp.sum(jnp.square(g)) for g in jax.tree.leaves(grads)))
    too_long = (limit > 0) & (norm > limit)
    factor = jnp.where(too_long, limit / jnp.where(too_long, norm, 1.0), 1.0)
    return jax.tree.map(lambda g: g * factor, grads)


def decayed(after: Any, before: Any, share: chex.Numeric) -> Any:
    """Parameters after a step, less a share of those before it (Loshchilov & Hutter 2019).

    The share is the learning rate times the decay.
    """
    return jax.tree.map(lambda new, old: new - share * old, after, before)


def linear(begin: chex.Numeric, end: chex.Numeric, progress: chex.Numeric) -> jax.Array:
    """The value at a progress from 0 to 1, exactly ``begin`` at 0; later it stays at ``end``."""
    return begin + (end - begin) * jnp.clip(progress, 0.0, 1.0)
