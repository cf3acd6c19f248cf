"""gymnax through the common interface: shapes, ends of episodes, settings and refusals."""

from __future__ import annotations

import os
import sys
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments import Environment, list_environments, make_env
from arlbench.core.environments.adapters import gymnax_adapter
from arlbench.core.environments.adapters.gymnax_adapter import GymnaxEnvironment, gymnax
from arlbench.core.environments.listing import EnvListing
from arlbench.core.observations import encode
from arlbench.errors import ConfigurationError, RenderingError, UnknownEnvironmentError

DISCRETE = [x.name for x in list_environments() if x.framework == "gymnax" and x.n_actions]
CONTINUOUS = [
    "Pendulum-v1",
    "MountainCarContinuous-v0",
    "PointRobot-misc",
    "Reacher-misc",
    "Swimmer-misc",
]
PLAYED = [
    "CartPole-v1",
    "Acrobot-v1",
    "MountainCar-v0",
    "Breakout-MinAtar",
    "Catch-bsuite",
    "DeepSea-bsuite",
    "FourRooms-misc",
    "FrozenLake-misc",
    *CONTINUOUS,
]
#: One of each suite, and of each kind of action.
QUICKLY_PLAYED = {
    "CartPole-v1",
    "Breakout-MinAtar",
    "Catch-bsuite",
    "DeepSea-bsuite",
    "FrozenLake-misc",
    "Pendulum-v1",
}


@pytest.mark.parametrize(
    "line",
    [
        EnvListing("gymnax", "CartPole-v1", "(4,)", 2, 500, action_kind="Discrete"),
        EnvListing("gymnax", "Pendulum-v1", "(3,)", None, 200, action_kind="Box"),
        EnvListing(
            "gymnax",
            "MNISTBandit-bsuite",
            unusable="it downloads the MNIST images when it is made",
        ),
    ],
    ids=lambda line: line.name,
)
def test_the_list_describes_each_environment(line: EnvListing) -> None:
    assert line in gymnax_adapter.list_environments()


def assert_step_is_as_promised(env: Environment, state: Any, obs: Any, outcome: Any) -> None:
    """Shapes and dtypes of one step; the state keeps its types."""
    next_state, (next_obs, reward, done, info) = outcome
    n, space = env.n_envs, env.observation_space
    for x in (obs, next_obs, info["final_observation"]):
        assert x.shape == (n, *space.shape)  # type: ignore[misc]
        # A Discrete space has int64, which JAX lacks by default; any integer type is accepted.
        exact = isinstance(space, spaces.Box)
        assert x.dtype == space.dtype if exact else jnp.issubdtype(x.dtype, jnp.integer)
    assert (reward.shape, reward.dtype) == ((n,), jnp.float32)
    for flag in (done, info["terminated"], info["truncated"]):
        assert (flag.shape, flag.dtype) == ((n,), bool)
    assert jax.tree.structure(next_state) == jax.tree.structure(state)
    pairs = zip(jax.tree.leaves(state), jax.tree.leaves(next_state), strict=True)
    assert all(a.shape == b.shape and a.dtype == b.dtype for a, b in pairs)


@pytest.mark.parametrize("name", [*DISCRETE, *CONTINUOUS])
def test_every_environment_has_the_shapes_and_types_that_its_spaces_promise(name: str) -> None:
    env = make_env("gymnax", name, n_envs=3)
    key = jax.random.key(0)
    state, obs = jax.eval_shape(env.reset, key)
    actions, space = jax.eval_shape(env.sample_actions, key), env.action_space
    dtype = jnp.int32 if isinstance(space, spaces.Discrete) else jnp.float32
    assert (actions.shape, actions.dtype) == ((3, *(space.shape or ())), dtype)
    outcome = jax.eval_shape(env.step, state, actions, key)
    assert_step_is_as_promised(env, state, obs, outcome)
    features = jax.eval_shape(lambda x: encode(env.observation_space, x), obs)
    assert features.shape[0] == 3
    assert features.dtype == jnp.float32


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICKLY_PLAYED else pytest.mark.thorough)
        for name in PLAYED
    ],
)
def test_an_environment_can_be_played(name: str) -> None:
    env = make_env("gymnax", name, n_envs=2)
    state, obs = jax.jit(env.reset)(jax.random.key(0))
    step = jax.jit(env.step)
    for i in range(3):
        outcome = step(state, env.sample_actions(jax.random.key(i)), jax.random.key(i))
        assert_step_is_as_promised(env, state, obs, outcome)
        state, (obs, reward, done, info) = outcome
        assert all(env.observation_space.contains(np.asarray(x)) for x in obs)
        assert np.all(np.isfinite(reward))
        np.testing.assert_array_equal(done, info["terminated"] | info["truncated"])


