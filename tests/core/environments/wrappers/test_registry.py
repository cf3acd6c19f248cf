"""Wrappers by name, and environments in wrappers by their specs."""

from __future__ import annotations

from typing import Any

import pytest

from arlbench.core.environments import EnvSpec, make_env, make_env_from_spec
from arlbench.core.environments.wrappers import (
    CastObservation,
    ClipReward,
    EndAtTimeLimit,
    FlattenObservation,
    FrameStack,
    OneHotObservation,
    ScaleReward,
    StickyAction,
    TimeLimit,
    Wrapper,
    wrap,
)
from arlbench.errors import ConfigurationError
from probes import Walk

#: Each wrapper by hand, and as a spec names it.
ALL: dict[str, tuple[Any, dict[str, Any]]] = {
    "flatten": (FlattenObservation, {}),
    "frame_stack": (FrameStack, {"n_frames": 4, "key": None}),
    "clip_reward": (ClipReward, {"low": -1.0, "high": 2.0}),
    "scale_reward": (ScaleReward, {"scale": 0.1}),
    "time_limit": (TimeLimit, {"max_episode_steps": 20}),
    "cast_observation": (CastObservation, {"dtype": "float16", "key": None}),
    "end_at_time_limit": (EndAtTimeLimit, {}),
    "sticky_action": (StickyAction, {"probability": 0.25}),
}


def cartpole(n_envs: int = 2) -> Any:
    return make_env("gymnax", "CartPole-v1", n_envs)


@pytest.mark.parametrize("name", ALL)
def test_an_environment_wrapped_by_hand_is_the_one_made_from_its_spec(name: str) -> None:
    cls, settings = ALL[name]
    by_hand = cls(cartpole(), **settings)
    spec = EnvSpec("gymnax", "CartPole-v1", 2, wrappers=[(name, settings)])
    assert by_hand.spec == spec
    assert make_env_from_spec(EnvSpec.from_json(spec.to_json())) == by_hand
    assert make_env_from_spec(spec).spec == spec
    assert wrap(cartpole(), [(name, settings)]) == by_hand
    assert hash(wrap(cartpole(), [(name, settings)])) == hash(by_hand)


def test_categories_are_wrapped_by_name_too() -> None:
    frozen_lake = make_env("gymnax", "FrozenLake-misc")
    by_hand = OneHotObservation(frozen_lake)
    assert make_env_from_spec(by_hand.spec) == by_hand
    assert by_hand.observation_space.shape == (frozen_lake.observation_space.n,)  # type: ignore[attr-defined]


def test_wrappers_are_applied_from_the_innermost_on() -> None:
    entries = [("time_limit", {"max_episode_steps": 9}), ("frame_stack", {"n_frames": 2})]
    env = make_env_from_spec(EnvSpec("gymnax", "CartPole-v1", 2, wrappers=entries))
    assert env == FrameStack(TimeLimit(cartpole(), 9), 2)
    assert env != TimeLimit(FrameStack(cartpole(), 2), 9)
    assert env.spec is not None
    assert [name for name, _ in env.spec.wrappers] == ["time_limit", "frame_stack"]


def test_defaults_make_the_same_environment_and_are_written_down() -> None:
    env = make_env_from_spec(EnvSpec("gymnax", "CartPole-v1", wrappers=[("clip_reward", {})]))
    assert env == ClipReward(cartpole(1), -1, 1)
    assert env.spec is not None
    assert dict(env.spec.wrappers[0][1]) == {"low": -1.0, "high": 1.0}


def test_no_wrappers_leave_an_environment_alone() -> None:
    env = cartpole()
    assert wrap(env, []) is env


class ByHand(Wrapper):
    """A wrapper without a name."""


class MyStack(FrameStack):
    """Behaves differently from its base class."""


def test_a_wrapper_without_a_name_leaves_no_spec() -> None:
    assert ByHand(cartpole()).spec is None
    assert MyStack(cartpole(), 2).spec is None
    assert FrameStack(ByHand(cartpole()), 2).spec is None
    assert FrameStack(Walk(), 2).spec is None
    assert MyStack(cartpole(), 2) != FrameStack(cartpole(), 2)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (
            ("frame_stak", {}),
            r"Unknown wrapper 'frame_stak'\. Did you mean 'frame_stack'.*Known: flatten",
        ),
        (("qqq", {}), r"Unknown wrapper 'qqq'\. Known: flatten, frame_stack"),
        (("frame_stack", {"frames": 4}), r"setting of frame_stack: 'frames'.*mean 'n_frames'"),
        (("frame_stack", {}), r"'frame_stack' needs the setting 'n_frames'"),
        (("flatten", {"key": "x"}), r"'flatten' does not have settings"),
        (("time_limit", {"env": 1, "max_episode_steps": 1}), r"setting of time_limit: 'env'"),
        (("time_limit", {"max_episode_steps": 0}), r"max_episode_steps must be a positive"),
    ],
    ids=lambda x: x[0] if isinstance(x, tuple) else "",
)
def test_what_is_wrong_is_said_in_a_sentence(entry: Any, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        make_env_from_spec(EnvSpec("gymnax", "CartPole-v1", wrappers=[entry]))


def test_only_environments_are_wrapped() -> None:
    with pytest.raises(ConfigurationError, match=r"ScaleReward wraps an Environment.*not a str"):
        ScaleReward("CartPole-v1", 2.0)  # type: ignore[arg-type]
