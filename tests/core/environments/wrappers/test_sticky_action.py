"""Sometimes the previous action is repeated, but never that of another episode."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from arlbench.core.environments.wrappers import StickyAction
from arlbench.errors import ConfigurationError
from playing import END, GO_ON, Counter, Echo, play, require_steady_types
from probes import Walk, same_bits


def done_actions(env: Any, actions: Any, seed: int = 0) -> np.ndarray:
    """The actions that ``Echo`` received, ``[n_steps, n_envs]``."""
    return np.stack([step.reward for step in play(env, actions, seed)[1]]).astype(int)


def numbered(n_steps: int, n_envs: int) -> np.ndarray:
    """Actions that differ from step to step and do not end episodes, counted from 1."""
    numbers = np.array([n for n in range(1, 1000) if n % 100 != 99])[:n_steps]
    return np.tile(numbers[:, None], (1, n_envs))


@pytest.mark.parametrize("probability", [0.1, 0.25, 0.7])
def test_actions_are_repeated_as_often_as_the_probability_says(probability: float) -> None:
    n_steps, n_envs = 41, 400
    actions = numbered(n_steps, n_envs)
    done = done_actions(StickyAction(Echo(n_envs), probability), actions)
    is_repeated = done != actions
    # The repeated action is the one that was done before, which may itself be a repetition.
    np.testing.assert_array_equal(done[1:][is_repeated[1:]], done[:-1][is_repeated[1:]])
    n_draws = (n_steps - 1) * n_envs
    bound = 5 * np.sqrt(probability * (1 - probability) / n_draws)
    assert abs(is_repeated[1:].mean() - probability) < bound
    # Independent between copies and between steps.
    both = is_repeated[1:, 1:] & is_repeated[1:, :-1]
    assert abs(both.mean() - probability**2) < 2 * bound
    both = is_repeated[1:-1] & is_repeated[2:]
    assert abs(both.mean() - probability**2) < 2 * bound


def test_the_first_action_of_an_episode_is_always_done() -> None:
    # Action 99 ends the episode; after that only first actions are done.
    actions = [[99, 5], [7, 6], [8, 99], [99, 4]]
    done = done_actions(StickyAction(Echo(2), 1.0), actions)
    np.testing.assert_array_equal(done, [[99, 5], [7, 5], [7, 5], [7, 5]])
    done = done_actions(StickyAction(Echo(1), 1.0), [[99], [99], [3], [99]])
    np.testing.assert_array_equal(done, [[99], [99], [3], [3]])


def test_an_episode_that_is_cut_off_begins_with_a_new_action_too() -> None:
    env = StickyAction(Counter(1, max_episode_steps=2), 1.0)
    _, steps = play(env, [[GO_ON], [END], [END], [GO_ON], [END]])
    terminated = [step.info["terminated"][0] for step in steps]
    truncated = [step.info["truncated"][0] for step in steps]
    assert terminated == [False, False, True, False, False]
    assert truncated == [False, True, False, False, True]


def test_without_a_probability_nothing_changes() -> None:
    actions = np.random.default_rng(0).integers(0, 2, (40, 4))
    assert same_bits(play(StickyAction(Walk(), 0), actions), play(Walk(), actions))


def test_random_actions_stay_uniform() -> None:
    env = StickyAction(Echo(n_envs=500), 0.5)
    drawn = [env.sample_actions(jax.random.key(i)) for i in range(20)]
    done = done_actions(env, drawn)
    # A uniform number out of a thousand has a standard deviation of 289. Neighbours are equal half
    # of the time, so the variance of a row's sum is up to three times as large.
    assert abs(done.mean() - 499.5) < 5 * 289 * np.sqrt(3 / done.size)


def test_two_of_them_draw_apart() -> None:
    n_steps, n_envs = 31, 400
    actions = numbered(n_steps, n_envs)
    once = done_actions(StickyAction(Echo(n_envs), 0.5), actions) == actions
    twice = done_actions(StickyAction(StickyAction(Echo(n_envs), 0.5), 0.5), actions) == actions
    # With one wrapper half of the actions are done, with two a quarter if their draws differ.
    assert abs(once[1:].mean() - 0.5) < 0.03
    assert abs(twice[1:].mean() - 0.25) < 0.03


def test_types_are_steady() -> None:
    require_steady_types(StickyAction(Walk(n_envs=3)))


def test_a_picture_is_that_of_the_environment() -> None:
    env = StickyAction(Counter(n_envs=1))
    state, _ = env.reset(jax.random.key(0))
    np.testing.assert_array_equal(env.render(state), np.zeros((1, 1, 3)))


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_a_probability_lies_between_0_and_1(probability: float) -> None:
    with pytest.raises(ConfigurationError, match=r"probability must lie in \[0, 1\]"):
        StickyAction(Walk(), probability)


def test_a_probability_is_a_number() -> None:
    with pytest.raises(ConfigurationError, match="probability must be a finite number"):
        StickyAction(Walk(), "often")  # type: ignore[arg-type]
