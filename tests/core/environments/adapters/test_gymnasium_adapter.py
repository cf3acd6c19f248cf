"""Environments of gymnasium: which can be trained, and why others cannot."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import DependencyNotInstalled

from arlbench.core.environments import (
    EnvListing,
    catalogue,
    find_framework,
    list_environments,
    make_env,
    missing_extra,
)
from arlbench.core.environments.adapters import gymnasium_adapter
from arlbench.errors import (
    ConfigurationError,
    EnvironmentFaultError,
    MissingExtraError,
    RenderingError,
    UnknownEnvironmentError,
)
from own_probes import giving

N_STEPS = 12

LISTED = {entry.name: entry for entry in catalogue.read("gymnasium")}
#: Another one of those made has the same kinds of spaces.
ALIKE = {
    "Acrobot-v1",
    "BipedalWalkerHardcore-v3",
    "CliffWalkingSlippery-v1",
    "FrozenLake8x8-v1",
    "LunarLanderContinuous-v3",
    "MountainCarContinuous-v0",
    "MountainCar-v0",
}
MADE = [name for name, entry in LISTED.items() if not entry.unusable and entry.observation != "?"]


def test_the_list_says_what_there_is() -> None:
    assert {"CartPole-v1", "LunarLander-v3", "Taxi-v4", "Blackjack-v1", "Pendulum-v1"} <= set(MADE)
    # They are listed without MuJoCo, which they need.
    assert LISTED["Ant-v5"] == EnvListing("gymnasium", "Ant-v5", time_limit=1000, action_kind="Box")
    assert (LISTED["Pendulum-v1"].n_actions, LISTED["Pendulum-v1"].action_kind) == (None, "Box")
    assert LISTED["phys2d/CartPole-v1"].unusable.startswith("it computes with JAX")
    assert LISTED["Blackjack-v1"].observation == "Discrete(32), Discrete(11), Discrete(2)"
    assert LISTED["LunarLander-v3"].time_limit == 1000


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.thorough if name in ALIKE else ()) for name in MADE],
)
def test_what_an_environment_gives_lies_in_its_space(name: str) -> None:
    env = make_env("gymnasium", name, n_envs=2)
    key = jax.random.key(0)

    @jax.jit
    def play() -> Any:
        env_state, obs = env.reset(key)
        actions = jax.vmap(env.sample_actions)(jax.random.split(key, N_STEPS))

        def step(env_state: Any, given: Any) -> Any:
            return env.step(env_state, *given)

        return obs, *jax.lax.scan(step, env_state, (actions, jax.random.split(key, N_STEPS)))

    first, env_state, (obs, reward, _, info) = jax.tree.map(np.asarray, play())
    assert reward.dtype == np.float32
    for part in (jax.tree.map(lambda x: x[None], first), obs, info["final_observation"]):
        for i in np.ndindex(len(jax.tree.leaves(part)[0]), 2):
            one = jax.tree.map(lambda x, i=i: x[i], part)
            assert contains(env.observation_space, one)
    assert env.render(env_state).dtype == np.uint8


def contains(space: spaces.Space, obs: Any) -> bool:
    """Like the space's own check, except that a category may have any dtype."""
    if isinstance(space, spaces.Tuple):
        return all(map(contains, space, obs))
    return space.contains(int(obs) if isinstance(space, spaces.Discrete) else obs)


def test_settings_are_those_of_gymnasium() -> None:
    lake = make_env("gymnasium", "FrozenLake-v1", env_kwargs={"map_name": "8x8"})
    assert lake.observation_space == spaces.Discrete(64)
    assert make_env("gymnasium", "CartPole-v1").max_episode_steps == 500
    assert make_env("gymnasium", "Blackjack-v1").max_episode_steps is None
    short = make_env("gymnasium", "CartPole-v1", env_kwargs={"max_episode_steps": 9})
    assert short.max_episode_steps == 9
    each = {"per_copy": {"max_episode_steps": [5, 9, 99]}}
    assert make_env("gymnasium", "CartPole-v1", 2, each).max_episode_steps == 9
    racing = make_env("gymnasium", "CarRacing-v3", env_kwargs={"continuous": False})
    assert racing.action_space == spaces.Discrete(5)


