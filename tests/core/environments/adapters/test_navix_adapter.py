"""Navix: names, views and settings; test_conformance compares its steps with the library's."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments import make_env

# The adapter knows how to import navix without its warnings.
from arlbench.core.environments.adapters.navix_adapter import (
    RenderingCache,
    list_environments,
    navix,
    observations,
)
from arlbench.core.environments.registry import library_version
from arlbench.core.promotion import leniently
from arlbench.errors import ConfigurationError, UnknownEnvironmentError
from library_play import QUICKLY_COMPILED

#: Version 4 has more environments than 0.7, other time limits, and goals in every corridor.
IS_VERSION_4 = int(library_version("navix")["navix"].partition(".")[0]) >= 4

LISTINGS = {listing.name: listing for listing in list_environments()}
ROOM = "Navix-Empty-5x5-v0"
DOORS = "Navix-DoorKey-Random-5x5-v0"
OF_SYMBOLS = ["symbolic", "symbolic_first_person", "categorical", "categorical_first_person"]


def test_all_can_be_trained_but_those_without_a_reward() -> None:
    unusable = {name for name, listing in LISTINGS.items() if listing.unusable}
    corridors = {name for name in LISTINGS if name.startswith("Navix-KeyCorridor")}
    assert len(corridors) == 6
    assert len(LISTINGS) == (83 if IS_VERSION_4 else 41)
    assert unusable == ({"Navix-Playground-v0"} if IS_VERSION_4 else corridors)


def test_time_limits_are_those_of_the_library() -> None:
    limits = {LISTINGS[f"Navix-Empty-{n}x{n}-v0"].time_limit for n in (5, 6, 8, 16)}
    # Four steps for each cell since version 4.
    assert limits == ({100, 144, 256, 1024} if IS_VERSION_4 else {100})


def test_what_is_listed_is_what_is_made() -> None:
    for name, listing in LISTINGS.items():
        if listing.unusable is None:
            env = make_env("navix", name)
            assert listing.observation == str(env.observation_space.shape)
            assert (env.action_space.n, env.max_episode_steps) == listing[3:5]
            assert listing.n_actions == 7
        else:
            with pytest.raises(UnknownEnvironmentError, match=f"{name} cannot be used.*reward"):
                make_env("navix", name)


@pytest.mark.parametrize("name", ["Dynamic-Obstacles-5x5", "GoToDoor-5x5", "LavaGapS5"])
def test_other_rooms_have_steps_of_the_type_of_a_reset(name: str) -> None:
    env = make_env("navix", f"Navix-{name}-v0", n_envs=2)
    state, obs = jax.eval_shape(env.reset, jax.random.key(0))
    actions = jax.ShapeDtypeStruct((2,), np.int32)
    after, timestep = jax.eval_shape(env.step, state, actions, jax.random.key(0))
    assert (obs.shape, obs.dtype) == ((2, *env.observation_space.shape), np.uint8)
    assert timestep[0] == obs
    assert jax.tree.leaves(state) == jax.tree.leaves(after)


@pytest.fixture(scope="module")
def seen() -> dict[str, np.ndarray]:
    """The library's views of a room with a key and a door, from random actions."""
    env = navix.make(DOORS, max_steps=60)

    def play(key: Any) -> Any:
        def step(timestep: Any, key: Any) -> Any:
            timestep = env.step(timestep, jax.random.randint(key, (), 0, 7))
            return timestep, {
                view: getattr(observations, view)(timestep.state) for view in OF_SYMBOLS
            }

        return jax.lax.scan(step, env.reset(key), jax.random.split(key, 200))[1]

    found = quick(jax.vmap(play))(jax.random.split(jax.random.key(0), 32))
    return {view: np.asarray(x).reshape(-1, *x.shape[2:]) for view, x in found.items()}


@pytest.mark.thorough
@pytest.mark.parametrize("view", OF_SYMBOLS)
def test_a_view_has_the_space_that_it_is_said_to_have(
    view: str, seen: dict[str, np.ndarray]
) -> None:
    space = make_env("navix", DOORS, env_kwargs={"observation_fn": view}).observation_space
    assert space.dtype == seen[view].dtype
    assert all(space.contains(obs) for obs in seen[view])


@pytest.mark.parametrize(
    ("view", "shape"), [("rgb", (40, 40, 3)), ("rgb_first_person", (56, 56, 3))]
)
def test_a_view_may_be_a_picture(view: str, shape: tuple[int, ...]) -> None:
    env = make_env("navix", DOORS, 2, {"observation_fn": view})
    _, obs = jax.eval_shape(env.reset, jax.random.key(0))
    assert (obs.shape, obs.dtype) == ((2, *shape), np.uint8)
    assert env.observation_space == spaces.Box(0, 255, shape, np.uint8)


@pytest.mark.thorough
def test_the_bounds_of_symbols_are_reached(seen: dict[str, np.ndarray]) -> None:
    """This holds in each channel, so that one-hot vectors are not longer than necessary."""
    for view, colours in {"symbolic": 5, "symbolic_first_person": 5}.items():
        space = make_env("navix", DOORS, env_kwargs={"observation_fn": view}).observation_space
        tags, highest_colour, states = seen[view].reshape(-1, 3).max(axis=0)
        assert highest_colour == colours == space.nvec[0, 0, 1] - 1
        assert states == space.nvec[0, 0, 2] - 1
        # The player has the highest tag. In its own view that is lava, which does not occur here.
        assert tags == space.nvec[0, 0, 0] - (1 if view == "symbolic" else 2)


def quick(function: Any) -> Any:
    return jax.jit(leniently(function), compiler_options=QUICKLY_COMPILED)


