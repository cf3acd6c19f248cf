"""One reset and one step before anything is compiled: each fault is one sentence."""

from __future__ import annotations

import itertools
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from arlbench import make_env
from arlbench.errors import EnvironmentFaultError, UnknownEnvironmentError
from own_probes import OBS, giving, with_observation, with_reward

BYTES = spaces.Box(0, 255, (3,), np.uint8)
INTEGERS = spaces.Box(0, 2**31 - 1, (1,), np.int64)
PARTS = spaces.Dict({"a": spaces.Box(0, 1, (2,), np.float32), "b": spaces.Discrete(3)})


def fault_of(cls: Any, **env_kwargs: Any) -> str:
    """The sentence in the error for a class."""
    with pytest.raises(EnvironmentFaultError) as raised:
        make_env("gymnasium", cls, env_kwargs=env_kwargs)
    return str(raised.value)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda: OBS, "returned a single ndarray from reset, not the two (observation, info) at"),
        (
            lambda: [0.1, 0.2],
            "returned 0.2 as the info of reset, which must be a mapping at its first",
        ),
        (lambda: (OBS, {}, 1), "returned 3 values from reset, not the two"),
        (lambda: None, "returned nothing from reset"),
    ],
)
def test_a_reset_gives_two_values(returned: Any, message: str) -> None:
    assert message in fault_of(giving(reset=returned))


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ((OBS, 1.0, False, {}), "returned 4 values from step, not the five"),
        ((OBS, 1.0, False, False, {}, 1), "returned 6 values from step"),
        (None, "returned nothing from step"),
        (
            (OBS, 1.0, False, {}, False),
            "returned False as the info of step, which must be a mapping",
        ),
        ((OBS, 1.0, None, False, {}), "gave terminated = None, a NoneType at its first step"),
        ((OBS, 1.0, False, "no", {}), "gave truncated = 'no', a str at its first step"),
        ((OBS, 1.0, np.zeros(2, bool), False, {}), "gave terminated = [False, False]"),
        ((OBS, None, False, False, {}), "gave a reward of None, a NoneType at its first step"),
        ((OBS, "1", False, False, {}), "gave a reward of '1', a str"),
        ((OBS, np.zeros(2), False, False, {}), "gave a reward of [0.0, 0.0], a ndarray"),
        ((OBS, np.nan, False, False, {}), "gave a reward of nan at its first step; rewards must"),
        ((OBS, 10**400, False, False, {}), "gave a reward of 1000"),
    ],
)
def test_a_step_gives_five_values(returned: Any, message: str) -> None:
    said = fault_of(giving(step=lambda _: returned))
    assert message in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("settings", [{}, {"max_episode_steps": 5}])
def test_the_old_interface_is_named_also_below_a_time_limit(settings: Any) -> None:
    """Without the trial, a wrapper of gymnasium would fail first."""
    said = fault_of(giving(step=lambda _: (OBS, 1.0, False, {})), **settings)
    assert "returned 4 values from step, not the five" in said
    assert "'terminated' (the task ended)" in said


@pytest.mark.parametrize(
    ("obs", "space", "message"),
    [
        (0.5, None, "an observation of shape () (0.5) at its first reset; its space is Box(-1.0"),
        (np.ones(1), None, "of shape (1,) ([1.0])"),
        (np.ones((1, 3)), None, "so its shape must be (3,)"),
        ([[1], [1, 2]], None, "gave an observation of [[1], [1, 2]]"),
        ("abc", None, "gave an observation of 'abc'"),
        (None, None, "gave an observation of None"),
        (np.full(3, np.nan), None, "an observation of nan, which Box(-1.0, 1.0, (3,), float32)"),
        (np.full(3, 1e39), None, "return finite numbers of at most 3.4e+38"),
        (np.array([0.25, 0.5, 0.99]), BYTES, "of 0.25, which Box(0, 255, (3,), uint8) cannot hold"),
        (np.array([1, 300, 2]), BYTES, "of 300, which Box(0, 255, (3,), uint8) cannot hold"),
        (np.array([1, -1, 2]), BYTES, "of -1, which"),
        (np.array([np.nan, 1, 2]), BYTES, "of nan, which"),
        (np.array([1_700_000_000_000]), INTEGERS, "of 1700000000000, which Box(0, 2147483647"),
        ([2**70], INTEGERS, "of [1180591620717411303424], which Box"),
        (3, spaces.Discrete(3), "of 3, which Discrete(3) cannot hold"),
        (-1, spaces.Discrete(3), "of -1, which Discrete(3)"),
        (0.5, spaces.Discrete(3), "of 0.5, which Discrete(3)"),
        (np.array([1]), spaces.Discrete(3), "its shape must be ()"),
        (np.array([0, 4]), spaces.MultiDiscrete([3, 4]), "of 4, which MultiDiscrete of shape (2,)"),
        (np.array([0, 2]), spaces.MultiBinary(2), "of 2, which MultiBinary(2)"),
        ({"a": np.zeros(2)}, PARTS, "with the keys ['a'] at its first reset; its space is a Dict"),
        (np.zeros(2), PARTS, "gave an observation with [0.0, 0.0]"),
        ({"a": np.zeros(3), "b": 0}, PARTS, "the entry 'a' of an observation of shape (3,)"),
        ({"a": np.zeros(2), "b": 0, "c": 0}, PARTS, "with the keys ['a', 'b', 'c']"),
        ((1,), spaces.Tuple([spaces.Discrete(2)] * 2), "its space is a Tuple of 2 parts"),
    ],
)
def test_an_observation_fits_its_space(obs: Any, space: Any, message: str) -> None:
    cls = with_observation(obs) if space is None else with_observation(obs, space)
    said = fault_of(cls)
    assert message in said
    assert len(said.splitlines()) == 1


