"""The base of everything that changes an environment from outside."""

from __future__ import annotations

from typing import Any

import chex
import jax
from gymnasium import spaces

from arlbench.core.environments.environment import Environment, Timestep


class Wrapper(Environment):
    """Passes everything through; subclasses override what they change.

    Two wrappers are equal when they are of one class, wrap equal environments and were
    given equal ``settings``.
    """

    def __init__(self, env: Environment, **settings: Any) -> None:
        """Wraps ``env``; ``settings`` are hashable values that set this wrapper apart."""
        # The inner spec would not make the wrapper again, so there is none.
        super().__init__(env.env_name, env.n_envs, None, env.max_episode_steps)
        self.env = env
        self.settings = tuple(sorted(settings.items()))

    @property
    def kind(self) -> Any:  # type: ignore[override]
        return self.env.kind

    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        return self.env.reset(rng)

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        return self.env.step(env_state, action, rng)

    @property
    def action_space(self) -> spaces.Space:
        return self.env.action_space

    @property
    def observation_space(self) -> spaces.Space:
        return self.env.observation_space

    def identity(self) -> Any:
        return (self.env, self.settings)
