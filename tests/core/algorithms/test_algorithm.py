"""What every algorithm can do because of its required methods."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from arlbench import DQN, make_env
from arlbench.core.randomness import Stream, stream_key
from probes import Walk, small_dqn, small_state


@pytest.mark.thorough
def test_playing_with_the_key_of_an_evaluation_gives_its_returns() -> None:
    dqn = small_dqn(Walk(n_envs=4))
    state, _ = dqn.train(*small_state(dqn), 400, 1, 4)
    runner = state.runner_state
    key = stream_key(runner.rng, Stream.EVALUATE, runner.global_step)
    outcomes = jax.jit(lambda runner, key: dqn.play(runner, key, 33))(runner, key)
    np.testing.assert_array_equal(outcomes.returns, dqn.evaluate(runner, 33))
    assert 1 <= outcomes.lengths.min() <= outcomes.lengths.max() == 12


def test_playing_compiles_once_for_all_states_and_keys(count_compilations) -> None:
    dqn = small_dqn(Walk(n_envs=2))
    play = jax.jit(lambda runner, key: dqn.play(runner, key, 5).returns)
    runners = [small_state(dqn, seed).runner_state for seed in (0, 1, 2)]
    keys = [jax.random.key(seed) for seed in (3, 4, 5)]
    first = play(runners[0], keys[0])
    with count_compilations() as counter:
        others = [play(runner, key) for runner, key in zip(runners[1:], keys[1:], strict=True)]
    assert counter.names == []
    assert not np.array_equal(first, others[0])
    assert not np.array_equal(others[0], others[1])


@pytest.mark.thorough
def test_a_policy_that_is_not_deterministic_explores_with_its_epsilon() -> None:
    returns = {}
    for eval_eps in (0.0, 1.0):
        dqn = small_dqn(Walk(n_envs=4), settings={"eval_eps": eval_eps})
        runner = small_state(dqn).runner_state
        for deterministic in (True, False):
            outcomes = dqn.play(runner, jax.random.key(1), 16, deterministic)
            returns[eval_eps, deterministic] = np.asarray(outcomes.returns)
    np.testing.assert_array_equal(returns[0.0, True], returns[0.0, False])
    np.testing.assert_array_equal(returns[0.0, True], returns[1.0, True])
    assert not np.array_equal(returns[1.0, True], returns[1.0, False])


def test_an_algorithm_says_what_differs_from_the_defaults() -> None:
    env = make_env("gymnax", "CartPole-v1", n_envs=8)
    dqn = DQN({"learning_rate": 0.5, "gamma": 0.99}, env, nas_config={"hidden_size": 8})
    assert repr(dqn) == f"DQN({env!r}, learning_rate=0.5, hidden_size=8)"
    assert repr(DQN(None, env)) == f"DQN({env!r})"

    def traced(rate):
        assert "learning_rate=" in repr(DQN({"learning_rate": rate}, env))
        return rate

    jax.jit(traced)(0.1)
