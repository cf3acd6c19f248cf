"""The formulas of DQN, each for one transition unless stated otherwise."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp


def td_target(reward: jax.Array, discount: jax.Array, next_q: jax.Array) -> jax.Array:
    """``r + discount * max_a' Q(s', a')`` (Mnih et al. 2015).

    Args:
        reward: ``[]``.
        discount: ``[]``; 0 if the task ended. A time limit does not end the sum of rewards (Pardo
            et al. 2018).
        next_q: Values of the next state's actions, ``[num_actions]``.
    """
    chex.assert_rank([reward, discount, next_q], [0, 0, 1])
    return reward + discount * jnp.max(next_q)


def legal_values(q: jax.Array, mask: jax.Array | None) -> jax.Array:
    """The values, changed so that the value of an illegal action is never the largest.

    If no action is legal, as after the end of a game, all values are kept: they are finite,
    and no action is chosen there.

    Args:
        q: ``[B, num_actions]``.
        mask: Legal actions, bool ``[B, num_actions]``; None if all are legal.
    """
    if mask is None:
        return q
    chex.assert_equal_shape([q, mask])
    usable = mask | ~jnp.any(mask, axis=-1, keepdims=True)
    return jnp.where(usable, q, jnp.finfo(q.dtype).min)


def td_error(q: jax.Array, action: jax.Array, target: jax.Array) -> jax.Array:
    """``Q(s, a) - target``, with ``q [num_actions]``."""
    chex.assert_rank([q, action, target], [1, 0, 0])
    return q[action] - target


def weighted_loss(errors: jax.Array, weights: jax.Array) -> jax.Array:
    """``mean(w * 0.5 * td_error^2)`` over a batch ``[B]`` (Schaul et al. 2016)."""
    chex.assert_rank([errors, weights], 1)
    chex.assert_equal_shape([errors, weights])
    return jnp.mean(weights * 0.5 * jnp.square(errors))


def importance_weights(probabilities: jax.Array, beta: chex.Numeric) -> jax.Array:
    """``(1 / P(i))^beta`` divided by the largest of the batch ``[B]`` (Schaul et al. 2016).

    Computed from logarithms, because the powers themselves would exceed the range of a float.
    """
    chex.assert_rank(probabilities, 1)
    exponents = -beta * jnp.log(probabilities)
    return jnp.exp(exponents - jnp.max(exponents))


def epsilon(
    timesteps: chex.Numeric,
    initial: chex.Numeric,
    target: chex.Numeric,
    fraction: chex.Numeric,
    schedule_timesteps: chex.Numeric,
) -> jax.Array:
    """The probability of a random action after ``timesteps`` environment steps.

    It falls linearly from ``initial`` to ``target`` over the first ``fraction`` of
    ``schedule_timesteps`` and stays there (Mnih et al. 2015).
    """
    horizon = jnp.maximum(fraction * schedule_timesteps, jnp.finfo(jnp.float32).tiny)
    # If the horizon is 0, even the first step is past it.
    progress = jnp.where(fraction > 0, jnp.minimum(timesteps / horizon, 1.0), 1.0)
    return jnp.where(progress < 1, initial + (target - initial) * progress, target)