def play_cart_pole(n_steps: int, max_steps_in_episode: int) -> list[Any]:
    """``(obs, timestep)`` of pushing the cart to the right all the time."""
    env = make_env("gymnax", "CartPole-v1", 2, {"max_steps_in_episode": max_steps_in_episode})
    state, obs = env.reset(jax.random.key(0))
    step = jax.jit(env.step)
    steps = []
    for i in range(n_steps):
        state, timestep = step(state, jnp.ones(2, jnp.int32), jax.random.key(i))
        steps.append(jax.tree.map(np.asarray, (obs, timestep)))
        obs = timestep[0]
    return steps


def test_running_out_of_time_is_truncation_not_termination() -> None:
    steps = play_cart_pole(10, max_steps_in_episode=5)
    truncated = [bool(info["truncated"].all()) for _, (_, _, _, info) in steps]
    assert truncated == [False, False, False, False, True] * 2
    assert not any(info["terminated"].any() for _, (_, _, _, info) in steps)


def test_a_fallen_pole_is_termination_not_truncation() -> None:
    steps = play_cart_pole(12, max_steps_in_episode=500)
    ends = [info for _, (_, _, done, info) in steps if done[0]]
    assert len(ends) == 1
    assert ends[0]["terminated"][0]
    assert not ends[0]["truncated"][0]
    # The pole counts as fallen beyond 12 degrees.
    assert abs(ends[0]["final_observation"][0, 2]) > np.deg2rad(12)


@pytest.mark.parametrize("limit", [5, 500])
def test_the_final_observation_is_where_the_step_led_before_any_reset(limit: int) -> None:
    ends = 0
    for obs, (next_obs, _, done, info) in play_cart_pole(12, limit):
        # The position changes by 0.02 seconds times the velocity, and the angle in the same way.
        expected = obs[:, [0, 2]] + 0.02 * obs[:, [1, 3]]
        final = info["final_observation"]
        np.testing.assert_allclose(final[:, [0, 2]], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(next_obs[~done], final[~done])
        # An episode begins within 0.05 of the middle; by now the cart has left this range.
        assert np.all(np.abs(next_obs[done]) <= 0.05)
        assert np.all(np.abs(final[done]).max(axis=1, initial=0.0) > 0.05)
        ends += done.sum()
    assert ends >= 2


def test_an_end_in_the_last_step_of_the_time_limit_is_termination() -> None:
    unlimited = play_cart_pole(12, max_steps_in_episode=500)
    length = 1 + next(i for i, (_, (_, _, done, _)) in enumerate(unlimited) if done[0])
    info = play_cart_pole(length, max_steps_in_episode=length)[-1][1][3]
    assert info["terminated"][0]
    assert not info["truncated"][0]


def test_the_time_limit_is_known_from_outside() -> None:
    env = make_env("gymnax", "CartPole-v1", env_kwargs={"max_steps_in_episode": 7})
    assert env.max_episode_steps == 7
    assert make_env("gymnax", "CartPole-v1").max_episode_steps == 500


def test_a_setting_of_the_constructor_shapes_the_environment() -> None:
    env = make_env("gymnax", "DeepSea-bsuite", env_kwargs={"size": 5})
    assert env.observation_space.shape == (5, 5)


def test_environments_say_what_they_are() -> None:
    env = make_env("gymnax", "CartPole-v1", n_envs=3)
    assert isinstance(env, GymnaxEnvironment)
    assert (env.kind, env.env_name, env.n_envs) == ("traceable", "CartPole-v1", 3)
    assert env.action_space == spaces.Discrete(2)
    assert isinstance(make_env("gymnax", "FrozenLake-misc").observation_space, spaces.Discrete)


@pytest.mark.thorough
@pytest.mark.parametrize("name", CONTINUOUS)
def test_continuous_actions_are_those_of_the_library(name: str) -> None:
    env, (library, params) = make_env("gymnax", name), gymnax.make(name)
    ours, theirs = env.action_space, library.action_space(params)
    assert isinstance(ours, spaces.Box)
    assert ours.shape == (theirs.shape or (1,))
    np.testing.assert_array_equal(ours.low, np.broadcast_to(theirs.low, ours.shape))
    np.testing.assert_array_equal(ours.high, np.broadcast_to(theirs.high, ours.shape))
    key = jax.random.key(0)
    state, _ = env.reset(key)
    steps = [env.step(state, jnp.full((1, *ours.shape), x), key) for x in (ours.low, ours.high)]
    # The actions matter.
    assert not np.array_equal(*(outcome[1][0] for outcome in steps))


def test_an_environment_that_would_download_something_is_refused() -> None:
    with pytest.raises(UnknownEnvironmentError, match=r"MNISTBandit-bsuite cannot.*downloads"):
        make_env("gymnax", "MNISTBandit-bsuite")


@pytest.mark.parametrize(
    ("name", "nearest"), [("cartpole", "CartPole-v1"), ("Breakout", "Breakout-MinAtar")]
)
def test_an_unknown_name_is_answered_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownEnvironmentError, match=f"named '{name}'. Did you mean '{nearest}'"):
        make_env("gymnax", name)


