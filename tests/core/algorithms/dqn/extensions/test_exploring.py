"""Exploration, by hand, by frequencies, and in the environments of a training."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.dqn.extensions import exploring
from arlbench.core.algorithms.dqn.extensions.exploring import (
    MOST_STEPS,
    Persisting,
    PersistingActions,
    Proposal,
)
from probes import TimeLimit, Walk, small_dqn


def test_random_actions_last_for_n_steps_in_proportion_to_one_over_n_squared() -> None:
    weights = 1 / np.arange(1, MOST_STEPS + 1) ** 2
    cumulative = np.cumsum(weights) / weights.sum()
    uniform = np.float32([0.0, cumulative[0] - 1e-4, cumulative[0] + 1e-4, cumulative[2] - 1e-4])
    assert exploring.duration(uniform).tolist() == [1, 1, 2, 3]
    assert exploring.duration(np.float32([1.0])).tolist() == [MOST_STEPS]


def test_a_random_action_is_held_and_another_one_may_follow() -> None:
    """Four environments: one begins, one holds, one ends, one is greedy."""
    proposal = Proposal(
        greedy=np.int32([0, 0, 0, 0]),
        random=np.int32([2, 2, 2, 2]),
        explores=np.array([True, True, False, False]),
    )
    state = Persisting((), np.int32([0, 3, 1, 0]), np.int32([1, 1, 1, 1]))
    action, after = exploring.persistent(proposal, state, np.int32([4, 9, 9, 9]), None)
    assert action.tolist() == [2, 1, 1, 0]
    assert after.n_left.tolist() == [3, 2, 0, 0]
    assert after.action.tolist() == [2, 1, 1, 1]


def test_an_action_that_is_no_longer_legal_ends() -> None:
    proposal = Proposal(np.int32([0]), np.int32([2]), np.array([False]))
    state = Persisting((), np.int32([5]), np.int32([1]))
    mask = np.array([[True, False, True]])
    action, after = exploring.persistent(proposal, state, np.int32([9]), mask)
    assert (action.tolist(), after.n_left.tolist()) == ([0], [0])


def test_boltzmanns_frequencies_are_those_of_the_exponentials() -> None:
    temperature, n = 0.5, 20_000
    q = jnp.broadcast_to(jnp.log(jnp.array([1.0, 3.0, 1e6])) * temperature, (n, 3))
    mask = jnp.broadcast_to(jnp.array([True, True, False]), (n, 3))
    gumbel = jax.random.gumbel(jax.random.key(0), (n, 3))
    drawn = np.bincount(exploring.boltzmann(q, mask, temperature, gumbel), minlength=3) / n
    np.testing.assert_allclose(drawn, [0.25, 0.75, 0.0], atol=0.01)


def test_held_actions_end_with_their_episode_and_equal_wrappers_are_equal() -> None:
    env = PersistingActions(Walk(2, max_episode_steps=1))
    assert env == PersistingActions(Walk(2, max_episode_steps=1))

    @jax.jit
    def step() -> Any:
        state, _ = env.reset(jax.random.key(0))
        state = state._replace(n_left=jnp.int32([5, 5]))
        return env.step(state, jnp.int32([0, 1]), jax.random.key(1))

    state, (_, _, done, _) = step()
    assert done.all()
    assert state.n_left.tolist() == [0, 0]


def actions(nas: Any = None, **hpo: Any) -> np.ndarray:
    """The actions ``[steps, n_envs]`` of a training that does not learn yet."""
    config = {**small_dqn().hpo_config, "learning_starts": 390, "train_freq": 8, **hpo}
    env = TimeLimit(4, max_episode_steps=200)  # observes always the same
    dqn = DQN(config, env, nas_config={"hidden_size": 8, **(nas or {})}, track_trajectories=True)
    _, result = dqn.train(*dqn.init(jax.random.key(0), capacity=256), 416, 1, 1)
    return np.asarray(result.trajectories.action)[:96]


@pytest.mark.thorough
def test_noisy_layers_explore_without_epsilon() -> None:
    never = {"initial_epsilon": 0.0, "target_epsilon": 0.0}
    noisy = actions({"noisy": True}, **never)
    again = actions({"noisy": True}, **never)
    np.testing.assert_array_equal(noisy, again)
    assert np.mean(noisy[1:] != noisy[:-1]) > 0.05
    without = actions({"layer_norm": True}, **never)
    assert (without == without[0, 0]).all()


@pytest.mark.thorough
def test_persistent_actions_come_in_long_runs() -> None:
    always = {"initial_epsilon": 1.0, "target_epsilon": 1.0}
    persistent = actions(**always, exploration="ez_greedy")
    independent = actions(**always)
    changes = [np.mean(each[1:] != each[:-1]) for each in (persistent, independent)]
    assert changes[0] < 0.35
    assert changes[1] > 0.4
