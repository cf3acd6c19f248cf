"""A wrapper is an environment: it passes everything through but what it changes."""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.environments import Environment, make_env
from arlbench.core.environments.wrappers import Wrapper
from probes import ActionReward, OneStep, Walk, same_bits, small_dqn, small_state


class ScaledReward(Wrapper):
    """Multiplies rewards."""

    def __init__(self, env: Environment, factor: float) -> None:
        super().__init__(env, factor=factor)
        self.factor = factor

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Any]:
        env_state, (obs, reward, done, info) = self.env.step(env_state, action, rng)
        return env_state, (obs, self.factor * reward, done, info)


class Renamed(Wrapper):
    """Changes nothing."""


class OnHost(OneStep):
    """Claims to run in Python."""

    kind = "host"


def test_what_is_not_changed_is_passed_through() -> None:
    env = Walk(n_envs=3)
    wrapped = Wrapper(env)
    assert (wrapped.env_name, wrapped.n_envs, wrapped.max_episode_steps) == ("Walk", 3, 12)
    assert wrapped.action_space == env.action_space
    assert wrapped.observation_space == env.observation_space
    assert wrapped.kind == "traceable"
    assert Wrapper(OnHost()).kind == "host"
    key = jax.random.key(0)
    state, obs = wrapped.reset(key)
    assert same_bits((state, obs), env.reset(key))
    action = jnp.ones(3, jnp.int32)
    assert same_bits(wrapped.step(state, action, key), env.step(state, action, key))
    assert same_bits(wrapped.sample_actions(key), env.sample_actions(key))


def test_what_is_changed_is_changed() -> None:
    env = ScaledReward(ActionReward(n_envs=2), 3.0)
    state, _ = env.reset(jax.random.key(0))
    _, (_, reward, _, _) = env.step(state, jnp.array([0, 1]), jax.random.key(1))
    np.testing.assert_array_equal(reward, [-3.0, 3.0])


def test_wrappers_of_equal_environments_with_equal_settings_are_equal() -> None:
    left, right = ScaledReward(Walk(), 2.0), ScaledReward(Walk(), 2.0)
    assert left == right
    assert hash(left) == hash(right)


def test_the_class_the_settings_and_the_environment_set_wrappers_apart() -> None:
    env = ScaledReward(Walk(), 2.0)
    assert env != ScaledReward(Walk(), 3.0)
    assert env != ScaledReward(Walk(n_envs=5), 2.0)
    assert env != Walk()
    assert Renamed(Walk()) != Wrapper(Walk())
    assert Renamed(Renamed(Walk())) != Renamed(Walk())


def test_the_order_of_settings_does_not_matter() -> None:
    assert Wrapper(Walk(), a=1, b=2) == Wrapper(Walk(), b=2, a=1)


def test_a_wrapped_environment_has_no_spec_because_its_own_would_lose_the_wrapper() -> None:
    env = make_env("gymnax", "CartPole-v1")
    assert env.spec is not None
    assert Wrapper(env).spec is None
    assert Wrapper(env) == Wrapper(make_env("gymnax", "CartPole-v1"))


@pytest.mark.thorough
def test_an_agent_learns_in_a_wrapped_environment_and_shares_the_program(
    count_compilations: Any,
) -> None:
    dqn = small_dqn(ScaledReward(Walk(), 2.0))
    first, _ = dqn.train(*small_state(dqn), 80, 1, 2)
    again = small_dqn(ScaledReward(Walk(), 2.0))
    with count_compilations() as counter:
        second, _ = again.train(*small_state(again), 80, 1, 2)
    assert counter.names == []
    assert same_bits(first, second)
    plain, _ = small_dqn().train(*small_state(small_dqn()), 80, 1, 2)
    # What was seen before the first update does not depend on the factor; the rewards do.
    rewards = [
        np.asarray(s.buffer_state.experience.transition.reward[0, :16]) for s in (first, plain)
    ]
    np.testing.assert_allclose(rewards[0], 2 * rewards[1], rtol=1e-6)