@pytest.mark.parametrize(
    ("name", "settings", "error", "message"),
    [
        ("CartPole-v7", {}, UnknownEnvironmentError, "no environment named 'CartPole-v7'. Did you"),
        ("LunarLandr-v3", {}, UnknownEnvironmentError, "Did you mean 'LunarLander-v3'"),
        ("no_such_module:A-v0", {}, UnknownEnvironmentError, "a module that cannot be imported"),
        ("host_probes:Stair-v0", {}, UnknownEnvironmentError, "mean 'host_probes:Stairs-v0'"),
        ("host_probes:Nested-v0", {}, UnknownEnvironmentError, "actions are of the kind Tuple"),
        ("host_probes:Words-v0", {}, UnknownEnvironmentError, "of the kind Text"),
        ("Ant-v5", {}, MissingExtraError, "needs a package that is missing; .*MuJoCo"),
        ("tabular/Blackjack-v0", {}, UnknownEnvironmentError, "it computes with JAX"),
        ("CartPole-v1", {"gravty": 1}, ConfigurationError, "refused the settings .* 'gravty'"),
        ("CartPole-v1", {"max_episode_steps": 0}, ConfigurationError, "of at least 1, not 0"),
        ("CartPole-v1", {"per_copy": {"max_episode_steps": [0]}}, ConfigurationError, "1, not 0"),
    ],
)
def test_what_cannot_be_made_is_refused_with_the_reason(
    name: str, settings: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make_env("gymnasium", name, env_kwargs=settings)


def test_a_missing_package_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def make(*_: Any, **__: Any) -> None:
        raise DependencyNotInstalled("Box2D is not installed")

    monkeypatch.setattr(gymnasium, "make", make)
    gymnasium_adapter._found.cache_clear()
    with pytest.raises(MissingExtraError, match=r"pip install 'arlbench\[box2d\]'"):
        make_env("gymnasium", "LunarLander-v3")
    with pytest.raises(MissingExtraError, match="Box2D is not installed"):
        make_env("gymnasium", "host_probes:Stairs-v0")


def test_the_list_says_which_need_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    lander, pole = LISTED["LunarLander-v3"], LISTED["CartPole-v1"]
    assert (lander.extra, pole.extra) == ("box2d", None)
    assert missing_extra(lander) is None
    find = importlib.util.find_spec
    absent = {"Box2D"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in absent else find(name)
    )
    assert missing_extra(lander) == "box2d"
    assert missing_extra(pole) is None


def test_a_name_that_is_compiled_too_is_that() -> None:
    names = [entry.name for entry in list_environments()]
    assert names.count("CartPole-v1") == 3
    assert find_framework("CartPole-v1") == "gymnax"
    assert find_framework("LunarLander-v3") == "gymnasium"
    assert find_framework("host_probes:Stairs-v0") == "gymnasium"


def test_a_picture_needs_pygame(monkeypatch: pytest.MonkeyPatch) -> None:
    env = make_env("gymnasium", "CartPole-v1")
    env_state, _ = env.reset(jax.random.key(0))

    def render(_: Any) -> None:
        raise DependencyNotInstalled("pygame is not installed")

    monkeypatch.setattr(gymnasium.Wrapper, "render", render)
    with pytest.raises(RenderingError, match=r"pip install 'arlbench\[classic-control\]'"):
        env.render(env_state)


def drawing(render: Callable[[], Any]) -> tuple[Any, Any]:
    """An environment with this ``render``, and a state of it."""

    class Drawing(giving()):
        metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

        def render(self) -> Any:
            return render()

    env = make_env("gymnasium", Drawing)
    return env, env.reset(jax.random.key(0))[0]


@pytest.mark.parametrize(
    ("returned", "described"),
    [
        (None, r"object\[\]"),
        (np.zeros((4, 5, 3)), r"float64\[4, 5, 3\]"),
        (np.zeros((4, 5), np.uint8), r"uint8\[4, 5\]"),
        ([np.zeros((4, 5, 3), np.uint8)] * 2, r"uint8\[2, 4, 5, 3\]"),
    ],
)
def test_a_picture_has_three_colours_of_bytes(returned: Any, described: str) -> None:
    env, env_state = drawing(lambda: returned)
    match = rf"Drawing returned {described}, but must return a picture uint8\[height, width, 3\]"
    with pytest.raises(RenderingError, match=match):
        env.render(env_state)


def test_an_error_in_a_renderer_is_told_with_its_place() -> None:
    def render() -> None:
        raise ValueError("no display")

    env, env_state = drawing(render)
    match = "Drawing raised ValueError when it was drawn: no display\n.*test_gymnasium_adapter"
    with pytest.raises(EnvironmentFaultError, match=match):
        env.render(env_state)


def test_what_has_no_picture_says_so() -> None:
    env = make_env("gymnasium", "host_probes:Parts-v0")
    env_state, _ = env.reset(jax.random.key(0))
    with pytest.raises(RenderingError, match="cannot be drawn"):
        env.render(env_state)
