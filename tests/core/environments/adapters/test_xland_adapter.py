"""XLand-MiniGrid: names, settings and errors; test_conformance compares its steps."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from arlbench.core.environments import make_env
from arlbench.core.environments.adapters.xland_adapter import list_environments
from arlbench.errors import ConfigurationError, UnknownEnvironmentError

LISTINGS = {listing.name: listing for listing in list_environments()}
ROOM = "MiniGrid-EmptyRandom-5x5"


def test_all_ports_of_minigrid_can_be_trained_and_nothing_that_lacks_rules() -> None:
    usable = {name for name, listing in LISTINGS.items() if listing.unusable is None}
    assert usable == {name for name in LISTINGS if name.startswith("MiniGrid-")}
    assert {ROOM, "MiniGrid-DoorKey-5x5", "MiniGrid-FourRooms", "MiniGrid-Unlock"} <= usable
    assert len(usable) == 23
    assert all("ruleset" in LISTINGS[name].unusable for name in LISTINGS.keys() - usable)


def test_what_is_listed_is_what_is_made() -> None:
    for name, listing in LISTINGS.items():
        if listing.unusable is None:
            env = make_env("xland", name)
            assert listing.observation == str(env.observation_space.shape)
            assert (env.action_space.n, env.max_episode_steps) == listing[3:5]
        else:
            with pytest.raises(UnknownEnvironmentError, match=f"{name} cannot be used.*ruleset"):
                make_env("xland", name)


def test_a_cell_is_a_tile_and_a_colour() -> None:
    space = make_env("xland", ROOM).observation_space
    assert (space.shape, space.dtype) == ((7, 7, 2), np.uint8)
    np.testing.assert_array_equal(space.nvec, np.broadcast_to([13, 12], (7, 7, 2)))


@pytest.mark.parametrize("name", ["MiniGrid-LockedRoom", "MiniGrid-MemoryS8", "MiniGrid-Unlock"])
def test_other_rooms_have_steps_of_the_type_of_a_reset(name: str) -> None:
    env = make_env("xland", name, n_envs=2)
    state, obs = jax.eval_shape(env.reset, jax.random.key(0))
    actions = jax.ShapeDtypeStruct((2,), np.int32)
    after, timestep = jax.eval_shape(env.step, state, actions, jax.random.key(0))
    assert (obs.shape, obs.dtype) == ((2, *env.observation_space.shape), np.uint8)
    assert timestep[0] == obs
    assert jax.tree.leaves(state) == jax.tree.leaves(after)


def test_settings_are_those_of_the_parameters() -> None:
    env = make_env("xland", ROOM, env_kwargs={"view_size": 3, "max_steps": 9, "height": 6})
    assert env.observation_space.shape == (3, 3, 2)
    assert env.max_episode_steps == 9
    assert make_env("xland", "MiniGrid-Playground", env_kwargs={"num_objects": 2})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"veiw_size": 3}, r"Did you mean 'view_size'.*It has: height, max_steps, view_size, w"),
        ({"render_mode": "rich_text"}, "no setting 'render_mode'"),
        ({"view_size": "3"}, "view_size of MiniGrid.* must be a whole number, not '3'"),
        ({"view_size": 4}, "view_size of MiniGrid.* must be an odd number of at least 3.*not 4"),
        ({"view_size": 1}, "view_size of MiniGrid.* must be an odd number of at least 3.*not 1"),
        ({"max_steps": 0}, "max_steps of MiniGrid.* at least 1, not 0"),
        ({"max_steps": None}, "max_steps of MiniGrid.* must be a whole number, not None"),
        ({"width": -4}, "MiniGrid-EmptyRandom-5x5 refused the settings.*-4"),
    ],
)
def test_wrong_settings_are_refused_with_the_reason(settings: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make_env("xland", ROOM, env_kwargs=settings)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownEnvironmentError, match=r"xland has no .*Did you mean 'MiniGrid-Em"):
        make_env("xland", "MiniGrid-EmptyRandom-5")


def test_equal_specs_share_one_object_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_env("xland", ROOM, 2, {"max_steps": 77})
    monkeypatch.setattr("xminigrid.registration.make", lambda *_, **__: pytest.fail("once more"))
    assert make_env("xland", ROOM, 2, {"max_steps": 77}) == made
    assert make_env("xland", ROOM, 3, {"max_steps": 77}) != made


def test_the_library_draws_32_pixels_a_cell() -> None:
    env = make_env("xland", ROOM)
    state, _ = jax.jit(env.reset)(jax.random.key(0))
    picture = env.render(state)
    assert (picture.shape, picture.dtype) == ((160, 160, 3), np.uint8)
    # Walls have one colour; the goal is green, whether it is in view or not.
    assert len(np.unique(picture[:32, :32].reshape(-1, 3), axis=0)) == 1
    red, green, _ = np.moveaxis(picture.astype(int), -1, 0)
    assert (green - red > 150).any()
