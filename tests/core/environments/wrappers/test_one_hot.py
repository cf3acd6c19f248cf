"""Whole numbers become one-hot vectors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments.wrappers import CastObservation, OneHotObservation
from arlbench.core.observations import ACTION_MASK
from arlbench.errors import ConfigurationError
from playing import END, GO_ON, Counter, Shown, play, require_steady_types

INT32 = np.iinfo(np.int32)


def board(low: int, high: int, shape: tuple[int, ...] = (2, 2), dtype: Any = np.int32) -> Any:
    """A box whose first number is the number of steps above ``low``, the rest ``low``."""
    space = spaces.Box(low, high, shape, dtype)
    start = max(low, 0) if low == INT32.min else low

    def show(n: jax.Array) -> jax.Array:
        flat = jnp.full(int(np.prod(shape)), start).at[0].add(n)
        return flat.reshape(shape).astype(dtype)

    return Shown(space, show)


@pytest.mark.parametrize(
    ("env", "vectors"),
    [
        (Shown(spaces.Discrete(3), lambda n: n), [0, 1, 0]),
        (Shown(spaces.Discrete(3, start=5), lambda n: n + 5), [0, 1, 0]),
        (
            Shown(spaces.MultiDiscrete([2, 3]), lambda n: jnp.stack([n, 2 * n])),
            [[0, 1, 0], [0, 0, 1]],
        ),
        (
            Shown(spaces.MultiDiscrete([2, 3], start=[7, -1]), lambda n: jnp.stack([n + 7, n])),
            [[0, 1, 0], [0, 0, 1]],
        ),
        (board(-1, 1, ()), [0, 1, 0]),
        (board(3, 4, (2,), np.uint8), [[0, 1], [1, 0]]),
        (board(0, 2), [[[0, 1, 0], [1, 0, 0]], [[1, 0, 0], [1, 0, 0]]]),
    ],
    ids=["one of n", "from 5", "several", "several from a start", "number", "bytes", "board"],
)
def test_every_number_has_a_vector_along_the_last_axis(env: Shown, vectors: Any) -> None:
    env = OneHotObservation(env)  # type: ignore[assignment]
    assert env.observation_space == spaces.Box(0, 1, np.shape(vectors), np.float32)
    require_steady_types(env)
    _, steps = play(env, [[GO_ON, END]])
    np.testing.assert_array_equal(steps[0].obs[0], vectors)
    np.testing.assert_array_equal(steps[0].info["final_observation"], [vectors, vectors])
    assert steps[0].obs[1].ravel()[0] == 1


def test_the_vectors_of_channels_stand_one_after_another() -> None:
    env = OneHotObservation(board(0, 2, (1, 1, 2)))
    _, steps = play(env, [[GO_ON, GO_ON]])
    np.testing.assert_array_equal(steps[0].obs[0], [[[0, 1, 0, 1, 0, 0]]])


@pytest.mark.parametrize("low", [INT32.min, 0, 3])
def test_numbers_without_bounds_need_their_number_of_categories(low: int) -> None:
    env = board(low, INT32.max)
    with pytest.raises(ConfigurationError, match=r"do not have bounds .*; give n_categories"):
        OneHotObservation(env)
    one_hot = OneHotObservation(env, n_categories=18)
    assert one_hot.observation_space.shape == (2, 2, 18)
    _, steps = play(one_hot, [[GO_ON, GO_ON]] * 18)
    assert steps[4].obs[0, 0, 0].argmax() == 5
    np.testing.assert_array_equal(steps[4].obs[0, 1, 1], np.eye(18)[0])
    # A number beyond the last category becomes zeros.
    np.testing.assert_array_equal(steps[17].obs[0, 0, 0], np.zeros(18))


def test_all_parts_are_changed_but_an_action_mask_unless_key_names_one() -> None:
    space = spaces.Dict(
        {"board": spaces.Box(0, 2, (2, 2), np.int32), ACTION_MASK: spaces.Box(0, 1, (2,), np.int8)}
    )
    show = lambda n: {"board": jnp.full((2, 2), n), ACTION_MASK: jnp.int8([1, 0])}  # noqa: E731
    for key, mask_shape in ((None, (2,)), ("board", (2,)), (ACTION_MASK, (2, 2))):
        env = OneHotObservation(Shown(space, show), key=key)
        require_steady_types(env)
        assert env.observation_space[ACTION_MASK].shape == mask_shape  # type: ignore[index]
    with pytest.raises(ConfigurationError, match=r"'bord'\. Did you mean 'board'"):
        OneHotObservation(Shown(space, show), key="bord")


def test_fractions_have_to_be_cast_first() -> None:
    with pytest.raises(ConfigurationError, match=r"Only whole numbers.*cast it first"):
        OneHotObservation(Counter())
    env = OneHotObservation(CastObservation(Counter(n_envs=1), "int8"))
    # The counter is declared to be between -10 and 10.
    _, steps = play(env, [[GO_ON]])
    np.testing.assert_array_equal(steps[0].obs, np.eye(21)[None, None, 11])


@pytest.mark.parametrize("n", [0, -2, 2.5, "many"])
def test_a_number_of_categories_is_positive_and_whole(n: Any) -> None:
    with pytest.raises(ConfigurationError, match="n_categories must be a positive whole number"):
        OneHotObservation(board(0, 2), n)
