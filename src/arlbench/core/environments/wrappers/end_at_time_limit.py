"""Time limits as ends of the task."""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp

from arlbench.core.environments.environment import Environment, Timestep
from arlbench.core.environments.wrappers.wrapper import Wrapper


class EndAtTimeLimit(Wrapper):
    """Reports that the task has ended whenever an episode is cut off.

    A learner then does not bootstrap from where the episode was cut off, as in the published
    measurements. That is another task than the one in which the limit is only a limit of
    what is seen, and seldom the one that is meant. Only truncations by what is wrapped
    count, so put it outside of ``TimeLimit``.
    """

    spec_name = "end_at_time_limit"
    training_only = True

    def __init__(self, env: Environment) -> None:
        """Wraps ``env``."""
        super().__init__(env)

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        env_state, (obs, reward, done, info) = self.env.step(env_state, action, rng)
        ended = info["terminated"] | info["truncated"]
        info = {**info, "terminated": ended, "truncated": jnp.zeros_like(ended)}
        return env_state, (obs, reward, done, info)
