"""Tiny environments whose values can be computed by hand, and small agents for them."""

from __future__ import annotations

import itertools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.harness.pacing import Pacer
from arlbench.core.environments import SingleStep, VectorisedEnvironment

#: Two observations that standardise to themselves if they are equally frequent.
LOW, HIGH = -1.0, 1.0


class Probe(VectorisedEnvironment):
    """Environments with two actions; by default the state is the observation.

    If the optimal values are known, ``values(gamma)`` returns those of both actions by
    observation.

    Probes of the same class with equal settings are equal, so they share their programs.
    """

    n_features = 1

    def __init__(self, n_envs: int = 4, max_episode_steps: int | None = None) -> None:
        super().__init__(type(self).__name__, n_envs, max_episode_steps=max_episode_steps)

    @property
    def action_space(self) -> spaces.Space:
        return spaces.Discrete(2)

    @property
    def observation_space(self) -> spaces.Space:
        return spaces.Box(-10.0, 10.0, (self.n_features,), np.float32)

    def identity(self) -> Any:
        return (self.n_envs, self.max_episode_steps)

    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        return observation(LOW), observation(LOW)


def observation(value: chex.Numeric) -> jax.Array:
    """An observation with one feature."""
    return jnp.full((1,), value, jnp.float32)


class OneStep(Probe):
    """An episode of one step, which earns 1."""

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        return SingleStep(env_state, env_state, 1.0, True, False)

    def values(self, gamma: float) -> dict[float, list[float]]:
        return {LOW: [1.0, 1.0]}


class TwoSteps(Probe):
    """Goes from LOW to HIGH with a reward of 0, and from HIGH to the end with a reward of 1."""

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        last = env_state[0] == HIGH
        return SingleStep(observation(HIGH), observation(HIGH), last, last, False)

    def values(self, gamma: float) -> dict[float, list[float]]:
        return {LOW: [gamma, gamma], HIGH: [1.0, 1.0]}


class ActionReward(Probe):
    """An episode of one step, which earns -1 for action 0 and 1 for action 1."""

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        return SingleStep(env_state, env_state, 2.0 * action - 1.0, True, False)

    def values(self, gamma: float) -> dict[float, list[float]]:
        return {LOW: [-1.0, 1.0]}


class ObservationReward(Probe):
    """An episode of one step from a random observation, which earns the observed number."""

    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        obs = observation(jnp.where(jax.random.bernoulli(rng), HIGH, LOW))
        return obs, obs

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        return SingleStep(env_state, env_state, env_state[0], True, False)

    def values(self, gamma: float) -> dict[float, list[float]]:
        return {LOW: [-1.0, -1.0], HIGH: [1.0, 1.0]}


class TimeLimit(Probe):
    """Every step earns 1; the task never ends, but episodes have a time limit."""

    def __init__(self, n_envs: int = 4, max_episode_steps: int = 3) -> None:
        super().__init__(n_envs, max_episode_steps)

    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        return jnp.int32(0), observation(LOW)

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        n_steps = env_state + 1
        return SingleStep(n_steps, observation(LOW), 1.0, False, n_steps == self.max_episode_steps)

    def values(self, gamma: float) -> dict[float, list[float]]:
        return {LOW: [1 / (1 - gamma)] * 2}


class FinalObservation(Probe):
    """From LOW both actions lead to HIGH, but after action 0 the episode is cut off there.

    From HIGH the task ends with a reward of 1. A learner that bootstraps from the observation
    after the reset gives action 0 in LOW a value of gamma squared.
    """

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        last = env_state[0] == HIGH
        out_of_time = ~last & (action == 0)
        return SingleStep(observation(HIGH), observation(HIGH), last, last, out_of_time)

    def values(self, gamma: float) -> dict[float, list[float]]:
        return {LOW: [gamma, gamma], HIGH: [1.0, 1.0]}


