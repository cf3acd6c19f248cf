"""Makes an environment from two functions for a single episode."""

from __future__ import annotations

import abc
import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from arlbench.core import lockstep
from arlbench.core.environments.environment import Environment, Timestep, select
from arlbench.core.tracing import is_cheap


class SingleStep(NamedTuple):
    """The result of one step of one environment.

    Attributes:
        env_state: Any pytree of arrays.
        obs: The observation after the step, even if the episode ended there.
        reward: Scalar.
        terminated: Bool scalar, whether the task itself ended.
        truncated: Bool scalar, whether the episode was cut off, for example by a time limit. If
            both are true, the task has ended.
    """

    env_state: Any
    obs: Any
    reward: chex.Numeric
    terminated: chex.Numeric
    truncated: chex.Numeric


class Episodes(NamedTuple):
    """The running episodes.

    Attributes:
        env_state: States of ``reset_one`` and ``step_one``, leaves ``[n_envs, ...]``.
        episode_return: Rewards so far, undiscounted, float32 ``[n_envs]``.
        episode_length: Steps so far, int32 ``[n_envs]``.
    """

    env_state: Any
    episode_return: jax.Array
    episode_length: jax.Array

    @classmethod
    def begun(cls, env_state: Any, n_envs: int) -> Episodes:
        """New episodes, with returns and lengths of 0."""
        return cls(env_state, jnp.zeros(n_envs, jnp.float32), jnp.zeros(n_envs, jnp.int32))

    def info(self, step: SingleStep) -> dict[str, Any]:
        """The info of a step of every copy, leaves ``[n_envs, ...]``."""
        return {
            "terminated": step.terminated,
            "truncated": step.truncated,
            "final_observation": step.obs,
            "episode_return": self.episode_return + step.reward,
            "episode_length": self.episode_length + 1,
        }

    @classmethod
    def after(cls, env_state: Any, info: dict[str, Any]) -> Episodes:
        """The episodes after a step; new ones replace those that ended."""
        done = info["terminated"] | info["truncated"]
        return cls(
            env_state,
            jnp.where(done, 0.0, info["episode_return"]),
            jnp.where(done, 0, info["episode_length"]),
        )


class VectorisedEnvironment(Environment):
    """Makes ``n_envs`` self-resetting copies of an environment written for one.

    A copy is reset only when its episode ends, so the cost of an expensive ``reset_one`` is
    paid only once for each episode.
    """

    @abc.abstractmethod
    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        """Starts one episode; returns ``(env_state, obs)``."""

    @abc.abstractmethod
    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        """Steps one environment; this function must not reset it."""

    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        env_state, obs = jax.vmap(self.reset_one)(jax.random.split(rng, self.n_envs))
        return strongly_typed((Episodes.begun(env_state, self.n_envs), obs))

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        step = self.step_each(env_state, action, rng)
        info = env_state.info(step)
        done = step.terminated | step.truncated
        after, obs = self._reset_ended(done, rng, (step.env_state, step.obs))
        return Episodes.after(after, info), (obs, step.reward, done, info)

    def step_each(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        """The part of :meth:`step` before copies are reset.

        Returns:
            Everything with a first axis of ``n_envs``; the state as ``step_one`` returns it.
        """
        keys = jax.random.split(rng, self.n_envs)
        return strongly_typed(jax.vmap(self._step_one)(env_state.env_state, action, keys))

    def render_one(self, env_state: Any) -> np.ndarray:
        """A picture of one environment, uint8 ``[height, width, 3]``; by default an error."""
        return super().render(env_state)

    def render(self, env_state: Any) -> np.ndarray:
        return self.render_one(jax.tree.map(lambda rows: rows[0], env_state.env_state))

    def _step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        step_key, _ = jax.random.split(rng)
        outcome = self.step_one(env_state, action, step_key)
        terminated = jnp.asarray(outcome.terminated, bool)
        return SingleStep(
            # A step may return a state of another precision than the stored one.
            jax.tree.map(_cast, outcome.env_state, env_state),
            outcome.obs,
            jnp.asarray(outcome.reward, jnp.float32),
            terminated,
            jnp.asarray(outcome.truncated, bool) & ~terminated,
        )

    def _reset_ended(self, done: jax.Array, rng: chex.PRNGKey, current: Any) -> Any:
        """Resets the copies whose episode ended, one after another; usually there are none."""
        if not lockstep.may_wait() and self._is_reset_cheap:
            return self._select_fresh(done, rng, current)

        def reset_next(_: Any, carry: tuple[jax.Array, Any]) -> tuple[jax.Array, Any]:
            waiting, current = carry
            copy = jnp.argmax(waiting)
            # The same as one row of split(rng, n_envs), without computing the others.
            fresh = self.reset_one(_reset_key(rng, copy))
            current = jax.tree.map(
                lambda rows, row: rows.at[copy].set(_cast(row, rows)), current, fresh
            )
            return waiting.at[copy].set(False), current

        return jax.lax.fori_loop(0, jnp.sum(done), reset_next, (done, current))[1]

    @functools.cached_property
    def _is_reset_cheap(self) -> bool:
        return is_cheap(self.reset_one, jax.random.key(0))

    def _select_fresh(self, done: jax.Array, rng: chex.PRNGKey, current: Any) -> Any:
        """Begins an episode in every copy, and selects those whose last one ended."""
        copies = jnp.arange(self.n_envs)
        fresh = jax.vmap(lambda copy: self.reset_one(_reset_key(rng, copy)))(copies)

        return select(done, jax.tree.map(_cast, fresh, current), current)


def _reset_key(rng: chex.PRNGKey, copy: chex.Numeric) -> chex.PRNGKey:
    """The key of a copy's next episode: the second half of a row of ``split(rng, n_envs)``."""
    return jax.random.split(jax.random.fold_in(rng, copy))[1]


def strongly_typed(tree: Any) -> Any:
    """The tree without weak types, because they would make a second call trace again."""
    return jax.tree.map(lambda x: _cast(x, jnp.asarray(x)), tree)


def _cast(x: Any, like: Any) -> Any:
    return x if _is_key(x) else jax.lax.convert_element_type(x, like.dtype)


def _is_key(x: Any) -> bool:
    return isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
