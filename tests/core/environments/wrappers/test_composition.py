"""Wrappers within wrappers, and agents that learn in them."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from arlbench.autorl import Checkpointer
from arlbench.core.environments import Environment, evaluation_spec, make_env_from_spec
from arlbench.core.environments.wrappers import (
    CastObservation,
    ClipReward,
    FlattenObservation,
    FrameStack,
    ScaleReward,
    StickyAction,
    TimeLimit,
    wrap,
)
from arlbench.core.problem import Problem
from arlbench.errors import CheckpointError
from arlbench.population import train_population
from playing import END, GO_ON, Counter, Echo, play, require_steady_types
from probe_framework import walk
from probes import CAPACITY, SMALL, Walk, same_bits, small_dqn, small_state

#: One of every kind with its own state, and a reward wrapper that is for training only.
WRAPPERS: list[tuple[str, dict[str, Any]]] = [
    ("sticky_action", {"probability": 0.3}),
    ("time_limit", {"max_episode_steps": 5}),
    ("frame_stack", {"n_frames": 3}),
    ("scale_reward", {"scale": 100.0}),
]

LENGTH = {"n_total_timesteps": 400, "n_eval_steps": 2, "n_eval_episodes": 4}


def wrapped_spec(n_envs: int = 4) -> Any:
    spec = walk(n_envs)
    for entry in WRAPPERS:
        spec = spec.wrapped(*entry)
    return spec


@pytest.mark.parametrize("n_envs", [1, 3])
def test_a_limit_and_a_stack_go_together_in_both_orders(n_envs: int) -> None:
    inside = FrameStack(TimeLimit(Counter(n_envs), 3), 2)
    outside = TimeLimit(FrameStack(Counter(n_envs), 2), 3)
    actions = np.full((7, n_envs), GO_ON)
    actions[1, -1] = END
    first, steps = play(inside, actions)
    assert same_bits((first, steps), play(outside, actions))
    # The last copy ends after 2 steps, is cut off after 3 more, and then continues.
    ends = [tuple(step.info["final_observation"][-1]) for step in steps]
    assert ends == [(0, 1), (1, 2), (0, 1), (1, 2), (2, 3), (0, 1), (1, 2)]
    begins = [tuple(step.obs[-1]) for step in steps]
    assert begins == [(0, 1), (0, 0), (0, 1), (1, 2), (0, 0), (0, 1), (1, 2)]


def test_a_limit_and_sticky_actions_go_together_in_both_orders() -> None:
    for env in (
        TimeLimit(StickyAction(Echo(1), 1.0), 2),
        StickyAction(TimeLimit(Echo(1), 2), 1.0),
    ):
        _, steps = play(env, [[1], [2], [3], [4], [5]])
        # Repeated until the time limit, but not longer.
        assert [step.reward[0] for step in steps] == [1, 1, 3, 3, 5]


@pytest.mark.parametrize("n_envs", [1, 3])
def test_all_of_them_keep_their_types(n_envs: int) -> None:
    env: Environment = make_env_from_spec(wrapped_spec(n_envs))
    require_steady_types(env)
    require_steady_types(FlattenObservation(CastObservation(env, "float16")))
    assert env.max_episode_steps == 5


def test_what_is_wrapped_sees_the_random_numbers_that_it_would_alone() -> None:
    actions = np.random.default_rng(0).integers(0, 2, (30, 4))
    env = TimeLimit(StickyAction(FrameStack(Walk(), 1), 0.0), 99)
    assert same_bits(play(env, actions), play(Walk(), actions))


@pytest.mark.thorough
def test_a_buffer_of_stacks_holds_frames_in_their_order() -> None:
    dqn = small_dqn(make_env_from_spec(wrapped_spec()))
    state, result = dqn.train(*small_state(dqn), **LENGTH)
    assert np.all(np.isfinite(result.eval_rewards))
    stored = jax.tree.map(lambda x: x[0, :200], state.buffer_state.experience.transition)
    # The walk observes two numbers; the newest two frames are the oldest two of the next stack.
    np.testing.assert_array_equal(stored.next_obs[:, :4], stored.obs[:, 2:])
    begins = np.all(stored.obs[:, :2] == stored.obs[:, 4:], axis=1)
    # No episode is longer than 5 steps.
    assert 200 / 5 <= np.sum(begins) < 100
    assert np.max(np.abs(stored.reward)) > 10


@pytest.mark.thorough
def test_equal_specs_share_their_programs(count_compilations: Any) -> None:
    spec = wrapped_spec()
    first = small_dqn(make_env_from_spec(spec))
    trained, _ = first.train(*small_state(first), **LENGTH)
    by_hand = FrameStack(TimeLimit(StickyAction(make_env_from_spec(walk()), 0.3), 5), 3)
    again = small_dqn(ScaleReward(by_hand, 100))
    with count_compilations() as counter:
        retrained, _ = again.train(*small_state(again), **LENGTH)
    assert counter.names == []
    assert same_bits(trained, retrained)


@pytest.mark.thorough
def test_a_training_goes_on_from_a_file_as_if_it_had_not_stopped(tmp_path: Any) -> None:
    def half(dqn: Any, state: Any) -> Any:
        return dqn.train(*state, 200, 1, 4, schedule_timesteps=400)[0]

    dqn = small_dqn(make_env_from_spec(wrapped_spec()))
    middle = half(dqn, small_state(dqn))
    path = Checkpointer(tmp_path).save(dqn, middle)
    whole = half(dqn, middle)
    other = small_dqn(wrap(make_env_from_spec(walk()), WRAPPERS))
    assert same_bits(half(other, Checkpointer.load(path, other).state), whole)
    with pytest.raises(CheckpointError, match=r"another environment: wrappers is \[\['sticky"):
        Checkpointer.load(path, small_dqn(make_env_from_spec(walk())))


@pytest.mark.thorough
def test_a_member_of_a_population_is_the_single_run_and_returns_are_those_of_the_task() -> None:
    spec = wrapped_spec()
    problem = Problem(spec, hpo_config=SMALL, nas_config={"hidden_size": 8}, **LENGTH)
    population = train_population(problem, [{}], [3, 5], init_options={"capacity": CAPACITY})
    env, eval_env = (make_env_from_spec(s) for s in (spec, evaluation_spec(spec)))
    dqn = small_dqn(env, settings={"eval_env": eval_env})
    _, result = dqn.train(*small_state(dqn, seed=5), **LENGTH)
    assert same_bits(population.returns[0, 1], np.asarray(result.eval_rewards))
    # A step of the walk earns at most 1, and an episode has at most 5 steps; rewards are times 100.
    assert np.all(np.abs(population.returns) <= 5)
    scaled = dqn.env.step(dqn.env.reset(jax.random.key(0))[0], np.zeros(4), jax.random.key(0))
    assert np.all(np.abs(scaled[1][1]) > 50)


@pytest.mark.thorough
def test_members_that_step_in_one_batch_step_as_they_would_alone() -> None:
    env = make_env_from_spec(wrapped_spec(n_envs=3))
    keys = jax.random.split(jax.random.key(0), 2)
    states, _ = jax.jit(jax.vmap(env.reset))(keys)
    alone, _ = jax.jit(env.reset)(keys[1])
    together, one = jax.jit(jax.vmap(env.step)), jax.jit(env.step)
    for i in range(7):
        keys, action = jax.random.split(jax.random.key(i), 2), np.full((2, 3), i % 2)
        states, timesteps = together(states, action, keys)
        alone, timestep = one(alone, action[1], keys[1])
        assert same_bits(jax.tree.map(lambda x: x[1], (states, timesteps)), (alone, timestep))


def test_clipping_that_an_evaluation_is_given_on_purpose_stays() -> None:
    clipped = ClipReward(Walk(), 0.0, 0.1)
    dqn = small_dqn(Walk(), settings={"eval_env": clipped})
    state = small_state(dqn)
    assert np.all(np.asarray(dqn.evaluate(state.runner_state, 4)) <= 12 * 0.1 + 1e-6)
