"""Environments in which all numbers are known, and functions that play them step by step."""

from __future__ import annotations

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.core.environments import Environment, SingleStep
from probes import Probe, observation

#: The action that ends an episode of ``Counter``, and an action that does not.
END, GO_ON = 1, 0


class Counter(Probe):
    """Observes the number of steps in the episode, from 0; step ``n`` earns ``2 n``."""

    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        return jnp.int32(0), observation(0.0)

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        n = env_state + 1
        ended = action == END
        return SingleStep(n, observation(n), 2.0 * n, ended, n == self.max_episode_steps)

    def render_one(self, env_state: Any) -> np.ndarray:
        return np.full((1, 1, 3), env_state, np.uint8)


class Shown(Probe):
    """Observes a function of the number of steps; action 1 ends the episode."""

    def __init__(self, space: spaces.Space, show: Any, n_envs: int = 2) -> None:
        super().__init__(n_envs)
        self._space, self._show = space, show

    @property
    def observation_space(self) -> spaces.Space:
        return self._space

    def identity(self) -> Any:
        return id(self)

    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        return jnp.int32(0), self._show(jnp.int32(0))

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        return SingleStep(env_state + 1, self._show(env_state + 1), 0.0, action == END, False)


class Echo(Probe):
    """Earns the number of the action, of a thousand; one action in a hundred ends the episode."""

    @property
    def action_space(self) -> spaces.Space:
        return spaces.Discrete(1000)

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        return SingleStep(env_state, env_state, 1.0 * action, action % 100 == 99, False)


class Step(NamedTuple):
    """The result of one step of all copies, as NumPy arrays."""

    obs: Any
    reward: np.ndarray
    done: np.ndarray
    info: dict[str, Any]


def play(env: Environment, actions: Any, seed: int = 0) -> tuple[Any, list[Step]]:
    """The first observations, and the result of each step, for actions ``[n_steps, n_envs]``."""
    env_state, first = jax.jit(env.reset)(jax.random.key(seed))
    step = jax.jit(env.step)
    steps = []
    for i, action in enumerate(np.asarray(actions, np.int32)):
        env_state, timestep = step(env_state, action, jax.random.key(1000 * seed + i))
        steps.append(Step(*jax.tree.map(np.asarray, timestep)))
    return jax.tree.map(np.asarray, first), steps


def require_steady_types(env: Environment) -> None:
    """Asserts that steps and resets return the space's shapes and dtypes; otherwise loops fail."""

    def reset_and_step() -> Any:
        env_state, obs = env.reset(jax.random.key(0))
        action = jnp.zeros(env.n_envs, jnp.int32)
        after, (next_obs, reward, done, info) = env.step(env_state, action, jax.random.key(1))
        final = info["final_observation"]
        return (env_state, obs, obs), (after, next_obs, final), (reward, done)

    before, after, (reward, done) = jax.eval_shape(reset_and_step)
    kinds = [[(x.shape, x.dtype, x.weak_type) for x in jax.tree.leaves(t)] for t in (before, after)]
    assert kinds[0] == kinds[1]
    assert (reward.dtype, done.dtype) == (jnp.float32, bool)
    assert all(x.shape[:1] == (env.n_envs,) for x in jax.tree.leaves(before))
    sample = jax.tree.map(np.asarray, env.observation_space.sample())
    of_the_space = jax.tree.map(lambda x: (x.shape, jax.dtypes.canonicalize_dtype(x.dtype)), sample)
    assert jax.tree.map(lambda x: (x.shape[1:], x.dtype), before[1]) == of_the_space