def test_an_unknown_setting_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(ConfigurationError, match=r"Did you mean 'gravity'.*It has: .*gravity, "):
        make_env("gymnax", "CartPole-v1", env_kwargs={"gravty": 1.0})


def test_an_impossible_setting_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigurationError, match=r"DeepSea-bsuite refused the settings.*'large'"):
        make_env("gymnax", "DeepSea-bsuite", env_kwargs={"size": "large"})


def test_a_thousand_equal_environments_cost_the_memory_of_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = make_env("gymnax", "CartPole-v1", n_envs=2, env_kwargs={"max_steps_in_episode": 77})
    # gymnax keeps everything that it makes for ever, so it must not be called again.
    monkeypatch.setattr("gymnax.make", lambda *_, **__: pytest.fail("made once more"))
    again = make_env("gymnax", "CartPole-v1", n_envs=3, env_kwargs={"max_steps_in_episode": 77})
    assert (made.n_envs, again.n_envs) == (2, 3)


@pytest.mark.parametrize("limit", [0, -3, 2.5, "long", None, True])
def test_a_time_limit_is_a_positive_whole_number(limit: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"max_steps_in_episode of CartPole-v1.*at least"):
        make_env("gymnax", "CartPole-v1", env_kwargs={"max_steps_in_episode": limit})


@pytest.mark.parametrize(
    "name",
    [
        "CartPole-v1",
        pytest.param("Breakout-MinAtar", marks=pytest.mark.thorough),
        pytest.param("FourRooms-misc", marks=pytest.mark.thorough),
    ],
)
def test_an_environment_is_drawn_off_screen(name: str) -> None:
    env = make_env("gymnax", name, n_envs=2)
    state, _ = env.reset(jax.random.key(0))
    first = env.render(state)
    step = jax.jit(env.step)
    for i in range(5):
        state, _ = step(state, env.sample_actions(jax.random.key(i)), jax.random.key(i))
    assert first.dtype == np.uint8
    assert first.ndim == 3
    assert first.shape[2] == 3
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 1
    assert (first != env.render(state)).any()
    assert plt.get_fignums() == []


def test_drawing_leaves_the_settings_of_pygame_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "x11")
    monkeypatch.delenv("SDL_AUDIODRIVER", raising=False)
    env = make_env("gymnax", "CartPole-v1")
    env.render(env.reset(jax.random.key(0))[0])
    assert os.environ["SDL_VIDEODRIVER"] == "x11"
    assert "SDL_AUDIODRIVER" not in os.environ


def test_what_gymnax_cannot_draw_is_refused() -> None:
    env = make_env("gymnax", "DeepSea-bsuite")
    with pytest.raises(RenderingError, match="DeepSea-bsuite cannot be drawn"):
        env.render(env.reset(jax.random.key(0))[0])


def test_missing_pygame_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pygame", None)
    env = make_env("gymnax", "CartPole-v1")
    with pytest.raises(RenderingError, match=r"pygame.*'arlbench\[classic-control\]'"):
        env.render(env.reset(jax.random.key(0))[0])
