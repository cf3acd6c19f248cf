"""Plays whole episodes without learning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from arlbench.core.algorithms.harness.structure import SPAN
from arlbench.core.environments import Environment
from arlbench.core.environments.environment import select

#: Steps after which an unfinished episode is cut off (108,000 Atari frames, four per step).
EPISODE_STEP_CAP = 27_000


Policy = Callable[[Any, chex.PRNGKey], jax.Array]


class EpisodeOutcomes(NamedTuple):
    """Returns and lengths of whole episodes.

    Attributes:
        returns: Undiscounted returns, float32 ``[n_episodes]``.
        lengths: Numbers of steps, int32 ``[n_episodes]``.
    """

    returns: jax.Array
    lengths: jax.Array


class _Progress(NamedTuple):
    """The progress of an evaluation.

    Attributes:
        env_state: Leaves ``[n_envs, ...]``.
        obs: Leaves ``[n_envs, ...]``.
        n_steps: Vector steps taken, ``[]``.
        episode: How many episodes each environment has finished, ``[n_envs]``.
        length: Steps of the current episode, ``[n_envs]``.
        episode_return: Sum of rewards of the current episode, ``[n_envs]``.
        outcomes: Outcomes of the finished episodes.
    """

    env_state: Any
    obs: Any
    n_steps: jax.Array
    episode: jax.Array
    length: jax.Array
    episode_return: jax.Array
    outcomes: EpisodeOutcomes


class _FirstEpisodes(NamedTuple):
    """The first episode of every copy, for several sets of copies.

    Attributes:
        env_state: Leaves ``[n_sets, n_envs, ...]``.
        obs: Leaves ``[n_sets, n_envs, ...]``.
        returns: Sum of rewards so far, float32 ``[n_sets, n_envs]``.
        ended: Whether the episode has ended, ``[n_sets, n_envs]``.
        n_steps: Vector steps taken, int32 ``[]``.
    """

    env_state: Any
    obs: Any
    returns: jax.Array
    ended: jax.Array
    n_steps: jax.Array


def evaluate_episodes(
    env: Environment,
    policy: Policy,
    rng: chex.PRNGKey,
    n_episodes: int,
    step_cap: int = EPISODE_STEP_CAP,
) -> jax.Array:
    """Undiscounted returns of ``n_episodes`` episodes, float32 ``[n_episodes]``.

    See :func:`play_episodes`.
    """
    return play_episodes(env, policy, rng, n_episodes, step_cap).returns


def play_episodes(
    env: Environment,
    policy: Policy,
    rng: chex.PRNGKey,
    n_episodes: int,
    step_cap: int = EPISODE_STEP_CAP,
) -> EpisodeOutcomes:
    """Returns and lengths of ``n_episodes`` episodes.

    Environment ``j`` plays episodes ``j``, ``j + n_envs``, and so on. They are assigned in advance,
    because taking the first ``n_episodes`` that end would favour short ones. Of an episode longer
    than ``step_cap`` steps, only the rewards until then count.
    """
    # If true, no episode is cut off here, and another reset need not be compiled.
    ends_in_time = env.max_episode_steps is not None and env.max_episode_steps <= step_cap
    slots = jnp.arange(env.n_envs, dtype=jnp.int32)
    reset_key, play_key = jax.random.split(rng)

    def slot_of(progress: _Progress) -> jax.Array:
        return progress.episode * env.n_envs + slots

    def unfinished(progress: _Progress) -> jax.Array:
        return jnp.any(slot_of(progress) < n_episodes)

    def step(progress: _Progress) -> _Progress:
        keys = jax.random.split(jax.random.fold_in(play_key, progress.n_steps), 3)
        action = policy(progress.obs, keys[0])
        env_state, (obs, reward, done, _) = env.step(progress.env_state, action, keys[1])
        length = progress.length + 1
        episode_return = progress.episode_return + reward
        capped = (length >= step_cap) & ~done
        if not ends_in_time:
            env_state, obs = jax.lax.cond(
                jnp.any(capped),
                lambda: _restarted(env, capped, keys[2], (env_state, obs)),
                lambda: (env_state, obs),
            )
        ended = done | capped
        # A slot past the last episode is out of range, so it is dropped.
        finished_slot = jnp.where(ended, slot_of(progress), n_episodes)
        return _Progress(
            env_state,
            obs,
            progress.n_steps + 1,
            progress.episode + ended.astype(jnp.int32),
            jnp.where(ended, 0, length),
            jnp.where(ended, 0.0, episode_return),
            _note(progress.outcomes, finished_slot, EpisodeOutcomes(episode_return, length)),
        )

    env_state, obs = env.reset(reset_key)
    zeros = jnp.zeros(env.n_envs, jnp.int32)
    outcomes = EpisodeOutcomes(jnp.zeros(n_episodes, jnp.float32), jnp.zeros(n_episodes, jnp.int32))
    start = _Progress(
        env_state, obs, jnp.int32(0), zeros, zeros, zeros.astype(jnp.float32), outcomes
    )
    end = jax.lax.while_loop(unfinished, step, start)
    env.release(end.env_state)
    return end.outcomes


def _restarted(
    env: Environment, capped: jax.Array, rng: chex.PRNGKey, now: tuple[Any, Any]
) -> tuple[Any, Any]:
    """States and observations, from a reset for the copies of a mask and from ``now`` otherwise."""
    begun = env.reset(rng)
    # The half of both that is not taken.
    env.release(select(capped, now[0], begun[0]))
    return select(capped, begun, now)


def evaluate_at_once(
    env: Environment,
    policy: Policy,
    rng: chex.PRNGKey,
    n_episodes: int,
    step_cap: int = EPISODE_STEP_CAP,
    axis: str | None = None,
) -> jax.Array:
    """Undiscounted returns of ``n_episodes`` episodes that are all played at the same time.

    For accelerators: it takes only as long as the longest episode, and checks only every
    ``SPAN`` steps whether all episodes have ended.

    Args:
        env: The environment; as many sets of its copies are made as necessary.
        policy: Returns actions ``[n_envs]`` for observations and a key.
        rng: The key.
        n_episodes: The number of episodes.
        step_cap: Of a longer episode, only the rewards until this step count.
        axis: The name of the batch of members that are evaluated together; None without a batch.

    Returns:
        float32 ``[n_episodes]``.
    """
    n_sets = -(-n_episodes // env.n_envs)
    reset_key, play_key = jax.random.split(rng)
    env_state, obs = jax.vmap(env.reset)(jax.random.split(reset_key, n_sets))
    shape = (n_sets, env.n_envs)
    start = _FirstEpisodes(env_state, obs, jnp.zeros(shape), jnp.zeros(shape, bool), jnp.int32(0))

    def step_set(env_state: Any, obs: Any, key: chex.PRNGKey) -> tuple[Any, Any]:
        action_key, env_key = jax.random.split(key)
        return env.step(env_state, policy(obs, action_key), env_key)

    def step(_: Any, now: _FirstEpisodes) -> _FirstEpisodes:
        keys = jax.random.split(jax.random.fold_in(play_key, now.n_steps), n_sets)
        env_state, (obs, reward, done, _) = jax.vmap(step_set)(now.env_state, now.obs, keys)
        n_steps = now.n_steps + 1
        return _FirstEpisodes(
            env_state,
            obs,
            now.returns + jnp.where(now.ended, 0.0, reward),
            now.ended | done | (n_steps >= step_cap),
            n_steps,
        )

    def unfinished(now: _FirstEpisodes) -> jax.Array:
        waiting = ~jnp.all(now.ended)
        return waiting if axis is None else jax.lax.pmax(waiting.astype(jnp.int32), axis) > 0

    def span(now: _FirstEpisodes) -> _FirstEpisodes:
        return jax.lax.fori_loop(0, SPAN, step, now)

    return jax.lax.while_loop(unfinished, span, start).returns.reshape(-1)[:n_episodes]


def _note(outcomes: EpisodeOutcomes, slot: jax.Array, found: EpisodeOutcomes) -> EpisodeOutcomes:
    """The outcomes with the new outcome of each environment written into its slot, ``[n_envs]``."""
    return jax.tree.map(lambda all_, new: all_.at[slot].set(new, mode="drop"), outcomes, found)