class Walk(Probe):
    """A noisy walk with episodes of different lengths, some cut off by a time limit.

    It observes the position and a random number, so all transitions are different.
    """

    n_features = 2

    def __init__(self, n_envs: int = 4, max_episode_steps: int = 12) -> None:
        super().__init__(n_envs, max_episode_steps)

    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        obs = jax.random.uniform(rng, (2,), minval=-0.5, maxval=0.5)
        return (obs[0], jnp.int32(0)), obs

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        position, n_steps = env_state
        noise = jax.random.normal(rng)
        position = position + 0.2 * (2.0 * action - 1.0) + 0.1 * noise
        n_steps = n_steps + 1
        ended = jnp.abs(position) > 1.0
        out_of_time = (n_steps == self.max_episode_steps) & ~ended
        obs = jnp.stack([position, noise])
        return SingleStep((position, n_steps), obs, 1.0 - position**2, ended, out_of_time)


class Constant(OneStep):
    """An episode of one step with a given reward, for rewards that cannot be learnt from."""

    def __init__(self, reward: float, n_envs: int = 4) -> None:
        super().__init__(n_envs)
        self.reward = reward

    def identity(self) -> Any:
        return (self.n_envs, str(self.reward))

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        return SingleStep(env_state, env_state, self.reward, True, False)


class Pictures(Probe):
    """Random pictures; an episode ends with one step in sixteen, or with its twentieth."""

    def __init__(self, n_envs: int = 4, side: int = 6) -> None:
        super().__init__(n_envs, max_episode_steps=20)
        self._shape = (side, side)

    @property
    def observation_space(self) -> spaces.Space:
        return spaces.Box(0, 255, self._shape, np.uint8)

    def identity(self) -> Any:
        return (self.n_envs, self._shape)

    def _picture(self, rng: chex.PRNGKey) -> jax.Array:
        return jax.random.bits(rng, self._shape, jnp.uint8)

    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        return jnp.int32(0), self._picture(rng)

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        picture, n_steps = self._picture(rng), env_state + 1
        ended, cut_off = picture[0, 0] < 16, n_steps == self.max_episode_steps
        return SingleStep(n_steps, picture, 1.0 * (picture[0, 1] % 2 == action), ended, cut_off)


#: With these, the learners of the probes find the known values.
LEARNING = {
    "buffer_size": 400,
    "buffer_batch_size": 32,
    "learning_rate": 1e-2,
    "gamma": 0.6,
    "initial_epsilon": 1.0,
    "target_epsilon": 0.5,
    "learning_starts": 32,
    "train_freq": 2,
    "gradient_steps": 2,
    "target_update_interval": 40,
}

#: The smallest possible batch, network and schedule.
SMALL = {
    "buffer_size": 200,
    "buffer_batch_size": 8,
    "learning_starts": 16,
    "train_freq": 2,
    "gradient_steps": 2,
    "target_update_interval": 12,
    "learning_rate": 1e-2,
}

CAPACITY = 256


def small_dqn(env: Any = None, hidden_size: int = 8, settings: Any = None, **hpo: Any) -> DQN:
    """An agent that compiles and trains fast; ``settings`` are passed to the constructor."""
    return DQN(
        {**SMALL, **hpo},
        Walk() if env is None else env,
        nas_config={"hidden_size": hidden_size},
        **(settings or {}),
    )


def small_state(dqn: DQN, seed: int = 0) -> Any:
    """A fresh state with a small buffer."""
    return dqn.init(jax.random.key(seed), capacity=CAPACITY)


def as_numpy(tree: Any) -> list[np.ndarray]:
    """All leaves as NumPy arrays, keys as their data."""

    def convert(x: Any) -> np.ndarray:
        is_key = isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
        return np.asarray(jax.random.key_data(x) if is_key else x)

    return [convert(leaf) for leaf in jax.tree.leaves(tree)]


def same_bits(left: Any, right: Any) -> bool:
    """Whether two trees hold the same values of the same types, bit by bit."""
    pairs = list(zip(as_numpy(left), as_numpy(right), strict=True))
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)


class FixedPacer(Pacer):
    """Divides a run into segments of given lengths, again and again, independently of the time."""

    def __init__(self, *lengths: int) -> None:
        super().__init__()
        self._lengths = itertools.cycle(lengths)

    def next_segment(self, remaining: int) -> int:
        return min(remaining, next(self._lengths))
