"""Which actions' values a target is bootstrapped from, and what is added to the reward."""

from __future__ import annotations

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from arlbench.core.algorithms.dqn import losses

#: The lower limit of the scaled log-policy (Vieillard et al. 2020, section 4).
LEAST_LOG_POLICY = -1.0


class Bootstrap(NamedTuple):
    """How to bootstrap from the next states.

    Attributes:
        policy: Probabilities of actions, ``[B, num_actions]``.
        bonus: What is added to their value, ``[B]``.
    """

    policy: jax.Array
    bonus: jax.Array


def greedy(q: jax.Array, mask: jax.Array | None) -> Bootstrap:
    """The legal action with the largest value ``[B, num_actions]``.

    With values of the target network, this gives the target of Mnih et al. (2015); with values of
    the network itself, the target of van Hasselt et al. (2016).
    """
    best = jnp.argmax(losses.legal_values(q, mask), axis=-1)
    return Bootstrap(jax.nn.one_hot(best, q.shape[-1], dtype=q.dtype), jnp.zeros_like(q[:, 0]))


def soft(q: jax.Array, mask: jax.Array | None, temperature: chex.Numeric) -> Bootstrap:
    """``softmax(q / temperature)``, and its scaled entropy as the bonus (Vieillard et al. 2020)."""
    log_policy = log_probabilities(q, mask, temperature)
    policy = jnp.exp(log_policy)
    entropy = -jnp.sum(jnp.where(policy > 0, policy * log_policy, 0.0), axis=-1)
    return Bootstrap(policy, temperature * entropy)


def log_probabilities(q: jax.Array, mask: jax.Array | None, temperature: chex.Numeric) -> jax.Array:
    """Logarithms of ``softmax(q / temperature)`` over legal actions, ``[B, num_actions]``."""
    legal = losses.legal_values(q, mask)
    # The largest value is subtracted first, because divided by the temperature it could overflow.
    return jax.nn.log_softmax((legal - jnp.max(legal, axis=-1, keepdims=True)) / temperature)


def munchausen_reward(
    q: jax.Array,
    mask: jax.Array | None,
    actions: jax.Array,
    alpha: chex.Numeric,
    temperature: chex.Numeric,
) -> jax.Array:
    """``alpha * clip(temperature * log pi(a | s), -1, 0)`` (Vieillard et al. 2020); ``[B]``."""
    log_policy = log_probabilities(q, mask, temperature)
    taken = jnp.take_along_axis(log_policy, actions[:, None], axis=1)[:, 0]
    return alpha * jnp.clip(temperature * taken, LEAST_LOG_POLICY, 0.0)
