"""Actions that are sometimes repeated."""

from __future__ import annotations

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from arlbench.core.checks import finite
from arlbench.core.environments.actions import action_shapes
from arlbench.core.environments.environment import Environment, Timestep, select
from arlbench.core.environments.wrappers.wrapper import Wrapper
from arlbench.errors import ConfigurationError


class Sticky(NamedTuple):
    """A state with the last action.

    Attributes:
        env_state: The state of the wrapped environment.
        action: The actions of the last step, ``[n_envs, ...]``.
        has_begun: Whether this episode already had a step, bool ``[n_envs]``.
    """

    env_state: Any
    action: jax.Array
    has_begun: jax.Array


class StickyAction(Wrapper):
    """Repeats the previous action with some probability, whatever the new one is.

    Machado et al. (2018), "Revisiting the Arcade Learning Environment", make environments
    stochastic in this way, with probability 0.25. The first action of an episode is never
    replaced. If some actions are illegal, a repeated action may be illegal.
    """

    spec_name = "sticky_action"
    keeps_observations = True

    def __init__(self, env: Environment, probability: float = 0.25) -> None:
        """Wraps ``env``.

        Raises:
            ConfigurationError: If ``probability`` is outside of [0, 1].
        """
        self._probability = finite("probability", probability)
        if not 0 <= self._probability <= 1:
            raise ConfigurationError(f"probability must lie in [0, 1], not {probability}.")
        super().__init__(env, probability=self._probability)

    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        env_state, obs = self.env.reset(rng)
        like = action_shapes(self.action_space, self.n_envs)
        action = jnp.zeros(like.shape, like.dtype)
        return Sticky(env_state, action, jnp.zeros(self.n_envs, bool)), obs

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        drawn = jax.random.bernoulli(self.own_key(rng), self._probability, (self.n_envs,))
        action = jnp.asarray(action, env_state.action.dtype)
        action = select(drawn & env_state.has_begun, env_state.action, action)
        inner, (obs, reward, done, info) = self.env.step(env_state.env_state, action, rng)
        return Sticky(inner, action, ~done), (obs, reward, done, info)

    def inner_state(self, env_state: Any) -> Any:
        return env_state.env_state
