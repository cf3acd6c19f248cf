"""Rewards that are easier to learn from.

Only what the learner is given changes. ``episode_return`` in ``info`` stays the return of
the environment, and evaluations are made without these wrappers wherever they are made
from a spec; give the algorithm an ``eval_env`` of its own where you wrap by hand.
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
    """Rewards below ``low`` become ``low``, those above ``high`` become ``high``."""

    spec_name = "clip_reward"
    training_only = True

    def __init__(self, env: Environment, low: float = -1.0, high: float = 1.0) -> None:
        """Wraps ``env``.

        Raises:
            ConfigurationError: If ``low`` is not below ``high``.
        """
        self._low, self._high = finite("low", low), finite("high", high)
        if self._low >= self._high:
            raise ConfigurationError(
                f"Rewards are clipped to low and high, and low ({low}) must be below high ({high})."
            )
        super().__init__(env, low=self._low, high=self._high)

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        env_state, (obs, reward, done, info) = self.env.step(env_state, action, rng)
        return env_state, (obs, jnp.clip(reward, self._low, self._high), done, info)


class ScaleReward(Wrapper):
    """Rewards times ``scale``."""

    spec_name = "scale_reward"
    training_only = True

    def __init__(self, env: Environment, scale: float) -> None:
        """Wraps ``env``.

        Raises:
            ConfigurationError: If ``scale`` is not positive.
        """
        self._scale = finite("scale", scale)
        if self._scale <= 0:
            raise ConfigurationError(f"scale must be above 0, not {scale}; or the task is another.")
        super().__init__(env, scale=self._scale)

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        env_state, (obs, reward, done, info) = self.env.step(env_state, action, rng)
        return env_state, (obs, self._scale * reward, done, info)
