"""A time limit cuts off episodes that are too long, and does not change others."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.environments import make_env
from arlbench.core.environments.wrappers import TimeLimit, Wrapper
from arlbench.errors import ConfigurationError
from playing import END, GO_ON, Counter, Step, play, require_steady_types
from probes import OneStep, Walk, same_bits


def column(steps: list[Step], name: str, copy: int = 0) -> list[Any]:
    """One entry of ``info`` over the steps of one copy."""
    return [step.info[name][copy].item() for step in steps]


def test_only_the_copy_whose_time_is_up_is_cut_off() -> None:
    env = TimeLimit(Counter(n_envs=2), 3)
    require_steady_types(env)
    _, steps = play(env, [[GO_ON, GO_ON], [GO_ON, END], [GO_ON, GO_ON], [GO_ON, GO_ON]])
    np.testing.assert_array_equal([s.obs[:, 0] for s in steps], [[1, 1], [2, 0], [0, 1], [1, 2]])
    ends = [s.info["final_observation"][:, 0] for s in steps]
    np.testing.assert_array_equal(ends, [[1, 1], [2, 2], [3, 1], [1, 2]])
    assert column(steps, "truncated") == [False, False, True, False]
    assert column(steps, "truncated", 1) == [False] * 4
    assert column(steps, "terminated") == [False] * 4
    assert column(steps, "terminated", 1) == [False, True, False, False]
    for step in steps:
        np.testing.assert_array_equal(step.done, step.info["terminated"] | step.info["truncated"])


def test_return_and_length_are_counted_anew() -> None:
    _, steps = play(TimeLimit(Counter(n_envs=1), 2), [[GO_ON]] * 5)
    assert column(steps, "episode_return") == [2, 6, 2, 6, 2]
    assert column(steps, "episode_length") == [1, 2, 1, 2, 1]
    assert [step.reward[0] for step in steps] == [2, 4, 2, 4, 2]


def test_a_task_that_ends_in_the_last_step_has_ended() -> None:
    _, steps = play(TimeLimit(Counter(n_envs=1), 2), [[GO_ON], [END], [GO_ON]])
    assert column(steps, "terminated") == [False, True, False]
    assert column(steps, "truncated") == [False] * 3
    assert column(steps, "episode_length") == [1, 2, 1]


def test_a_limit_of_one_step_ends_every_step() -> None:
    _, steps = play(TimeLimit(Counter(n_envs=1), 1), [[GO_ON]] * 3)
    assert column(steps, "truncated") == [True] * 3


@pytest.mark.parametrize(("inner", "outer"), [(2, 3), (3, 2), (2, 2)])
def test_the_shorter_limit_counts(inner: int, outer: int) -> None:
    for env in (
        TimeLimit(Counter(1, max_episode_steps=inner), outer),
        TimeLimit(TimeLimit(Counter(1), inner), outer),
    ):
        assert env.max_episode_steps == 2
        _, steps = play(env, [[GO_ON]] * 4)
        assert column(steps, "truncated") == [False, True] * 2


def test_the_limit_is_that_of_an_environment_without_one() -> None:
    assert TimeLimit(OneStep(), 7).max_episode_steps == 7
    assert TimeLimit(make_env("gymnax", "CartPole-v1"), 1000).max_episode_steps == 500


@pytest.mark.thorough
@pytest.mark.parametrize("n_envs", [1, 3])
def test_before_its_time_is_up_nothing_changes(n_envs: int) -> None:
    actions = np.random.default_rng(0).integers(0, 2, (40, n_envs))
    assert same_bits(play(TimeLimit(Walk(n_envs), 13), actions), play(Walk(n_envs), actions))


def test_copies_that_are_not_cut_off_go_on_as_they_would() -> None:
    # Only copy 0 is cut off: its episodes never end otherwise, those of the others end at once.
    class Both(Walk):
        def step_one(self, env_state: Any, action: jax.Array, rng: Any) -> Any:
            step = super().step_one(env_state, action, rng)
            return step._replace(terminated=action == 1, truncated=False)

    actions = np.tile([0, 1, 1], (4, 1))
    _, cut = play(TimeLimit(Both(3), 3), actions)
    _, plain = play(Both(3), actions)
    for ours, theirs in zip(cut, plain, strict=True):
        np.testing.assert_array_equal(ours.obs[1:], theirs.obs[1:])
    assert column(cut, "truncated") == [False, False, True, False]
    assert cut[2].obs[0, 0] != plain[2].obs[0, 0]


def test_every_new_episode_has_a_beginning_of_its_own() -> None:
    _, steps = play(TimeLimit(Walk(n_envs=50, max_episode_steps=99), 1), np.zeros((20, 50)))
    cut_off = np.stack([step.info["truncated"] for step in steps])
    begins = np.stack([step.obs for step in steps])[cut_off]
    assert len(begins) > 900
    assert len(np.unique(begins[:, 0])) > len(begins) - 3
    assert np.all(np.abs(begins) <= 0.5)
    # Uniform in [-0.5, 0.5]: five standard errors of the mean.
    assert np.all(np.abs(begins.mean(axis=0)) < 5 * np.sqrt(1 / 12 / len(begins)))


class CountedResets(Wrapper):
    """Counts how often all copies are reset while a program runs."""

    n_resets = 0

    def reset(self, rng: Any) -> Any:
        jax.debug.callback(self.count)
        return self.env.reset(rng)

    def count(self) -> None:
        self.n_resets += 1


def test_copies_are_reset_only_when_some_are_cut_off() -> None:
    inner = CountedResets(Counter(n_envs=3))
    play(TimeLimit(inner, 4), np.zeros((10, 3)))
    jax.effects_barrier()
    # Once at the start, and after 4 and 8 steps.
    assert inner.n_resets == 3


def test_members_of_a_batch_have_clocks_of_their_own() -> None:
    env = TimeLimit(Counter(n_envs=2), 3)
    states, _ = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 2))
    # The first member is two steps ahead.
    states = states._replace(n_steps=states.n_steps.at[0].add(2))
    keys = jax.random.split(jax.random.key(1), 2)
    states, (obs, _, done, _) = jax.jit(jax.vmap(env.step))(states, jnp.zeros((2, 2), int), keys)
    np.testing.assert_array_equal(done, [[True, True], [False, False]])
    np.testing.assert_array_equal(obs[..., 0], [[0, 0], [1, 1]])
    np.testing.assert_array_equal(states.n_steps, [[0, 0], [1, 1]])


@pytest.mark.parametrize("limit", [0, -3, 2.5, "ten"])
def test_a_limit_is_positive_and_whole(limit: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_episode_steps must be a positive whole"):
        TimeLimit(Counter(), limit)


class OnHost(Counter):
    """Claims to run in Python."""

    kind = "host"


def test_an_environment_on_the_host_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="OnHost runs on the host"):
        TimeLimit(OnHost(), 3)


def test_a_picture_is_that_of_the_environment() -> None:
    env = TimeLimit(Counter(n_envs=1), 5)
    state, _ = env.reset(jax.random.key(0))
    np.testing.assert_array_equal(env.render(state), np.zeros((1, 1, 3)))
