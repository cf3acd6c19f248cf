"""Plays episodes of a trained agent: many for statistics, a few to watch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np

from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.core.algorithms.harness.evaluation import EpisodeOutcomes
from arlbench.core.environments import Environment, VectorisedEnvironment
from arlbench.core.environments.faults import answered
from arlbench.core.randomness import Stream, stream_key


class WatchedEpisode(NamedTuple):
    """One episode that was drawn.

    Attributes:
        episode_return: Undiscounted.
        length: Steps.
        ended: False if it was cut off because it was too long.
    """

    episode_return: float
    length: int
    ended: bool


class _Step(NamedTuple):
    """One step of the copy of the environment that is watched.

    Attributes:
        env_state: State after the step, and after a reset if the episode has ended.
        obs: Observation of that state.
        reward: Scalar.
        done: Whether the episode has ended, bool scalar.
        last_state: State after the step, before any reset; None if it is unknown.
        last_is_known: Whether ``last_state`` is certain to be that state, bool scalar.
    """

    env_state: Any
    obs: Any
    reward: jax.Array
    done: jax.Array
    last_state: Any
    last_is_known: Any


def make_player(
    algorithm: Algorithm, n_episodes: int, greedy: bool = True
) -> Callable[[Any, int], EpisodeOutcomes]:
    """Makes a function that plays whole episodes in ``eval_env``; one program serves all agents.

    Returns:
        A function of a runner state and a seed. With the same seed, agents of different
        training runs play independent episodes, because each has its own key.
    """

    @jax.jit
    def play(runner_state: Any, seed: jax.Array) -> EpisodeOutcomes:
        key = stream_key(runner_state.rng, Stream.PLAY, seed)
        return algorithm.play(runner_state, key, n_episodes, greedy)

    return lambda runner_state, seed: answered(lambda: play(runner_state, np.uint32(seed)))


def watch(
    algorithm: Algorithm,
    runner_state: Any,
    seed: int,
    n_episodes: int,
    max_steps: int,
    on_frame: Callable[[np.ndarray], None],
) -> Iterator[WatchedEpisode]:
    """Plays episodes greedily in the one copy of ``eval_env``, and draws every state.

    The episodes are those that ``make_player`` plays with one environment, this seed and
    episodes of at most ``max_steps``. Environments reset themselves within the step that ends
    an episode, so its last state is drawn only if it is known for certain; otherwise
    the last picture shows the state before the last action. The state after the reset
    belongs to the next episode.

    Args:
        algorithm: An algorithm with one environment.
        runner_state: The agent.
        seed: Seed of the episodes.
        n_episodes: Number of episodes.
        max_steps: Longer episodes are cut off.
        on_frame: Called with each picture, uint8 ``[height, width, 3]``.

    Raises:
        RenderingError: If the environment cannot be drawn.
    """
    env = algorithm.eval_env
    take_step = _compiled_step(algorithm)
    key = stream_key(runner_state.rng, Stream.PLAY, np.uint32(seed))
    reset_key, play_key = jax.random.split(key)
    program = jax.jit(env.reset)

    def reset(key: chex.PRNGKey) -> tuple[Any, Any]:
        return answered(lambda: program(key))

    env_state, obs = reset(reset_key)
    n_steps = 0
    for _ in range(n_episodes):
        on_frame(env.render(env_state))
        episode_return, length, done = np.float32(0.0), 0, False
        while not done and length < max_steps:
            step_key = jax.random.fold_in(play_key, n_steps)
            step = take_step(runner_state, env_state, obs, step_key)
            env_state, obs, done = step.env_state, step.obs, bool(step.done)
            n_steps, length = n_steps + 1, length + 1
            episode_return += np.float32(step.reward)
            if not done:
                on_frame(env.render(env_state))
            elif step.last_is_known:
                on_frame(env.render(step.last_state))
        if not done:
            env_state, obs = reset(jax.random.split(step_key, 3)[2])
        yield WatchedEpisode(float(episode_return), length, done)


def _compiled_step(algorithm: Algorithm) -> Callable[..., _Step]:
    """Acting and stepping as one program, with the keys of ``play_episodes``."""
    env = algorithm.eval_env

    def take_step(runner_state: Any, env_state: Any, obs: Any, step_key: chex.PRNGKey) -> _Step:
        act_key, env_key, _ = jax.random.split(step_key, 3)
        action = algorithm.predict(runner_state, obs, act_key)
        after, (next_obs, reward, done, info) = env.step(env_state, action, env_key)
        last_state, is_known = _last_state(
            env, env_state, action, env_key, info["final_observation"]
        )
        return _Step(after, next_obs, reward[0], done[0], last_state, is_known)

    program = jax.jit(take_step)
    return lambda *given: answered(lambda: program(*given))


def _last_state(
    env: Environment, env_state: Any, action: jax.Array, rng: chex.PRNGKey, final_obs: Any
) -> tuple[Any, Any]:
    """The state after a step without its reset, and whether it agrees with the step's results."""
    if not isinstance(env, VectorisedEnvironment):
        return None, False
    outcome = env.step_each(env_state, action, rng)
    same = [jnp.all(a == b) for a, b in _pairs(outcome.obs, final_obs)]
    return env_state._replace(env_state=outcome.env_state), jnp.all(jnp.array(same))


def _pairs(left: Any, right: Any) -> Iterator[tuple[Any, Any]]:
    return zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
