"""Atari games: names, and each setting proved by counting steps, lives and rewards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.environments import EnvSpec, catalogue, make_env
from arlbench.core.environments.registry import evaluation_spec, find_framework
from arlbench.errors import (
    ArlbenchError,
    ConfigurationError,
    RenderingError,
    UnknownEnvironmentError,
)

pytest.importorskip("ale_py")

from arlbench.core.environments.adapters import ale_adapter
from arlbench.core.environments.adapters.ale_adapter import AleBatch

# Without any randomness at the start of an episode.
PLAIN = {"noop_max": 0}
SEEDS = np.array([3, 4])
NOTHING, FIRE = 0, 1


def played(
    game: str, n_steps: int, action: Callable[[int], int] = lambda _: FIRE, **settings: Any
) -> list[Any]:
    """The steps of two copies that do the same."""
    batch = AleBatch(game, 2, {**PLAIN, **settings})
    batch.reset(SEEDS)
    steps = [batch.step(np.full(2, action(i)), SEEDS) for i in range(n_steps)]
    batch.close()
    return steps


def flags(steps: list[Any], name: str) -> list[int]:
    """The numbers of steps, from 1, at which a flag of the first copy is set."""
    return [i for i, step in enumerate(steps, start=1) if getattr(step, name)[0]]


@pytest.mark.parametrize("name", ["Pong-v5", "ALE/Pong-v5", "pong"])
def test_names_of_gymnasium_and_of_the_library_mean_the_same(name: str) -> None:
    env = make_env("ale", name)
    assert env.env_name == "Pong-v5"
    assert env == make_env("ale", "Pong-v5")


def test_a_name_with_its_namespace_is_found_without_a_framework() -> None:
    assert find_framework("ALE/Pong-v5") == "ale"
    assert find_framework("BattleZone-v5") == "ale"


def test_all_games_for_one_player_are_listed() -> None:
    names = [listing.name for listing in catalogue.read("ale")]
    assert len(names) == 104
    published = {"BattleZone-v5", "DoubleDunk-v5", "Phoenix-v5", "Qbert-v5", "NameThisGame-v5"}
    assert published < set(names)


@pytest.mark.parametrize("frame_skip", [2, 4])
def test_a_time_limit_counts_steps_of_the_agent(frame_skip: int) -> None:
    limits = {"frame_skip": frame_skip, "max_episode_steps": 25}
    steps = played("breakout", 60, episodic_life=False, **limits)
    assert flags(steps, "truncated") == [25, 50]
    assert flags(steps, "terminated") == []


def test_the_default_time_limit_is_half_an_hour_of_frames() -> None:
    assert ale_adapter.DEFAULTS["max_episode_steps"] * ale_adapter.DEFAULTS["frame_skip"] == 108_000


def test_the_last_observation_of_an_episode_is_the_true_one() -> None:
    cut = played("breakout", 26, max_episode_steps=25)
    whole = played("breakout", 26)
    # The library counts the frames of the reset, too, so the newest frame is slightly earlier.
    final, next_obs = cut[24].final_observation, whole[24].obs
    np.testing.assert_array_equal(final[:, :-1], next_obs[:, :-1])
    assert np.mean(final != next_obs) < 0.001
    # The next episode begins at once, with frames that are black.
    assert not cut[24].obs[:, :-1].any()
    np.testing.assert_array_equal(cut[23].final_observation, cut[23].obs)


def test_a_lost_life_ends_an_episode_for_the_learner_but_not_the_game() -> None:
    # Breakout has five lives; a ball that nobody hits is lost soon.
    steps = played("breakout", 200)
    ended = flags(steps, "terminated")
    real = flags(played("breakout", 200, episodic_life=False), "terminated")
    assert len(ended[: ended.index(real[0])]) == 4
    assert set(real) <= set(ended)
    # The observation after a lost life is the one that ends the shorter episode.
    lost = steps[ended[0] - 1]
    np.testing.assert_array_equal(lost.obs, lost.final_observation)
    assert not np.array_equal(steps[real[0] - 1].obs, steps[real[0] - 1].final_observation)


def test_a_game_without_lives_ends_only_with_its_time_limit() -> None:
    assert flags(played("pong", 60), "terminated") == []


def test_rewards_are_clipped_to_their_sign() -> None:
    # In Qbert, a new cube is worth 25 points.
    def down(_: int) -> int:
        return 5

    clipped = [float(step.reward[0]) for step in played("qbert", 60, down)]
    points = [float(step.reward[0]) for step in played("qbert", 60, down, clip_rewards=False)]
    assert sum(points) >= 25
    assert clipped == list(np.sign(points))


def test_sticky_actions_repeat_some_actions() -> None:
    def alternating(i: int) -> int:
        return 2 + i % 2

    def frames(**settings: Any) -> np.ndarray:
        return np.stack([s.obs for s in played("breakout", 30, alternating, **settings)])

    plain, sticky = frames(), frames(repeat_action_probability=0.25)
    np.testing.assert_array_equal(sticky, frames(repeat_action_probability=0.25))
    assert not np.array_equal(plain, sticky)
    # With certainty, the first action is repeated for ever: the paddle goes to one side.
    always = frames(repeat_action_probability=1.0)
    np.testing.assert_array_equal(always[20], always[25])


def test_episodes_begin_after_up_to_thirty_frames_without_an_action() -> None:
    # Without them, and without FIRE, every copy begins with the same picture.
    def first(noop_max: int) -> np.ndarray:
        batch = AleBatch("ms_pacman", 8, {"noop_max": noop_max, "fire_reset": False})
        return np.asarray(batch.reset(np.arange(8)))[:, -1]

    assert len(np.unique(first(0), axis=0)) == 1
    assert len(np.unique(first(30), axis=0)) > 1


def test_seeds_determine_an_episode() -> None:
    batch = AleBatch("breakout", 2, {})
    first, second, third = (batch.reset(seeds) for seeds in (SEEDS, SEEDS + 1, SEEDS))
    np.testing.assert_array_equal(first, third)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("settings", "shape"),
    [
        ({}, (4, 84, 84)),
        ({"frame_stack": 2, "screen_size": 42}, (2, 42, 42)),
        ({"grayscale": False}, (4, 84, 84, 3)),
    ],
)
def test_observations_are_stacks_of_frames(settings: dict[str, Any], shape: tuple) -> None:
    env = make_env("ale", "Breakout-v5", 2, settings)
    assert env.observation_space.shape == shape
    assert env.observation_space.dtype == np.uint8
    assert (env.stacked_frames, env.frame_axis) == (shape[0], 0)
    _, obs = env.reset(jax.random.key(0))
    assert (obs.shape, obs.dtype) == ((2, *shape), np.uint8)


def test_all_actions_or_those_that_do_something() -> None:
    def n_actions(**settings: Any) -> int:
        return int(make_env("ale", "Breakout-v5", env_kwargs=settings).action_space.n)

    assert (n_actions(), n_actions(full_action_space=True)) == (4, 18)


def test_a_training_is_evaluated_in_whole_games_with_their_own_score() -> None:
    sticky = {"repeat_action_probability": 0.25}
    spec = EnvSpec("ale", "Pong-v5", 8, {"noop_max": 5, "evaluation": sticky})
    assert evaluation_spec(spec).env_kwargs == {
        **{"noop_max": 5, "repeat_action_probability": 0.25},
        **{"episodic_life": False, "clip_rewards": False},
    }
    assert dict(make_env("ale", "Pong-v5", env_kwargs=spec.env_kwargs).spec.env_kwargs) == (
        spec.env_kwargs
    )


def test_a_compiled_step_gives_the_library_s_results() -> None:
    env = make_env("ale", "Breakout-v5", 2, {**PLAIN, "max_episode_steps": 3})
    env_state, obs = env.reset(jax.random.key(0))
    step = jax.jit(env.step)
    lengths = []
    for i in range(4):
        actions = jnp.full(2, FIRE)
        env_state, (obs, _, done, info) = step(env_state, actions, jax.random.key(i))
        lengths.append(info["episode_length"].tolist())
        assert done.tolist() == info["truncated"].tolist() == [i == 2] * 2
    assert lengths == [[1, 1], [2, 2], [3, 3], [1, 1]]
    assert obs.shape == (2, 4, 84, 84)


def test_pictures_have_the_screen_s_size_and_colours() -> None:
    env = make_env("ale", "Breakout-v5", 1, PLAIN)
    env_state, _ = env.reset(jax.random.key(0))
    first = env.render(env_state)
    assert (first.shape, first.dtype) == ((210, 160, 3), np.uint8)
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 4
    for i in range(8):
        env_state, _ = env.step(env_state, jnp.array([FIRE]), jax.random.key(i))
    # The ball has moved there as well.
    assert not np.array_equal(env.render(env_state), first)


def test_the_first_picture_comes_before_the_first_step() -> None:
    env = make_env("ale", "Breakout-v5", 1, PLAIN)
    env_state, _ = env.reset(jax.random.key(0))
    env_state, _ = env.step(env_state, jnp.array([FIRE]), jax.random.key(0))
    with pytest.raises(RenderingError, match=r"breakout .* draw it once right after a reset"):
        env.render(env_state)


@pytest.mark.parametrize(
    ("name", "settings", "match"),
    [
        ("Breakot-v5", {}, r"no environment named 'Breakot-v5'\. Did you mean 'Breakout-v5'\?"),
        ("Pong-v5", {"frameskip": 4}, "no setting 'frameskip'. Did you mean 'frame_skip'?"),
        ("Pong-v5", {"repeat_action_probability": 2}, r"must lie in \[0, 1\], not 2"),
        ("Pong-v5", {"frame_stack": 0}, "frame_stack of Pong-v5 must be a whole number of at"),
        ("Pong-v5", {"noop_max": -1}, "noop_max of Pong-v5 must be 0 or more, not -1"),
        ("Pong-v5", {"clip_rewards": 1}, "clip_rewards of Pong-v5 must be true or false"),
        ("Pong-v5", {"evaluation": {"stack": 1}}, "no setting 'stack'"),
        ("Pong-v5", {"evaluation": 3}, "evaluation of Pong-v5 must map settings to values"),
    ],
)
def test_wrong_settings_are_one_sentence(name: str, settings: dict[str, Any], match: str) -> None:
    with pytest.raises((ConfigurationError, UnknownEnvironmentError), match=match) as error:
        make_env("ale", name, env_kwargs=settings)
    assert isinstance(error.value, ArlbenchError)
