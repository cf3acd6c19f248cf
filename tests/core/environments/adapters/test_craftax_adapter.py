"""Craftax: names, spaces and settings; test_conformance compares its steps with the library's.

Its programs take long to compile, so only few are compiled here.
"""

from __future__ import annotations

import pathlib
from typing import Any

import craftax
import jax
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments import make_env
from arlbench.core.environments.adapters import craftax_adapter
from arlbench.core.environments.adapters.craftax_adapter import list_environments
from arlbench.errors import ConfigurationError, UnknownEnvironmentError
from library_play import QUICKLY_COMPILED

CLASSIC = "Craftax-Classic-Symbolic-v1"
SMALL = {"map_size": [16, 16], "max_timesteps": 35, "spawn_zombie_base_chance": 1.0}


def textures_on_disk() -> list[pathlib.Path]:
    return list(pathlib.Path(craftax.__path__[0]).rglob("*texture_cache*"))


def test_all_four_can_be_trained() -> None:
    found = {(x.name, x.observation, x.n_actions, x.time_limit) for x in list_environments()}
    assert found == {
        (CLASSIC, "(1345,)", 17, 10_000),
        ("Craftax-Classic-Pixels-v1", "(63, 63, 3)", 17, 10_000),
        ("Craftax-Symbolic-v1", "(8268,)", 43, 100_000),
        ("Craftax-Pixels-v1", "(130, 110, 3)", 43, 100_000),
    }
    for listing in list_environments():
        env = make_env("craftax", listing.name)
        assert listing.observation == str(env.observation_space.shape)
        assert (env.action_space.n, env.max_episode_steps) == listing[3:5]
        assert listing.unusable is None


@pytest.mark.parametrize(("name", "highest"), [(CLASSIC, 1.0), ("Craftax-Symbolic-v1", np.inf)])
def test_spaces_hold_what_a_strong_player_sees(name: str, highest: float) -> None:
    """In the full game, strength and potions exceed 1, unlike the library's bounds."""
    space = make_env("craftax", name).observation_space
    assert space == spaces.Box(0.0, highest, space.shape, np.float32)


@pytest.mark.parametrize("name", ["Craftax-Symbolic-v1", CLASSIC])
def test_an_observation_has_the_type_of_its_space(name: str) -> None:
    env = make_env("craftax", name, n_envs=2)
    _, obs = jax.eval_shape(env.reset, jax.random.key(0))
    assert (obs.shape, obs.dtype) == ((2, *env.observation_space.shape), np.float32)


def test_settings_are_those_of_the_parameters_and_of_the_map() -> None:
    env = make_env("craftax", CLASSIC, env_kwargs={**SMALL, "max_cows": 7})
    assert env.max_episode_steps == 35
    state, _ = jax.eval_shape(env.reset, jax.random.key(0))
    assert state.env_state.map.shape == (1, 16, 16)
    assert state.env_state.cows.mask.shape == (1, 7)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_timestep": 3}, r"Did you mean 'max_timesteps'.*It has: always_diamond, cow_health"),
        ({"fractal_noise_angles": [1, 2, 3, 4]}, r"no setting 'fractal_noise_angles'"),
        ({"max_timesteps": 0}, r"max_timesteps of Craftax.* at least 1, not 0"),
        ({"always_diamond": 1}, r"always_diamond of Craftax.* must be true or false, not 1"),
        ({"map_size": 16}, r"map_size of Craftax.* multiples of 16, not 16"),
        ({"map_size": [16, 20]}, r"map_size of Craftax.* multiples of 16, not \[16, 20\]"),
        ({"map_size": [16]}, r"map_size of Craftax.* a height and a width"),
        ({"max_zombies": -1}, r"Craftax-Classic-Symbolic-v1 refused the settings.*-1"),
    ],
)
def test_wrong_settings_are_refused_with_the_reason(settings: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make_env("craftax", CLASSIC, env_kwargs=settings)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownEnvironmentError, match="Did you mean 'Craftax-Classic-Pixels-v1'"):
        make_env("craftax", "Craftax-Classic-Pixel")


def test_equal_specs_share_one_object_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_env("craftax", CLASSIC, 2, SMALL)
    maker = "arlbench.core.environments.adapters.craftax_adapter.make_craftax_env_from_name"
    monkeypatch.setattr(maker, lambda *_, **__: pytest.fail("made once more"))
    assert make_env("craftax", CLASSIC, 2, SMALL) == made


@pytest.mark.thorough
def test_pictures_are_drawn_in_silence_and_leave_no_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = textures_on_disk()
    env = make_env("craftax", CLASSIC, env_kwargs=SMALL)
    state, _ = jax.jit(env.reset, compiler_options=QUICKLY_COMPILED)(jax.random.key(0))
    picture = env.render(state)
    # Nine rows, of which two are the inventory, and nine columns of 32 pixels.
    assert (picture.shape, picture.dtype) == ((288, 288, 3), np.uint8)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
    # The last row of the inventory is empty.
    assert not picture[-32:].any()
    assert textures_on_disk() == before
    assert capsys.readouterr() == ("", "")


def test_pixels_are_made_without_their_textures(monkeypatch: pytest.MonkeyPatch) -> None:
    from craftax.craftax_classic import renderer

    original = renderer.load_all_textures
    monkeypatch.setattr(renderer, "load_all_textures_given_size", lambda _: pytest.fail("made"))
    craftax_adapter._task.cache_clear()
    env = make_env("craftax", "Craftax-Classic-Pixels-v1")
    assert env.observation_space.shape == (63, 63, 3)
    assert renderer.load_all_textures is original
