"""Your own environment, from two functions of a single episode."""

from __future__ import annotations

import abc
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from arlbench.core.environments.environment import Environment, Timestep


class SingleStep(NamedTuple):
    """What one step of one environment returns.

    Attributes:
        env_state: Any pytree of arrays.
        obs: Where the step led, also when the episode ended there.
        reward: Scalar.
        terminated: Bool scalar, the task itself ended.
        truncated: Bool scalar, the episode was cut off, by a time limit say.
    """

    env_state: Any
    obs: Any
    reward: chex.Numeric
    terminated: chex.Numeric
    truncated: chex.Numeric


class VectorisedEnvironment(Environment):
    """Makes ``n_envs`` self-resetting copies of an environment written for one."""

    @abc.abstractmethod
    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        """Begins one episode; returns ``(env_state, obs)``."""

    @abc.abstractmethod
    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        """Steps one environment, which need not reset itself."""

    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        return strongly_typed(jax.vmap(self.reset_one)(jax.random.split(rng, self.n_envs)))

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        keys = jax.random.split(rng, self.n_envs)
        return strongly_typed(jax.vmap(self._step_and_reset)(env_state, action, keys))

    def _step_and_reset(
        self, env_state: Any, action: jax.Array, rng: chex.PRNGKey
    ) -> tuple[Any, Timestep]:
        step_key, reset_key = jax.random.split(rng)
        outcome = self.step_one(env_state, action, step_key)
        terminated = jnp.asarray(outcome.terminated, bool)
        truncated = jnp.asarray(outcome.truncated, bool)
        done = terminated | truncated
        fresh = self.reset_one(reset_key)
        env_state, obs = jax.tree.map(
            lambda new, old: jnp.where(done, new, old).astype(jnp.asarray(old).dtype),
            fresh,
            (outcome.env_state, outcome.obs),
        )
        info = {
            "terminated": terminated,
            "truncated": truncated,
            "final_observation": outcome.obs,
        }
        reward = jnp.asarray(outcome.reward, jnp.float32)
        return env_state, (obs, reward, done, info)


def strongly_typed(tree: Any) -> Any:
    """The tree without weak types, which would make a second call trace again."""
    return jax.tree.map(
        lambda x: x if _is_key(x) else jax.lax.convert_element_type(x, jnp.asarray(x).dtype), tree
    )


def _is_key(x: Any) -> bool:
    return isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
