"""How an agent explores: epsilon-greedily, by Boltzmann's distribution, or persistently."""

from __future__ import annotations

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from arlbench.core.algorithms.dqn import losses
from arlbench.core.algorithms.dqn.extensions.hyperparameters import (
    BOLTZMANN,
    EXPLORATIONS,
    EZ_GREEDY,
    ExtendedHyperparameters,
)
from arlbench.core.environments import Environment
from arlbench.core.environments.environment import Timestep
from arlbench.core.environments.wrappers.wrapper import Wrapper

_BOLTZMANN, _EZ_GREEDY = EXPLORATIONS.index(BOLTZMANN), EXPLORATIONS.index(EZ_GREEDY)

#: The largest number of steps of a random action, and the exponent of their distribution.
MOST_STEPS, EXPONENT = 1000, 2.0

_WEIGHTS = np.arange(1, MOST_STEPS + 1, dtype=np.float64) ** -EXPONENT
_CUMULATIVE = np.cumsum(_WEIGHTS / _WEIGHTS.sum()).astype(np.float32)


class Persisting(NamedTuple):
    """The state of environments in which a random action may last.

    Attributes:
        env_state: The state of the environments.
        n_left: For how many further steps the action lasts, int32 ``[n_envs]``.
        action: The action that lasts, int32 ``[n_envs]``.
    """

    env_state: Any
    n_left: jax.Array
    action: jax.Array


class PersistingActions(Wrapper):
    """Makes room in the environments' state for actions that last; they end with the episode."""

    keeps_observations = True

    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        env_state, obs = self.env.reset(rng)
        none = jnp.zeros((self.n_envs,), jnp.int32)
        return Persisting(env_state, none, none), obs

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        inner, timestep = self.env.step(env_state.env_state, action, rng)
        n_left = jnp.where(timestep[2], 0, env_state.n_left)
        return Persisting(inner, n_left, env_state.action), timestep

    def inner_state(self, env_state: Any) -> Any:
        return env_state.env_state


def with_persistence(env: Environment) -> Environment:
    """The environment, with room for actions that last in its state."""
    return PersistingActions(env)


def is_persisting(found: Any) -> bool:
    """Whether an environment, or its state, has room for actions that last."""
    return isinstance(found, Persisting | PersistingActions)


class Draws(NamedTuple):
    """Random numbers of one vector step.

    Attributes:
        gumbel: ``[n_envs, num_actions]``.
        duration: Uniform in [0, 1), ``[n_envs]``.
    """

    gumbel: jax.Array
    duration: jax.Array


def draw(key: chex.PRNGKey, n_envs: int, n_actions: int) -> Draws:
    """The random numbers of one vector step."""
    gumbel_key, duration_key = jax.random.split(key)
    return Draws(
        jax.random.gumbel(gumbel_key, (n_envs, n_actions), jnp.float32),
        jax.random.uniform(duration_key, (n_envs,), jnp.float32),
    )


class Proposal(NamedTuple):
    """What epsilon-greedy exploration would do.

    Attributes:
        greedy: The best legal actions, int32 ``[n_envs]``.
        random: Random legal actions, int32 ``[n_envs]``.
        explores: Whether to take the random one, bool ``[n_envs]``.
    """

    greedy: jax.Array
    random: jax.Array
    explores: jax.Array


def choose(
    extended: ExtendedHyperparameters,
    q: jax.Array,
    mask: jax.Array | None,
    proposal: Proposal,
    state: Persisting,
    key: chex.PRNGKey,
) -> tuple[jax.Array, Persisting]:
    """Actions ``[n_envs]``, and the state with the actions that last from now on.

    Args:
        extended: The extended hyperparameters, of which ``exploration`` is compiled in.
        q: Values, ``[n_envs, num_actions]``.
        mask: Legal actions; None if all are legal.
        proposal: What epsilon-greedy exploration would do.
        state: The state of the environments.
        key: The key of this step.
    """
    draws = draw(key, *q.shape)
    lasting, after = persistent(proposal, state, duration(draws.duration), mask)
    plain = jnp.where(proposal.explores, proposal.random, proposal.greedy)
    by_chance = boltzmann(q, mask, extended.exploration_temperature, draws.gumbel)
    kind = extended.exploration
    action = jnp.where(kind == _BOLTZMANN, by_chance, plain)
    action = jnp.where(kind == _EZ_GREEDY, lasting, action)
    return action, after._replace(n_left=jnp.where(kind == _EZ_GREEDY, after.n_left, 0))


def boltzmann(
    q: jax.Array, mask: jax.Array | None, temperature: chex.Numeric, gumbel: jax.Array
) -> jax.Array:
    """Draws actions with probabilities that are proportional to ``exp(q / temperature)``.

    The largest of values with Gumbel noise is such a draw (Gumbel 1954).

    Args:
        q: ``[B, num_actions]``.
        mask: Legal actions; None if all are legal.
        temperature: Positive.
        gumbel: Standard Gumbel noise, ``[B, num_actions]``.
    """
    best = jnp.max(losses.legal_values(q, mask), axis=-1, keepdims=True)
    noisy = (q - best) / temperature + gumbel
    return jnp.argmax(losses.legal_values(noisy, mask), axis=-1).astype(jnp.int32)


def duration(uniform: jax.Array) -> jax.Array:
    """Numbers of steps from 1 to ``MOST_STEPS``, with probabilities proportional to ``n**-2``."""
    steps = jnp.searchsorted(jnp.asarray(_CUMULATIVE), uniform, side="right") + 1
    return jnp.minimum(steps, MOST_STEPS).astype(jnp.int32)


def persistent(
    proposal: Proposal, state: Persisting, steps: jax.Array, mask: jax.Array | None
) -> tuple[jax.Array, Persisting]:
    """A random action lasts for a random number of steps (ez-greedy, Dabney et al. 2021).

    An action stops early if it becomes illegal.

    Args:
        proposal: What epsilon-greedy exploration would do.
        state: The state of the environments.
        steps: For how many steps an action that begins now would last, ``[n_envs]``.
        mask: Legal actions; None if all are legal.
    """
    lasts = state.n_left > 0
    if mask is not None:
        lasts &= jnp.take_along_axis(mask, state.action[:, None], axis=1)[:, 0]
    begins = ~lasts & proposal.explores
    held = jnp.where(begins, proposal.random, state.action)
    n_left = jnp.where(begins, steps - 1, jnp.where(lasts, state.n_left - 1, 0))
    action = jnp.where(lasts | begins, held, proposal.greedy)
    return action, Persisting(state.env_state, n_left, held)
