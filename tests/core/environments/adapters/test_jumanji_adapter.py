"""Jumanji: names, spaces and settings; test_conformance compares its steps with the library's."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from gymnasium import spaces
from jumanji import registration, specs

from arlbench.core.environments import make_env
from arlbench.core.environments.adapters.jumanji_adapter import _space_of, list_environments
from arlbench.core.observations import encode
from arlbench.errors import ConfigurationError, UnknownEnvironmentError
from library_play import QUICKLY_COMPILED

LISTINGS = {listing.name: listing for listing in list_environments()}
USABLE = [name for name, listing in LISTINGS.items() if listing.unusable is None]
SINGLE = [name for name in USABLE if LISTINGS[name].n_actions is not None]
DOWNLOADED = "Sokoban-v0"
#: They take more than a second to trace.
SLOW = {
    "BinPack-v2",
    "MMST-v0",
    "RobotWarehouse-v0",
    "RubiksCube-partly-scrambled-v0",
    "RubiksCube-v0",
}
ONE_EACH = "each of its agents has its own reward"


@pytest.mark.thorough
def test_everything_with_a_single_reward_can_be_used() -> None:
    assert set(LISTINGS) == registration.registered_environments()
    for name in LISTINGS.keys() - {DOWNLOADED}:
        library = registration.make(name)
        is_single = library.reward_spec.shape == ()
        assert LISTINGS[name].unusable == (None if is_single else ONE_EACH), name
        if is_single:
            is_one_choice = isinstance(library.action_spec, specs.DiscreteArray)
            assert LISTINGS[name].action_kind == "Discrete" if is_one_choice else "MultiDiscrete"
            assert (LISTINGS[name].n_actions is not None) == is_one_choice
    assert LISTINGS[DOWNLOADED].unusable == "it downloads its levels when it is made"
    assert len(USABLE) == 22
    assert len(SINGLE) == 9


@pytest.mark.parametrize("name", SINGLE)
def test_what_is_listed_is_what_is_made(name: str) -> None:
    env = make_env("jumanji", name, n_envs=2)
    assert (env.action_space.n, env.max_episode_steps) == LISTINGS[name][3:5]
    state, obs = jax.eval_shape(env.reset, jax.random.key(0))
    # In the order of the library, not in alphabetical order.
    assert list(env.observation_space.spaces) != sorted(obs)
    mask = obs["action_mask"]
    assert (mask.shape, mask.dtype) == ((2, env.action_space.n), bool)
    actions = jax.ShapeDtypeStruct((2,), np.int32)
    after, timestep = jax.eval_shape(env.step, state, actions, jax.random.key(0))
    assert jax.tree.leaves((state, obs)) == jax.tree.leaves((after, timestep[0]))
    features = jax.eval_shape(lambda x: encode(env.observation_space, x), obs)
    assert features.dtype == jnp.float32


@pytest.mark.parametrize("name", ["Connector-v3", "SearchAndRescue-v0", DOWNLOADED])
def test_what_cannot_be_used_is_refused_with_the_reason(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "make", lambda *_, **__: pytest.fail("made, or downloaded"))
    with pytest.raises(UnknownEnvironmentError, match=f"{name} cannot.*{LISTINGS[name].unusable}"):
        make_env("jumanji", name)


@pytest.mark.filterwarnings("ignore:scatter inputs have incompatible types")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.thorough if name in SLOW else ())
        for name in sorted(set(USABLE) - set(SINGLE))
    ],
)
def test_an_action_may_consist_of_several_choices(name: str) -> None:
    env, key = make_env("jumanji", name, n_envs=2), jax.random.key(0)
    assert isinstance(env.action_space, spaces.MultiDiscrete)
    assert env.max_episode_steps == LISTINGS[name].time_limit
    state, obs = jax.eval_shape(env.reset, key)
    actions = jax.eval_shape(env.sample_actions, key)
    assert (actions.shape, actions.dtype) == ((2, *env.action_space.shape), env.action_space.dtype)
    after, (next_obs, reward, _, _) = jax.eval_shape(env.step, state, actions, key)
    assert jax.tree.leaves((state, obs)) == jax.tree.leaves((after, next_obs))
    assert reward.shape == (2,)


class Place(NamedTuple):
    row: Any
    column: Any


@pytest.mark.parametrize(
    ("spec", "space"),
    [
        (specs.Array((2,), np.float32), spaces.Box(-np.inf, np.inf, (2,), np.float32)),
        (specs.Array((2,), np.int8), spaces.Box(-128, 127, (2,), np.int8)),
        (specs.BoundedArray((2,), float, 0.0, 1.0), spaces.Box(0, 1, (2,), np.float32)),
        (specs.BoundedArray((2,), bool, False, True), spaces.MultiBinary((2,))),
        (specs.BoundedArray((), np.int32, -1, 3), spaces.Discrete(5, start=-1)),
        (specs.DiscreteArray(4), spaces.Discrete(4)),
        (
            specs.BoundedArray((2,), np.int32, -1, [3, 4]),
            spaces.MultiDiscrete([5, 6], np.int32, start=[-1, -1]),
        ),
        (
            specs.Spec(Place, "Place", row=specs.DiscreteArray(3), column=specs.DiscreteArray(2)),
            spaces.Dict([("row", spaces.Discrete(3)), ("column", spaces.Discrete(2))]),
        ),
    ],
    ids=["float", "int", "bounded", "bool", "from-minus-1", "category", "categories", "fields"],
)
def test_each_kind_of_array_has_its_space(spec: specs.Spec, space: spaces.Space) -> None:
    found = _space_of(spec)
    assert found == space
    assert list(getattr(found, "spaces", "")) == list(getattr(space, "spaces", ""))


def test_bounds_that_the_library_gets_wrong_are_right() -> None:
    step_count = make_env("jumanji", "Snake-v1").observation_space["step_count"]
    assert step_count == spaces.Box(0, 4000, (), np.int32)
    maze = make_env("jumanji", "Maze-v0", env_kwargs={"time_limit": 7}).observation_space
    assert maze["step_count"].high == 7
    env = make_env("jumanji", "TSP-v1")
    _, obs = jax.eval_shape(env.reset, jax.random.key(0))
    assert obs["position"].dtype == np.int32
    assert env.observation_space["position"] == spaces.Discrete(21, start=-1)


def test_asking_how_an_episode_ended_costs_nothing() -> None:
    """The compiler merges the step without a time limit with the step that has one."""
    env, library = make_env("jumanji", "Snake-v1"), registration.make("Snake-v1")
    key = jax.eval_shape(lambda: jax.random.key(0))
    state, _ = jax.eval_shape(env.reset_one, key)
    action = jax.ShapeDtypeStruct((), np.int32)

    def flops(function: Any, *args: Any) -> float:
        compiled = jax.jit(function, compiler_options=QUICKLY_COMPILED).lower(*args).compile()
        return compiled.cost_analysis()["flops"]

    of_library = flops(library.step, state, action)
    assert flops(env.step_one, state, action, key) <= 1.02 * of_library


def test_settings_are_the_plain_arguments_of_the_constructor() -> None:
    env = make_env("jumanji", "Snake-v1", env_kwargs={"num_rows": 5, "time_limit": 9})
    assert env.observation_space["grid"].shape == (5, 12, 5)
    assert env.max_episode_steps == 9
    board = make_env("jumanji", "Game2048-v1", env_kwargs={"board_size": 3}).observation_space
    assert board["board"].shape == (3, 3)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("Snake-v1", {"row": 3}, r"no setting 'row'.*It has: num_cols, num_rows, time_limit"),
        ("Snake-v1", {"num_row": 3}, r"Did you mean 'num_rows'"),
        ("Snake-v1", {"viewer": 3}, r"no setting 'viewer'"),
        ("Snake-v1", {"num_rows": "3"}, r"num_rows of Snake-v1 must be a whole number, not '3'"),
        ("Maze-v0", {"time_limit": 0}, r"time_limit of Maze-v0 must .* at least 1, not 0"),
        ("Maze-v0", {"time_limit": None}, r"time_limit of Maze-v0 must .* not None"),
        ("TSP-v1", {"num_cities": 3}, r"TSP-v1 has no setting 'num_cities'. It has none"),
        ("Game2048-v1", {"board_size": -1}, r"Game2048-v1 refused the settings.*-1"),
    ],
)
def test_wrong_settings_are_refused_with_the_reason(name: str, settings: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make_env("jumanji", name, env_kwargs=settings)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownEnvironmentError, match=r"Did you mean 'Game2048-v1'"):
        make_env("jumanji", "2048")


def test_equal_specs_share_the_objects_of_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_env("jumanji", "Snake-v1", 2, {"time_limit": 77})
    monkeypatch.setattr(registration, "make", lambda *_, **__: pytest.fail("made once more"))
    assert make_env("jumanji", "Snake-v1", 2, {"time_limit": 77}) == made


@pytest.mark.parametrize(
    "name",
    [
        "Snake-v1",
        pytest.param("Maze-v0", marks=pytest.mark.thorough),
        pytest.param("Game2048-v1", marks=pytest.mark.thorough),
    ],
)
def test_an_environment_is_drawn_off_screen(name: str) -> None:
    env = make_env("jumanji", name)
    reset = jax.jit(env.reset, compiler_options=QUICKLY_COMPILED)
    first, second = (env.render(reset(jax.random.key(seed))[0]) for seed in (0, 1))
    assert (first.shape, first.dtype) == ((500, 500, 3), np.uint8)
    assert (first != second).any()
    assert plt.get_fignums() == []
