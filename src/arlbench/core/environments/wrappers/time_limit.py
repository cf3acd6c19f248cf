"""Episodes that are cut off after a number of steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from arlbench.core.checks import positive_whole
from arlbench.core.environments.environment import Environment, Timestep, select
from arlbench.core.environments.wrappers.wrapper import Wrapper
from arlbench.errors import ConfigurationError


class Timed(NamedTuple):
    """A state with a counter of steps.

    Attributes:
        env_state: The state of the wrapped environment.
        n_steps: Steps of the episode so far, int32 ``[n_envs]``.
    """

    env_state: Any
    n_steps: jax.Array


class TimeLimit(Wrapper):
    """Cuts episodes off after ``max_episode_steps`` steps, unless they end earlier.

    This is a truncation: the task has not ended, so learners bootstrap from the final
    observation. The environment's own time limit stays in force.

    If one copy is cut off, the reset is computed for all copies, and the others ignore it. If
    resets are slow, set the time limit with the environment's own settings instead.
    """

    spec_name = "time_limit"
    keeps_observations = True

    def __init__(self, env: Environment, max_episode_steps: int) -> None:
        """Wraps ``env``.

        Raises:
            ConfigurationError: If the limit is not positive, or ``env`` runs on the host.
        """
        self._limit = positive_whole("max_episode_steps", max_episode_steps)
        super().__init__(env, max_episode_steps=self._limit)
        if env.kind != "traceable":
            raise ConfigurationError(
                f"{env.env_name} runs on the host, where single copies cannot be reset; set a time "
                "limit with its own settings."
            )
        self.max_episode_steps = min(self._limit, env.max_episode_steps or self._limit)

    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        env_state, obs = self.env.reset(rng)
        return Timed(env_state, jnp.zeros(self.n_envs, jnp.int32)), obs

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        inner, (obs, reward, done, info) = self.env.step(env_state.env_state, action, rng)
        n_steps = env_state.n_steps + 1
        cut_off = (n_steps >= self._limit) & ~done
        inner, obs = self._reset_where(cut_off, rng, (inner, obs))
        done = done | cut_off
        info = {**info, "truncated": info["truncated"] | cut_off}
        return Timed(inner, jnp.where(done, 0, n_steps)), (obs, reward, done, info)

    def inner_state(self, env_state: Any) -> Any:
        return env_state.env_state

    def _reset_where(self, cut_off: jax.Array, rng: chex.PRNGKey, current: Any) -> Any:
        """New episodes for the copies that were cut off."""

        def reset(turn: jax.Array, current: Any) -> Any:
            # The compiler moves computations that are the same in every turn out of the loop,
            # and would then run them at every step.
            key = self.own_key(jax.random.fold_in(rng, turn))
            return select(cut_off, self.env.reset(key), current)

        # A loop of one turn or none, because under vmap both branches of a cond are computed.
        return jax.lax.fori_loop(0, jnp.any(cut_off).astype(jnp.int32), reset, current)
