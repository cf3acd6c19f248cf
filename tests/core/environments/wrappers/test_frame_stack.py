"""A stack holds the last frames of its own episode only."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments.wrappers import (
    CastObservation,
    ClipReward,
    FlattenObservation,
    FrameStack,
    OneHotObservation,
    StickyAction,
    TransposeObservation,
)
from arlbench.core.environments.wrappers.wrapper import Wrapper
from arlbench.core.observations import ACTION_MASK
from arlbench.errors import ConfigurationError
from playing import END, GO_ON, Counter, Shown, play, require_steady_types
from probes import TimeLimit, Walk, same_bits


def test_a_stack_begins_with_the_first_frame_and_ends_with_the_last() -> None:
    env = FrameStack(Counter(n_envs=2), 3)
    first, steps = play(env, [[GO_ON, GO_ON], [GO_ON, END], [GO_ON, GO_ON]])
    np.testing.assert_array_equal(first, [[0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(steps[0].obs, [[0, 0, 1], [0, 0, 1]])
    # The second copy's episode ends: the next stack has none of its frames.
    np.testing.assert_array_equal(steps[1].obs, [[0, 1, 2], [0, 0, 0]])
    np.testing.assert_array_equal(steps[1].info["final_observation"], [[0, 1, 2], [0, 1, 2]])
    np.testing.assert_array_equal(steps[2].obs, [[1, 2, 3], [0, 0, 1]])
    np.testing.assert_array_equal(steps[2].info["final_observation"], steps[2].obs)


def test_only_observations_change() -> None:
    actions = [[GO_ON], [END], [GO_ON]]
    _, stacked = play(FrameStack(Counter(n_envs=1), 4), actions)
    _, plain = play(Counter(n_envs=1), actions)
    for ours, theirs in zip(stacked, plain, strict=True):
        assert same_bits((ours.reward, ours.done), (theirs.reward, theirs.done))
        del ours.info["final_observation"], theirs.info["final_observation"]
        assert same_bits(ours.info, theirs.info)


def test_an_episode_that_is_cut_off_begins_anew_too() -> None:
    _, steps = play(FrameStack(TimeLimit(n_envs=1, max_episode_steps=2), 2), [[0], [0]])
    assert steps[1].info["truncated"][0]
    np.testing.assert_array_equal(steps[1].obs, [[-1, -1]])


def test_a_stack_of_one_frame_is_the_frame() -> None:
    actions = np.ones((20, 4))
    assert same_bits(play(FrameStack(Walk(), 1), actions), play(Walk(), actions))


def shown(shape: tuple[int, ...]) -> Any:
    """An environment of bytes with this shape, all equal to the number of steps."""
    space = spaces.Box(0, 9, shape, np.uint8)
    return Shown(space, lambda n: jnp.full(shape, n, jnp.uint8))


@pytest.mark.parametrize(
    ("shape", "stacked", "axis"),
    [((), (3,), 0), ((2,), (6,), 0), ((4, 5), (3, 4, 5), 0), ((4, 5, 2), (4, 5, 6), -1)],
    ids=["number", "vector", "picture", "picture with channels"],
)
def test_frames_stand_where_networks_read_them(shape: Any, stacked: Any, axis: int) -> None:
    env = FrameStack(shown(shape), 3)
    assert env.observation_space == spaces.Box(0, 9, stacked, np.uint8)
    require_steady_types(env)
    _, steps = play(env, [[GO_ON, GO_ON]] * 2)
    obs = steps[1].obs[0]
    assert (obs.shape, obs.dtype) == (stacked, np.uint8)
    # The frames 0, 1 and 2, one after another.
    for number, part in enumerate(np.split(obs, 3, axis)):
        np.testing.assert_array_equal(part, number)


def test_the_bounds_are_stacked_like_the_frames() -> None:
    space = spaces.Box(np.float32([0, -1]), np.float32([5, 9]))
    env = FrameStack(Shown(space, lambda n: jnp.float32([0, -1])), 2)
    assert env.observation_space == spaces.Box(np.float32([0, -1, 0, -1]), np.float32([5, 9, 5, 9]))


@pytest.mark.parametrize(
    ("space", "stacked"),
    [
        (spaces.Discrete(5, start=-1), spaces.MultiDiscrete([5, 5], start=[-1, -1])),
        (
            spaces.MultiDiscrete([3, 7], start=[0, 2]),
            spaces.MultiDiscrete([3, 7, 3, 7], start=[0, 2, 0, 2]),
        ),
        (spaces.MultiDiscrete([[[2, 5]]]), spaces.MultiDiscrete([[[2, 5, 2, 5]]])),
    ],
    ids=["one", "several", "grid"],
)
def test_categories_stay_categories(space: Any, stacked: spaces.MultiDiscrete) -> None:
    start = np.asarray(space.start, np.int32)
    env = FrameStack(Shown(space, lambda n: start + n), 2)
    assert env.observation_space == stacked
    _, steps = play(env, [[GO_ON, END]])
    frames = np.split(steps[0].obs - stacked.start[None], 2, axis=-1)
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(frame[0], np.full_like(frame[0], number))
        np.testing.assert_array_equal(frame[1], np.zeros_like(frame[1]))


BOARD = spaces.Box(0, 9, (2, 2), np.int32)
MASK = spaces.Box(0, 1, (2,), np.int8)
NUMBER = spaces.Box(0, 9, (1,), np.float32)


def composed() -> Shown:
    space = spaces.Dict({"board": BOARD, ACTION_MASK: MASK, "number": NUMBER})
    return Shown(
        space,
        lambda n: {
            "board": jnp.full((2, 2), n, jnp.int32),
            ACTION_MASK: jnp.int8([1, 0]),
            "number": jnp.full(1, n, jnp.float32),
        },
    )


def test_all_parts_are_stacked_but_an_action_mask() -> None:
    env = FrameStack(composed(), 2)
    shapes = {name: part.shape for name, part in env.observation_space.items()}  # type: ignore[attr-defined]
    assert shapes == {"board": (2, 2, 2), ACTION_MASK: (2,), "number": (2,)}
    require_steady_types(env)
    _, steps = play(env, [[GO_ON, END]])
    np.testing.assert_array_equal(steps[0].obs["number"], [[0, 1], [0, 0]])
    np.testing.assert_array_equal(steps[0].info["final_observation"]["number"], [[0, 1], [0, 1]])
    np.testing.assert_array_equal(steps[0].obs[ACTION_MASK], [[1, 0], [1, 0]])


def test_key_names_the_one_part_to_stack() -> None:
    env = FrameStack(composed(), 2, key="board")
    require_steady_types(env)
    _, steps = play(env, [[GO_ON, END]])
    np.testing.assert_array_equal(steps[0].obs["number"], [[1], [0]])
    np.testing.assert_array_equal(steps[0].info["final_observation"]["number"], [[1], [1]])
    assert steps[0].obs["board"].shape == (2, 2, 2, 2)


def test_parts_of_tuples_are_stacked() -> None:
    show = lambda n: (jnp.full((2, 2), n, jnp.int32), jnp.full(1, n, jnp.float32))  # noqa: E731
    env = FrameStack(Shown(spaces.Tuple([BOARD, NUMBER]), show), 2)
    require_steady_types(env)
    _, steps = play(env, [[GO_ON, GO_ON]])
    np.testing.assert_array_equal(steps[0].obs[1], [[0, 1], [0, 1]])


@pytest.mark.parametrize("n_frames", [0, -1, 1.5, "four", True])
def test_a_number_of_frames_is_positive_and_whole(n_frames: Any) -> None:
    with pytest.raises(ConfigurationError, match="n_frames must be a positive whole number"):
        FrameStack(Counter(), n_frames)


def test_what_cannot_be_stacked_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"numbers.*the observation is Text"):
        FrameStack(Shown(spaces.Text(3), None), 2)
    deep = shown((1, 1, 1, 1))
    with pytest.raises(ConfigurationError, match="numbers with up to three axes"):
        FrameStack(deep, 2)
    space = spaces.Dict({"deep": spaces.MultiDiscrete(np.ones((1, 1, 1, 2))), "number": NUMBER})
    with pytest.raises(ConfigurationError, match=r"entry 'deep' is MultiDiscrete of shape.*key"):
        FrameStack(Shown(space, None), 2)


def test_transposed_pictures_are_not_joined_along_their_width() -> None:
    pictures = TransposeObservation(shown((4, 5, 2)))
    for env in (pictures, StickyAction(pictures), CastObservation(pictures, "float32")):
        with pytest.raises(ConfigurationError, match="put frame_stack before transpose"):
            FrameStack(env, 2)
    assert FrameStack(FlattenObservation(pictures), 2).observation_space.shape == (80,)
    # Other wrappers may move the axes back.
    assert FrameStack(Wrapper(pictures), 2).observation_space.shape == (2, 4, 10)


@pytest.mark.parametrize(
    ("transposed", "stacked", "fits"),
    [("a", "b", True), ("a", "a", False), ("a", None, False), (None, "a", False)],
)
def test_only_the_entries_that_are_stacked_must_have_their_channels_last(
    transposed: str | None, stacked: str | None, fits: bool
) -> None:
    picture = spaces.Box(0, 9, (4, 5, 2), np.uint8)
    env: Any = TransposeObservation(
        Shown(spaces.Dict({"a": picture, "b": picture}), None), transposed
    )
    if fits:
        space: Any = FrameStack(env, 2, stacked).observation_space
        assert (space["a"].shape, space["b"].shape) == ((2, 4, 5), (4, 5, 4))
        # From now on both wrappers are inside.
        env, stacked = FrameStack(env, 2, stacked), transposed
    with pytest.raises(ConfigurationError, match="put frame_stack before transpose"):
        FrameStack(env, 2, stacked)


def test_an_unknown_entry_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"'bord'\. Did you mean 'board'"):
        FrameStack(composed(), 2, key="bord")
    with pytest.raises(ConfigurationError, match=r"key names an entry of Dict.*Box; leave it out"):
        FrameStack(Counter(), 2, key="board")


def test_a_picture_is_that_of_the_environment() -> None:
    env = FrameStack(Counter(n_envs=1), 2)
    state, _ = env.reset(jax.random.key(0))
    state, _ = env.step(state, jnp.zeros(1, jnp.int32), jax.random.key(0))
    np.testing.assert_array_equal(env.render(state), np.ones((1, 1, 3)))


def test_a_stack_says_how_many_frames_it_has_and_where() -> None:
    pictures = shown((5, 6, 2))
    assert (pictures.stacked_frames, pictures.frame_axis) == (None, 0)
    for shape, axis in (((), 0), ((2,), 0), ((5, 6), 0), ((5, 6, 2), 2)):
        env = FrameStack(shown(shape), 4)
        assert (env.stacked_frames, env.frame_axis) == (4, axis)
        assert env.observation_space.shape[axis] % 4 == 0
    stacked = FrameStack(pictures, 4)
    for env in (StickyAction(stacked), ClipReward(stacked), CastObservation(stacked, "float32")):
        assert (env.stacked_frames, env.frame_axis) == (4, 2)
    first = TransposeObservation(stacked)
    assert (first.stacked_frames, first.frame_axis) == (4, 0)
    assert first.observation_space.shape == (8, 5, 6)
    assert FlattenObservation(first).stacked_frames == 4
    # Here frames are not one after another.
    assert FlattenObservation(stacked).stacked_frames is None
    assert OneHotObservation(stacked).stacked_frames is None
    # Other wrappers may change observations.
    assert Wrapper(stacked).stacked_frames is None


def test_stacks_in_composed_observations_are_not_told() -> None:
    space = spaces.Dict({"picture": spaces.Box(0, 9, (5, 5), np.uint8)})
    env = Shown(space, lambda n: {"picture": jnp.full((5, 5), n, jnp.uint8)})
    assert FrameStack(env, 4).stacked_frames is None
