"""Pictures with their channels last are shown with their channels first."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments.wrappers import FrameStack, TransposeObservation
from arlbench.errors import ConfigurationError, UnknownEnvironmentError
from playing import END, GO_ON, Shown, play, require_steady_types
from probes import small_dqn

LAST = spaces.Box(0, 255, (40, 36, 3), np.uint8)

PICTURE = np.arange(40 * 36 * 3).reshape(40, 36, 3) % 200


def pictures(n_envs: int = 2) -> Shown:
    return Shown(LAST, lambda n: jnp.uint8(PICTURE) + jnp.uint8(n), n_envs)


def test_pixels_stay_and_axes_move() -> None:
    env = TransposeObservation(pictures())
    assert env.observation_space == spaces.Box(0, 255, (3, 40, 36), np.uint8)
    require_steady_types(env)
    first, steps = play(env, [[GO_ON, END]])
    for c in range(3):
        np.testing.assert_array_equal(first[0, c], PICTURE[..., c])
        np.testing.assert_array_equal(steps[0].info["final_observation"][1, c], PICTURE[..., c] + 1)
        np.testing.assert_array_equal(steps[0].obs[1, c], PICTURE[..., c])


def test_bounds_move_too() -> None:
    low = np.zeros((2, 3, 4), np.float32)
    low[1, 2, 3] = -5
    env = TransposeObservation(Shown(spaces.Box(low, low + 9), lambda n: jnp.asarray(low)))
    found: Any = env.observation_space
    assert found.low[3, 1, 2] == -5


def test_a_stack_of_coloured_pictures_is_transposed() -> None:
    env = TransposeObservation(FrameStack(pictures(), 4))
    assert env.observation_space.shape == (12, 40, 36)


def test_the_network_of_pictures_reads_them_then() -> None:
    with pytest.raises(UnknownEnvironmentError, match=r"have them last; .*--wrap transpose"):
        small_dqn(pictures(), settings={"cnn_policy": True})
    dqn: Any = small_dqn(TransposeObservation(pictures()), settings={"cnn_policy": True})
    assert type(dqn.structure.agent.network).__name__ == "CNNQ"


def test_one_entry_may_be_changed() -> None:
    space = spaces.Dict({"view": LAST, "speed": spaces.Box(0, 1, (1,), np.float32)})
    env = TransposeObservation(Shown(space, None), key="view")
    found: Any = env.observation_space
    assert (found["view"].shape, found["speed"].shape) == ((3, 40, 36), (1,))
    with pytest.raises(ConfigurationError, match=r"Only pictures .*entry 'speed' is Box"):
        TransposeObservation(Shown(space, None))


@pytest.mark.parametrize("space", [spaces.Discrete(3), spaces.Box(0, 1, (4, 4), np.float32)])
def test_what_is_no_picture_is_refused(space: spaces.Space) -> None:
    with pytest.raises(ConfigurationError, match="name another entry with key"):
        TransposeObservation(Shown(space, None))
