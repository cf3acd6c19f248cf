"""Copies of an environment written for one episode step together and reset themselves."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core import lockstep
from arlbench.core.environments import SingleStep, VectorisedEnvironment
from probes import HIGH, LOW, FinalObservation, OneStep, TimeLimit, TwoSteps, Walk, same_bits


def play(env: VectorisedEnvironment, actions: Any) -> list[Any]:
    """``(obs, reward, done, info)`` of each step, for actions ``[n_steps, n_envs]``."""
    env_state, _ = env.reset(jax.random.key(0))
    step = jax.jit(env.step)
    timesteps = []
    for i, action in enumerate(jnp.asarray(actions)):
        env_state, timestep = step(env_state, action, jax.random.key(i))
        timesteps.append(jax.tree.map(np.asarray, timestep))
    return timesteps


def test_every_copy_begins_with_a_key_of_its_own() -> None:
    _, obs = Walk(n_envs=16).reset(jax.random.key(0))
    assert obs.shape == (16, 2)
    assert len(np.unique(obs[:, 0])) == 16


def test_every_copy_steps_with_a_key_of_its_own() -> None:
    obs, _, _, _ = play(Walk(n_envs=16), jnp.zeros((1, 16), jnp.int32))[0]
    assert len(np.unique(obs[:, 1])) == 16


def test_a_copy_that_ended_begins_anew_and_keeps_where_it_ended() -> None:
    first, second, third = play(TwoSteps(n_envs=2), jnp.zeros((3, 2), jnp.int32))
    np.testing.assert_array_equal(first[0], [[HIGH], [HIGH]])
    np.testing.assert_array_equal(first[2], [False, False])
    # The second step ends it: the next observation is the first one of a new episode.
    np.testing.assert_array_equal(second[0], [[LOW], [LOW]])
    np.testing.assert_array_equal(second[1], [1.0, 1.0])
    np.testing.assert_array_equal(second[2], [True, True])
    np.testing.assert_array_equal(second[3]["final_observation"], [[HIGH], [HIGH]])
    np.testing.assert_array_equal(third[0], first[0])
    np.testing.assert_array_equal(third[1], [0.0, 0.0])


def test_one_copy_ends_while_another_goes_on() -> None:
    # Action 0 runs out of time in LOW; action 1 continues to HIGH.
    (obs, _, done, info), *_ = play(FinalObservation(n_envs=2), jnp.array([[0, 1]]))
    np.testing.assert_array_equal(obs, [[LOW], [HIGH]])
    np.testing.assert_array_equal(done, [True, False])
    np.testing.assert_array_equal(info["truncated"], [True, False])
    np.testing.assert_array_equal(info["terminated"], [False, False])
    np.testing.assert_array_equal(info["final_observation"], [[HIGH], [HIGH]])


class SeveralKeys(OneStep):
    """Keeps a key and three more; action 0 ends an episode, which renews them all."""

    def reset_one(self, rng: Any) -> Any:
        return (rng, jax.random.split(rng, 3)), jnp.full(1, LOW)

    def step_one(self, env_state: Any, action: Any, rng: Any) -> SingleStep:
        return SingleStep(env_state, jnp.full(1, LOW), 1.0, action == 0, False)


@pytest.mark.parametrize("n_envs", [2, 3])
@pytest.mark.parametrize("waits", [True, False])
def test_keys_in_a_state_are_renewed_only_in_the_copies_that_ended(
    n_envs: int, waits: bool
) -> None:
    env = SeveralKeys(n_envs)
    before, _ = env.reset(jax.random.key(0))
    actions = jnp.ones(n_envs, jnp.int32).at[0].set(0)
    with lockstep.without_waiting(not waits):
        after, _ = env.step(before, actions, jax.random.key(1))
    # The second half of each copy's key begins its next episode.
    fresh = jax.random.split(jax.random.split(jax.random.key(1), n_envs)[0])[1]
    key, keys = (jax.random.key_data(part) for part in after.env_state)
    old_key, old_keys = (jax.random.key_data(part) for part in before.env_state)
    np.testing.assert_array_equal(key[0], jax.random.key_data(fresh))
    np.testing.assert_array_equal(keys[0], jax.random.key_data(jax.random.split(fresh, 3)))
    np.testing.assert_array_equal(key[1:], old_key[1:])
    np.testing.assert_array_equal(keys[1:], old_keys[1:])


def test_a_time_limit_is_counted_anew_in_every_episode() -> None:
    timesteps = play(TimeLimit(n_envs=1, max_episode_steps=3), jnp.zeros((9, 1), jnp.int32))
    assert [bool(t[2][0]) for t in timesteps] == [False, False, True] * 3
    assert not any(t[3]["terminated"][0] for t in timesteps)


def test_a_step_has_the_same_types_as_a_reset() -> None:
    for env in (OneStep(), TimeLimit(), Walk()):
        state, obs = env.reset(jax.random.key(0))
        next_state, (next_obs, reward, done, info) = env.step(
            state, jnp.zeros(4, jnp.int32), jax.random.key(1)
        )
        for before, after in zip(
            jax.tree.leaves((state, obs)), jax.tree.leaves((next_state, next_obs)), strict=True
        ):
            assert before.aval == after.aval
        assert (reward.dtype, done.dtype) == (jnp.float32, bool)
        assert info["terminated"].dtype == info["truncated"].dtype == bool


def test_a_step_is_a_function_of_its_key() -> None:
    env = Walk()
    state, _ = env.reset(jax.random.key(0))
    action = jnp.ones(4, jnp.int32)
    first, second = (env.step(state, action, jax.random.key(1)) for _ in range(2))
    assert same_bits(first, second)
    assert not same_bits(first, env.step(state, action, jax.random.key(2)))


def test_random_actions_are_uniform_over_the_space() -> None:
    actions = Walk(n_envs=4000).sample_actions(jax.random.key(0))
    assert actions.dtype == jnp.int32
    assert set(np.asarray(actions)) == {0, 1}
    # Five standard errors of a fair coin tossed 4000 times.
    assert abs(np.mean(actions) - 0.5) < 0.04


class ByHand(OneStep):
    """Does not define when two of its instances are equal."""

    identity = VectorisedEnvironment.identity


def test_an_environment_made_by_hand_is_equal_to_itself_only() -> None:
    env = ByHand()
    assert env == env  # noqa: PLR0124
    assert env != ByHand()
    assert env.spec is None


def test_environments_of_different_classes_differ() -> None:
    assert OneStep() == OneStep()
    assert OneStep() != TwoSteps()
