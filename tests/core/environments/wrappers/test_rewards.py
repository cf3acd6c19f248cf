"""Learners get other rewards, but returns stay those of the task."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arlbench.core.environments.wrappers import ClipReward, ScaleReward, Wrapper
from arlbench.errors import ConfigurationError
from playing import END, GO_ON, Counter, play, require_steady_types
from probes import same_bits

ACTIONS = [[GO_ON], [GO_ON], [END], [GO_ON]]

#: The rewards of the environment: 2, 4 and 6, then 2 in the next episode.
RETURNS = [2, 6, 12, 2]


@pytest.mark.parametrize(
    ("wrap", "rewards"),
    [
        (lambda env: ClipReward(env, 3, 5), [3, 4, 5, 3]),
        (ClipReward, [1, 1, 1, 1]),
        (lambda env: ScaleReward(env, 0.5), [1, 2, 3, 1]),
        (lambda env: ScaleReward(ClipReward(env, 3, 5), 10), [30, 40, 50, 30]),
        (lambda env: ClipReward(ScaleReward(env, 10), 3, 50), [20, 40, 50, 20]),
    ],
    ids=["clip", "clip to one", "scale", "clip and scale", "scale and clip"],
)
def test_rewards_are_changed_and_returns_are_not(wrap: Any, rewards: list[float]) -> None:
    env: Wrapper = wrap(Counter(n_envs=1))
    require_steady_types(env)
    _, steps = play(env, ACTIONS)
    np.testing.assert_allclose([step.reward[0] for step in steps], rewards)
    np.testing.assert_allclose([step.info["episode_return"][0] for step in steps], RETURNS)


def test_nothing_else_is_changed() -> None:
    first, steps = play(ScaleReward(Counter(n_envs=3), 7.0), np.zeros((5, 3)))
    plain_first, plain = play(Counter(n_envs=3), np.zeros((5, 3)))
    assert same_bits(first, plain_first)
    for ours, theirs in zip(steps, plain, strict=True):
        assert same_bits((ours.obs, ours.done, ours.info), (theirs.obs, theirs.done, theirs.info))


def test_they_are_no_part_of_the_task() -> None:
    assert ClipReward.training_only
    assert ScaleReward.training_only


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), float("inf"), "2", True])
def test_a_scale_is_positive_and_finite(scale: Any) -> None:
    with pytest.raises(ConfigurationError, match="scale must be"):
        ScaleReward(Counter(), scale)


def test_bounds_are_finite_and_in_order() -> None:
    with pytest.raises(ConfigurationError, match=r"low \(2\) must be below high \(1\)"):
        ClipReward(Counter(), 2, 1)
    with pytest.raises(ConfigurationError, match="must be below high"):
        ClipReward(Counter(), 1, 1)
    with pytest.raises(ConfigurationError, match="high must be a finite number"):
        ClipReward(Counter(), 0, float("inf"))