def test_the_step_that_only_resets_is_never_taken() -> None:
    env = navix.make(ROOM, max_steps=3)
    ours = make_env("navix", ROOM, env_kwargs={"max_steps": 3})
    turn, key = jnp.int32(0), jax.random.key(0)

    def by_library(timestep: Any, _: Any) -> Any:
        after = env.step(timestep, turn)
        return after, after.t

    def by_us(state: Any, _: Any) -> Any:
        state, (_, _, _, info) = ours.step(state, turn[None], key)
        return state, (state.env_state.t[0], info["episode_length"][0])

    play = quick(lambda: jax.lax.scan(by_library, env.reset(key), length=7)[1])
    # The library spends every fourth step on a reset.
    assert play().tolist() == [1, 2, 3, 0, 1, 2, 3]
    times, lengths = quick(lambda: jax.lax.scan(by_us, ours.reset(key)[0], length=7)[1])()
    assert times.tolist() == [1, 2, 0, 1, 2, 0, 1]
    assert lengths.tolist() == [1, 2, 3, 1, 2, 3, 1]


def test_a_step_does_not_cost_a_reset() -> None:
    env = make_env("navix", "Navix-Empty-Random-5x5-v0", n_envs=4)
    library = navix.make("Navix-Empty-Random-5x5-v0")
    keys = jax.eval_shape(lambda: jax.random.split(jax.random.key(0), 4))
    actions = jax.ShapeDtypeStruct((4,), jnp.int32)

    def flops(function: Any, *args: Any) -> float:
        return quick(jax.vmap(function)).lower(*args).compile().cost_analysis()["flops"]

    timesteps = jax.eval_shape(leniently(jax.vmap(library.reset)), keys)
    state, _ = jax.eval_shape(jax.vmap(env.reset_one), keys)
    ours, of_library = (
        flops(env.step_one, state, actions, keys),
        flops(library.step, timesteps, actions),
    )
    assert ours < of_library / 2


def test_the_picture_of_the_grid_is_not_carried_along() -> None:
    state, _ = jax.eval_shape(make_env("navix", "Navix-Empty-16x16-v0").reset, jax.random.key(0))
    size = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(state))
    # The grid has one kilobyte; the library's state also has a picture of 48 kilobytes.
    assert size < 2_000


def test_settings_change_limit_and_view() -> None:
    settings = {"max_steps": 9, "observation_fn": "categorical", "penalty_coeff": 0.5}
    env = make_env("navix", ROOM, env_kwargs=settings)
    assert env.max_episode_steps == 9
    assert (env.observation_space.shape, env.observation_space.dtype) == ((5, 5), np.int32)


@pytest.mark.thorough
@pytest.mark.parametrize(
    "spelling",
    ["penalty_coeff", pytest.param("penality_coeff", marks=pytest.mark.thorough)],
)
def test_late_goals_are_worth_less_by_either_spelling(spelling: str) -> None:
    """navix used the old spelling before version 4, so files may have it."""
    env = make_env("navix", ROOM, env_kwargs={spelling: 0.5, "max_steps": 10})
    ahead, right = 2, 1
    state, rewards = jax.jit(env.reset)(jax.random.key(0))[0], []
    for action in [ahead, ahead, right, ahead, ahead]:
        state, (_, reward, _, info) = jax.jit(env.step)(
            state, jnp.int32([action]), jax.random.key(0)
        )
        rewards.append(float(reward[0]))
    # The goal is reached after 5 of 10 steps: half of the penalty.
    assert rewards == [0.0, 0.0, 0.0, 0.0, 0.75]
    assert info["terminated"].all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_step": 3}, r"Did you mean 'max_steps'.*It has: max_steps, observation_fn, penalty"),
        ({"observation_fn": "symbol"}, r"no observation_fn 'symbol'. Did you mean 'symbolic'"),
        ({"observation_fn": "none"}, r"no observation_fn 'none'.*symbolic_first_person, categ"),
        ({"observation_fn": ["rgb"]}, "no observation_fn"),
        ({"max_steps": 0}, "max_steps of Navix.* at least 1, not 0"),
        ({"penalty_coeff": "high"}, "penalty_coeff of Navix.* must be a number, not 'high'"),
        ({"penality_coeff": "high"}, "penalty_coeff of Navix.* must be a number, not 'high'"),
        (
            {"penality_coeff": 0.1, "penalty_coeff": 0.1},
            "are one setting of .*; give only the first",
        ),
    ],
)
def test_wrong_settings_are_refused_with_the_reason(settings: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make_env("navix", ROOM, env_kwargs=settings)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownEnvironmentError, match="Did you mean 'Navix-Empty-5x5-v0'"):
        make_env("navix", "Navix-Empty-5x5")


def test_equal_specs_share_one_object_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_env("navix", ROOM, 2, {"max_steps": 77})
    monkeypatch.setattr("navix.make", lambda *_, **__: pytest.fail("made once more"))
    assert make_env("navix", ROOM, 2, {"max_steps": 77}) == made


def test_the_library_draws_and_the_picture_is_enlarged() -> None:
    env = make_env("navix", ROOM)
    state, _ = jax.jit(env.reset)(jax.random.key(0))
    picture = env.render(state)
    assert (picture.shape, picture.dtype) == ((160, 160, 3), np.uint8)
    cache = RenderingCache.init(state.env_state.state.grid[0])
    own = jax.tree.map(lambda x: x[0], state.env_state.state).replace(cache=cache)
    np.testing.assert_array_equal(picture[::4, ::4], leniently(observations.rgb)(own))