def test_a_space_of_64_bits_is_refused_with_the_cure() -> None:
    far = spaces.Box(0, 1_700_000_000_000, (1,), np.int64)
    with pytest.raises(UnknownEnvironmentError, match=r"1700000000000.*a space of floats"):
        make_env("gymnasium", with_observation(np.zeros(1, np.int64), far))


@pytest.mark.parametrize("missing", [("seed",), ("options",), ("seed", "options")])
def test_a_reset_takes_what_gymnasium_gives_it(missing: tuple[str, ...]) -> None:
    class Old(giving()):
        if missing == ("seed",):

            def reset(self, options: Any = None) -> Any:
                return OBS, {}

        elif missing == ("options",):

            def reset(self, seed: Any = None) -> Any:
                return OBS, {}

        else:

            def reset(self) -> Any:
                return OBS, {}

    said = fault_of(Old)
    assert f"does not accept {' and '.join(map(repr, missing))} at" in said
    assert "def reset(self, *, seed=None, options=None)" in said


def test_an_error_is_told_with_the_users_own_lines() -> None:
    def broken(_: int) -> Any:
        raise KeyError("altitude")

    said = fault_of(giving(step=broken)).splitlines()
    assert said[0].endswith("Given raised KeyError at its first step: 'altitude'")
    frames = [line for line in said if line.startswith("  File")]
    assert len(frames) == 2
    assert all("own_probes.py" in line or __file__ in line for line in frames)
    assert said[-1].strip() == 'raise KeyError("altitude")'


def test_an_error_of_the_constructor_is_no_matter_of_settings() -> None:
    class Broken(giving()):
        def __init__(self) -> None:
            raise TypeError("no licence")

    said = fault_of(Broken)
    assert "raised TypeError when it was made: no licence" in said
    assert "gymnasium/envs" not in said


def test_the_same_seed_should_begin_the_same_episode() -> None:
    numbers = itertools.count()

    def begin() -> Any:
        return np.full(3, next(numbers), np.float32), {}

    with pytest.warns(RuntimeWarning, match=r"two different episodes from the same.*np_random"):
        make_env("gymnasium", giving(reset=begin))


@pytest.mark.parametrize(
    ("obs", "space"),
    [
        ([0.5, 0.25, 0.125], None),
        (np.array([0.5, 0.25, 0.125]), None),
        (np.array([1, 0, 1]), None),
        (np.array([True, False, True]), BYTES),
        (np.array([1.0, 255.0, 3.0]), BYTES),
        (np.array([1, 2, 3]), BYTES),
        (np.int32(2), spaces.Discrete(3)),
        (np.array(2), spaces.Discrete(3)),
    ],
)
def test_the_same_numbers_in_another_form_are_welcome(obs: Any, space: Any) -> None:
    make_env("gymnasium", with_observation(obs) if space is None else with_observation(obs, space))


@pytest.mark.parametrize("reward", [1, True, np.float64(1), np.array([1.0]), np.array(1), 1.0])
def test_a_reward_may_be_any_single_number(reward: Any) -> None:
    make_env("gymnasium", with_reward(reward))


def test_the_action_that_is_tried_is_legal() -> None:
    mask = np.array([False, True])

    class Masked(gymnasium.Env):
        observation_space = spaces.Dict(
            {"x": spaces.Discrete(2), "action_mask": spaces.Box(0, 1, (2,), np.bool_)}
        )
        action_space = spaces.Discrete(2)

        def reset(self, *, seed: Any = None, options: Any = None) -> Any:
            return {"x": 0, "action_mask": mask}, {}

        def step(self, action: Any) -> Any:
            assert mask[action]
            return {"x": 0, "action_mask": mask}, 0.0, False, False, {}

    make_env("gymnasium", Masked)


def test_the_action_that_is_tried_counts_from_the_start_of_its_space() -> None:
    seen = []

    class FromFive(giving()):
        action_space = spaces.Discrete(3, start=5)

        def step(self, action: Any) -> Any:
            seen.append(action)
            return super().step(action)

    env = make_env("gymnasium", FromFive)
    assert env.action_space == spaces.Discrete(3)
    assert len(seen) == 1
    assert seen[0] in FromFive.action_space
