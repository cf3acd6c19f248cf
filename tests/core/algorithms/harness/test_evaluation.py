"""Evaluation plays whole episodes, the right number in each environment, and always ends."""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.algorithms.harness.evaluation import (
    EpisodeOutcomes,
    evaluate_episodes,
    play_episodes,
)
from arlbench.core.environments import Environment, SingleStep, make_env
from arlbench.core.environments.adapters.instances import INSTANCES
from arlbench.core.environments.faults import answered
from arlbench.errors import EnvironmentFaultError
from own_probes import giving
from probes import Probe, TimeLimit, observation

KEY = jax.random.key(0)
SHORT, LONG = 1, 19


class MixedLengths(Probe):
    """Episodes of 1 or 19 steps, decided by a fair coin; the reward of every step is 1."""

    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        steps_left = jnp.where(jax.random.bernoulli(rng), SHORT, LONG)
        return steps_left, observation(0.0)

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        steps_left = env_state - 1
        return SingleStep(steps_left, observation(0.0), 1.0, steps_left == 0, False)


class Counting(Probe):
    """Episodes of 2 steps whose reward is the action; observations count the steps."""

    def reset_one(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        return jnp.int32(0), observation(0.0)

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        n_steps = env_state + 1
        return SingleStep(n_steps, observation(n_steps), 1.0 * action, n_steps == 2, False)


class ByEnvironment(Environment):
    """In environment ``j`` the reward of a step is ``j``, and an episode has ``j + 1`` steps."""

    action_space = spaces.Discrete(2)
    observation_space = spaces.Box(-10.0, 10.0, (1,), np.float32)

    def __init__(self, n_envs: int) -> None:
        super().__init__("ByEnvironment", n_envs)

    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        index = jnp.arange(self.n_envs)
        return (index, jnp.zeros_like(index)), jnp.zeros((self.n_envs, 1))

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Any]:
        index, n_steps = env_state
        done = n_steps + 1 > index
        obs = jnp.zeros((self.n_envs, 1))
        info = {"terminated": done, "truncated": jnp.zeros_like(done), "final_observation": obs}
        n_steps = jnp.where(done, 0, n_steps + 1)
        return (index, n_steps), (obs, index.astype(jnp.float32), done, info)


