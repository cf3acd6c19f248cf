"""Time limits as terminations."""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp

from arlbench.core.environments.environment import Environment, Timestep
from arlbench.core.environments.wrappers.wrapper import Wrapper


class EndAtTimeLimit(Wrapper):
    """Reports that the task has ended whenever an episode is cut off.

    A learner then does not bootstrap from the last observation of such an episode, as in the
    published measurements. This changes the task: the time limit becomes a part of it, which is
    rarely intended. The wrapper only applies to truncations of the environment inside it, so put
    it around ``TimeLimit``.
    """

    spec_name = "end_at_time_limit"
    training_only = True
    keeps_observations = True

    def __init__(self, env: Environment) -> None:
        """Wraps ``env``."""
        super().__init__(env)

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        env_state, (obs, reward, done, info) = self.env.step(env_state, action, rng)
        ended = info["terminated"] | info["truncated"]
        info = {**info, "terminated": ended, "truncated": jnp.zeros_like(ended)}
        return env_state, (obs, reward, done, info)
