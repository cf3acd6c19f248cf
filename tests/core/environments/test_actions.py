"""Arrays of actions for every kind of space, and random actions."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments.actions import action_dtype, action_shapes, uniform_actions
from arlbench.errors import ConfigurationError

N = 6000
KEY = jax.random.key(3)

SPACES = {
    "discrete": (spaces.Discrete(3), np.int32),
    "discrete from elsewhere": (spaces.Discrete(3, start=-2), np.int32),
    "several choices": (spaces.MultiDiscrete([2, 4]), np.int32),
    "choices of bytes": (spaces.MultiDiscrete([255, 2], np.uint8, start=[1, 0]), np.uint8),
    "choices from elsewhere": (spaces.MultiDiscrete([2, 3], start=[5, -1]), np.int32),
    "bits": (spaces.MultiBinary(3), np.int8),
    "box": (spaces.Box(np.float32([-2, 0]), np.float32([2, 9])), np.float32),
    "box of two axes": (spaces.Box(-1.0, 1.0, (2, 3), np.float64), np.float32),
}


@pytest.mark.parametrize(("space", "dtype"), SPACES.values(), ids=SPACES)
def test_random_actions_are_uniform_over_their_space(space: Any, dtype: Any) -> None:
    actions = np.asarray(uniform_actions(space, N, KEY))
    assert actions.dtype == action_dtype(space) == dtype
    assert actions.shape == action_shapes(space, N).shape == (N, *space.shape)
    of_space = int if isinstance(space, spaces.Discrete) else np.asarray
    assert all(space.contains(of_space(action)) for action in actions[:200])
    drawn = [of_space(space.sample()) for _ in range(N)]
    # Five standard errors of the difference of two means.
    bounds = 5 * np.std(drawn, axis=0) * np.sqrt(2 / N)
    assert np.all(np.abs(actions.mean(0, np.float64) - np.mean(drawn, axis=0)) < bounds)
    assert np.all(np.abs(actions.std(0, dtype=np.float64) / np.std(drawn, axis=0) - 1) < 0.1)


def test_a_key_decides_the_actions_of_a_finite_set_as_it_always_has() -> None:
    expected = jax.random.randint(KEY, (N,), 0, 4, np.int32)
    np.testing.assert_array_equal(uniform_actions(spaces.Discrete(4), N, KEY), expected)


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-np.inf, np.inf, (2,)),
        spaces.Box(0.0, np.inf, (2,)),
        spaces.Box(-(2**31), 2**31 - 1, (1,), np.int32),
        spaces.Tuple([spaces.Discrete(2)]),
    ],
    ids=str,
)
def test_where_nothing_is_uniform_there_are_no_random_actions(space: Any) -> None:
    with pytest.raises(ConfigurationError, match="do not have a uniform distribution"):
        uniform_actions(space, N, KEY)