class Endless(Probe):
    """Never ends; the reward of every step is 1."""

    def step_one(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> SingleStep:
        return SingleStep(env_state, env_state, 1.0, False, False)


def zeros(obs: Any, rng: chex.PRNGKey) -> jax.Array:
    return jnp.zeros(obs.shape[0], jnp.int32)


def evaluate(env: Any, n_episodes: int, seed: int = 0, **options: Any) -> np.ndarray:
    policy = options.pop("policy", zeros)
    play = jax.jit(lambda key: evaluate_episodes(env, policy, key, n_episodes, **options))
    return np.asarray(play(jax.random.key(seed)))


def play(env: Any, n_episodes: int, **options: Any) -> EpisodeOutcomes:
    playing = jax.jit(lambda key: play_episodes(env, zeros, key, n_episodes, **options))
    return jax.tree.map(np.asarray, playing(jax.random.key(0)))


def test_long_episodes_count_as_much_as_short_ones() -> None:
    # One episode for each of 512 environments: taking the first that finish would give only 1s.
    returns = evaluate(MixedLengths(n_envs=512), 512)
    assert set(returns) == {SHORT, LONG}
    # The mean is 10 and the deviation 9; five standard errors are 2.
    assert abs(np.mean(returns) - (SHORT + LONG) / 2) < 2


def test_long_episodes_count_as_much_when_environments_play_several() -> None:
    returns = np.concatenate([evaluate(MixedLengths(n_envs=8), 128, seed) for seed in range(4)])
    assert abs(np.mean(returns) - (SHORT + LONG) / 2) < 2


def test_every_environment_plays_the_episodes_assigned_to_it() -> None:
    # The return of environment j is that of j + 1 steps with a reward of j.
    returns = evaluate(ByEnvironment(n_envs=4), 10)
    np.testing.assert_array_equal(returns, [0, 2, 6, 12, 0, 2, 6, 12, 0, 2])


def test_a_length_is_the_number_of_steps_of_its_episode() -> None:
    outcomes = play(ByEnvironment(n_envs=4), 10)
    np.testing.assert_array_equal(outcomes.lengths, [1, 2, 3, 4, 1, 2, 3, 4, 1, 2])
    np.testing.assert_array_equal(outcomes.returns, [0, 2, 6, 12, 0, 2, 6, 12, 0, 2])
    assert outcomes.lengths.dtype == np.int32


def test_the_length_of_an_episode_that_is_cut_off_is_the_cap() -> None:
    np.testing.assert_array_equal(play(Endless(n_envs=2), 5, step_cap=7).lengths, np.full(5, 7))


def test_lengths_that_nobody_asks_for_are_not_computed() -> None:
    def compiled(function: Any) -> str:
        env = MixedLengths(n_envs=4)
        program = jax.jit(lambda key: function(env, zeros, key, 33))
        return program.lower(jax.random.key(0)).compile().as_text()

    assert "s32[33]" in compiled(play_episodes)
    assert "s32[33]" not in compiled(evaluate_episodes)


@pytest.mark.parametrize(("n_envs", "n_episodes"), [(1, 3), (4, 1), (4, 4), (3, 7), (8, 5)])
def test_any_number_of_episodes_goes_with_any_number_of_environments(
    n_envs: int, n_episodes: int
) -> None:
    np.testing.assert_array_equal(evaluate(TimeLimit(n_envs), n_episodes), np.full(n_episodes, 3.0))


def test_an_episode_that_never_ends_is_cut_off_at_the_cap() -> None:
    np.testing.assert_array_equal(evaluate(Endless(n_envs=2), 5, step_cap=7), np.full(5, 7.0))


def test_the_cap_does_not_touch_an_episode_that_ends_with_it() -> None:
    returns = evaluate(TimeLimit(n_envs=2), 4, step_cap=3)
    np.testing.assert_array_equal(returns, np.full(4, 3.0))


def test_the_episode_after_a_cut_begins_anew() -> None:
    # An episode would end after steps 0 and 1; a cap of 1 resets earlier, so the count stays 0.
    observed = evaluate(
        Counting(n_envs=2), 6, step_cap=1, policy=lambda obs, _: obs[:, 0].astype(jnp.int32)
    )
    np.testing.assert_array_equal(observed, np.zeros(6))


class Uneven(giving()):
    """Ends after some steps; 0 means never."""

    def __init__(self, length: int = 0) -> None:
        super().__init__()
        self.length = length

    def reset(self, **kwargs: Any) -> Any:
        self.n_steps = -1
        return super().reset(**kwargs)

    def step(self, action: Any) -> Any:
        obs, reward, *_ = super().step(action)
        return obs, reward, self.n_steps + 1 == self.length, False, {}


def test_episodes_that_are_cut_off_keep_no_instances() -> None:
    env = make_env("gymnasium", Uneven, 2, {"per_copy": {"length": [3, 0]}})
    n_before = len(INSTANCES)
    assert evaluate(env, 6, step_cap=5).tolist() == [3, 5, 3, 5, 3, 5]
    # Two of each copy, because a reset comes before the old ones are released; one was there.
    n_after = len(INSTANCES)
    assert n_after <= n_before + 3
    evaluate(env, 6, step_cap=5)
    assert len(INSTANCES) == n_after


def test_the_only_instances_cannot_be_reset_without_the_others() -> None:
    # Lengths of no other test, whose instances would be used too.
    settings = {"per_copy": {"length": [2, 99]}, "evaluate_in_place": True}
    env = make_env("gymnasium", Uneven, 2, settings)
    match = "Uneven was too long for an evaluation, and its copies can only be reset together"
    with pytest.raises(EnvironmentFaultError, match=match):
        answered(lambda: jax.jit(lambda key: evaluate_episodes(env, zeros, key, 6, 5))(KEY))


def test_the_policy_acts_on_what_it_observes() -> None:
    returns = evaluate(Counting(n_envs=2), 4, policy=lambda obs, _: obs[:, 0].astype(jnp.int32))
    np.testing.assert_array_equal(returns, np.ones(4))


def test_a_policy_gets_a_new_key_at_every_step() -> None:
    def toss(obs: Any, rng: chex.PRNGKey) -> jax.Array:
        return jax.random.bernoulli(rng, 0.5, obs.shape[:1]).astype(jnp.int32)

    returns = evaluate(Counting(n_envs=64), 512, policy=toss)
    # Two fair coin tosses each: 0, 1, 2 in the proportions 1 : 2 : 1.
    shares = np.bincount(returns.astype(int), minlength=3) / 512
    np.testing.assert_allclose(shares, [0.25, 0.5, 0.25], atol=0.11)


def test_an_evaluation_is_a_function_of_its_key() -> None:
    env = MixedLengths(n_envs=8)
    np.testing.assert_array_equal(evaluate(env, 32, seed=1), evaluate(env, 32, seed=1))
    assert np.any(evaluate(env, 32, seed=1) != evaluate(env, 32, seed=2))
