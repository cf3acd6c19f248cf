"""Time limits as terminations: only what the learner sees changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arlbench.core.environments import EnvSpec, evaluation_spec, make_env_from_spec
from arlbench.core.environments.wrappers import (
    EndAtTimeLimit,
    FrameStack,
    StickyAction,
    TimeLimit,
)
from arlbench.core.problem import Problem
from host_probes import TOP, stairs
from playing import END, GO_ON, Counter, Step, play, require_steady_types
from probes import CAPACITY, same_bits, small_dqn, small_state


def column(steps: list[Step], name: str) -> list[Any]:
    return [step.info[name][0].item() for step in steps]


def test_a_limit_is_an_end_and_an_end_stays_one() -> None:
    env = EndAtTimeLimit(TimeLimit(Counter(n_envs=1), 2))
    require_steady_types(env)
    _, steps = play(env, [[GO_ON], [GO_ON], [END], [GO_ON]])
    assert column(steps, "terminated") == [False, True, True, False]
    assert column(steps, "truncated") == [False] * 4
    assert [step.done[0] for step in steps] == [False, True, True, False]


def test_nothing_else_is_changed() -> None:
    actions = np.full((7, 2), GO_ON)
    first, steps = play(EndAtTimeLimit(TimeLimit(Counter(2), 3)), actions)
    plain_first, plain = play(TimeLimit(Counter(2), 3), actions)
    assert same_bits(first, plain_first)
    told = ("terminated", "truncated")
    for ours, theirs in zip(steps, plain, strict=True):
        kept = [{k: v for k, v in step.info.items() if k not in told} for step in (ours, theirs)]
        assert same_bits(*kept)
        assert same_bits(
            (ours.obs, ours.reward, ours.done), (theirs.obs, theirs.reward, theirs.done)
        )


@pytest.mark.parametrize(
    "wrap",
    [
        lambda env: EndAtTimeLimit(FrameStack(StickyAction(TimeLimit(env, 3), 0.0), 1)),
        lambda env: FrameStack(EndAtTimeLimit(StickyAction(TimeLimit(env, 3), 0.0)), 1),
        lambda env: StickyAction(FrameStack(EndAtTimeLimit(TimeLimit(env, 3)), 1), 0.0),
    ],
)
def test_it_goes_with_all_others_in_every_order(wrap: Any) -> None:
    _, steps = play(wrap(Counter(n_envs=1)), [[GO_ON]] * 6)
    assert column(steps, "terminated") == [False, False, True] * 2
    assert column(steps, "truncated") == [False] * 6


def test_a_limit_around_it_is_only_a_limit() -> None:
    _, steps = play(TimeLimit(EndAtTimeLimit(TimeLimit(Counter(1), 3)), 2), [[GO_ON]] * 3)
    assert column(steps, "truncated") == [False, True, False]


def test_it_is_no_part_of_the_task() -> None:
    """An evaluation plays in the environment without the wrapper."""
    spec = EnvSpec("gymnax", "MountainCar-v0", 2, wrappers=[("end_at_time_limit", {})])
    problem = Problem(spec)
    assert (
        problem.evaluation_spec == evaluation_spec(spec) == EnvSpec("gymnax", "MountainCar-v0", 2)
    )
    algorithm: Any = problem.make_algorithm()
    assert isinstance(algorithm.env, EndAtTimeLimit)
    assert not isinstance(algorithm.eval_env, EndAtTimeLimit)
    # With the wrapper, episodes are the same.
    assert make_env_from_spec(spec).max_episode_steps == 200


@pytest.mark.thorough
def test_on_the_host_what_is_stored_says_that_the_task_has_ended() -> None:
    def stored(spec: EnvSpec) -> Any:
        dqn = small_dqn(make_env_from_spec(spec), buffer_size=CAPACITY)
        state, _ = dqn.train(*small_state(dqn), 192, 1, 3)
        rows = state.buffer_state.experience.transition
        return np.asarray(rows.next_obs)[0, :192, 0], np.asarray(rows.terminated)[0, :192]

    # Without the wrapper only the top ends an episode: test_on_the_host.py.
    step_number, ended = stored(stairs().wrapped("end_at_time_limit", {}))
    assert ended[step_number == TOP].all()
    assert ended[step_number < TOP].any()
