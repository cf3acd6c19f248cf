"""Rewards that are easier to learn from.

Only the rewards for the learner change. ``episode_return`` in ``info`` stays the return of the
environment, and evaluations in environments made from a spec leave these wrappers out. If you
wrap by hand, give the algorithm its own ``eval_env``.
"""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp

from arlbench.core.checks import finite
from arlbench.core.environments.environment import Environment, Timestep
from arlbench.core.environments.wrappers.wrapper import Wrapper
from arlbench.errors import ConfigurationError


class ClipReward(Wrapper):
    """Rewards below ``low`` become ``low``, and rewards above ``high`` become ``high``."""

    spec_name = "clip_reward"
    training_only = True
    keeps_observations = True

    def __init__(self, env: Environment, low: float = -1.0, high: float = 1.0) -> None:
        """Wraps ``env``.

        Raises:
            ConfigurationError: If ``low`` is not below ``high``.
        """
        self._low, self._high = finite("low", low), finite("high", high)
        if self._low >= self._high:
            raise ConfigurationError(
                f"Rewards are clipped to low and high, so low ({low}) must be below high ({high})."
            )
        super().__init__(env, low=self._low, high=self._high)

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        env_state, (obs, reward, done, info) = self.env.step(env_state, action, rng)
        return env_state, (obs, jnp.clip(reward, self._low, self._high), done, info)


class ScaleReward(Wrapper):
    """Rewards multiplied by ``scale``."""

    spec_name = "scale_reward"
    training_only = True
    keeps_observations = True

    def __init__(self, env: Environment, scale: float) -> None:
        """Wraps ``env``.

        Raises:
            ConfigurationError: If ``scale`` is not positive.
        """
        self._scale = finite("scale", scale)
        if self._scale <= 0:
            raise ConfigurationError(
                f"scale must be above 0, not {scale}, because otherwise the task would change."
            )
        super().__init__(env, scale=self._scale)

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        env_state, (obs, reward, done, info) = self.env.step(env_state, action, rng)
        return env_state, (obs, self._scale * reward, done, info)
