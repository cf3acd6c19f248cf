"""Observations in another dtype are the same numbers."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments.wrappers import CastObservation
from arlbench.core.observations import ACTION_MASK
from arlbench.errors import ConfigurationError
from playing import END, GO_ON, Counter, Shown, play, require_steady_types
from probes import Walk, small_dqn

WHOLE = spaces.Box(0, 200, (2,), np.int32)


def whole() -> Shown:
    return Shown(WHOLE, lambda n: jnp.stack([n, 100 + n]))


@pytest.mark.parametrize("dtype", ["uint8", np.uint8, jnp.uint8, np.dtype("uint8")])
def test_numbers_stay_and_the_space_says_what_they_are(dtype: Any) -> None:
    env = CastObservation(whole(), dtype)
    assert env.observation_space == spaces.Box(0, 200, (2,), np.uint8)
    assert dict(env.settings) == {"dtype": "uint8", "key": None}
    require_steady_types(env)
    _, steps = play(env, [[GO_ON, END]])
    np.testing.assert_array_equal(steps[0].obs, [[1, 101], [0, 100]])
    np.testing.assert_array_equal(steps[0].info["final_observation"], [[1, 101], [1, 101]])


def test_fractions_are_rounded_towards_zero() -> None:
    space = spaces.Box(-2.0, 2.0, (2,), np.float32)
    env = CastObservation(Shown(space, lambda n: jnp.float32([1.9, -1.9])), "int8")
    np.testing.assert_array_equal(play(env, [])[0][0], [1, -1])


def test_bounds_beyond_a_smaller_float_are_infinite() -> None:
    space = spaces.Box(-1e30, 1e30, (2,), np.float32)
    env = CastObservation(Shown(space, lambda n: jnp.zeros(2)), "float16")
    assert env.observation_space == spaces.Box(-np.inf, np.inf, (2,), np.float16)


def test_all_parts_are_cast_but_an_action_mask_unless_key_names_one() -> None:
    space = spaces.Dict({"a": WHOLE, ACTION_MASK: WHOLE, "b": spaces.Tuple([WHOLE])})
    show = lambda n: {"a": jnp.stack([n, n]), ACTION_MASK: jnp.stack([n, n]), "b": (n + WHOLE.low,)}  # noqa: E731

    def dtypes(key: str | None) -> list[str]:
        env = CastObservation(Shown(space, show), "float32", key)
        require_steady_types(env)
        obs, _ = play(env, [])
        return [obs["a"].dtype.name, obs[ACTION_MASK].dtype.name, obs["b"][0].dtype.name]

    assert dtypes(None) == ["float32", "int32", "float32"]
    assert dtypes("a") == ["float32", "int32", "int32"]
    assert dtypes("b") == ["int32", "int32", "float32"]
    assert dtypes(ACTION_MASK) == ["int32", "float32", "int32"]


def test_a_replay_buffer_keeps_the_dtype() -> None:
    dqn = small_dqn(CastObservation(Walk(), "float16"))
    state = dqn.init(jax.random.key(0), capacity=64)
    stored = state.buffer_state.experience.transition
    assert (stored.obs.dtype, stored.next_obs.dtype) == (jnp.float16, jnp.float16)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_numbers_that_do_not_fit_are_refused(dtype: str) -> None:
    # Some are below zero, which uint8 lacks; some are above 127, which int8 lacks.
    env = Walk() if dtype == "uint8" else whole()
    with pytest.raises(ConfigurationError, match=f"{dtype} holds whole numbers from"):
        CastObservation(env, dtype)


def test_unbounded_numbers_do_not_fit_into_whole_ones() -> None:
    space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    with pytest.raises(ConfigurationError, match="choose a dtype that holds all of its values"):
        CastObservation(Shown(space, None), "int32")


@pytest.mark.parametrize(
    "dtype", ["floot32", "str", "float64", "bool", "complex64", "complex128", None, 8]
)
def test_a_dtype_is_one_of_numbers_that_jax_has(dtype: Any) -> None:
    with pytest.raises(ConfigurationError, match="such as 'float32' or 'uint8'"):
        CastObservation(Counter(), dtype)


@pytest.mark.parametrize(
    ("space", "cast"),
    [
        (spaces.Discrete(3), spaces.Box(0, 2, (), np.uint8)),
        (spaces.Discrete(3, start=4), spaces.Box(4, 6, (), np.uint8)),
        (spaces.MultiDiscrete([3, 256]), spaces.Box(np.uint8([0, 0]), np.uint8([2, 255]))),
        (
            spaces.MultiDiscrete([3, 4], start=[1, 2]),
            spaces.Box(np.uint8([1, 2]), np.uint8([3, 5])),
        ),
    ],
    ids=str,
)
def test_categories_become_numbers(space: Any, cast: spaces.Box) -> None:
    start, shape = np.asarray(space.start), space.shape
    env = CastObservation(Shown(space, lambda n: jnp.full(shape, n % 3) + start), "uint8")
    require_steady_types(env)
    found: Any = env.observation_space
    assert (found.shape, found.dtype) == (cast.shape, np.uint8)
    np.testing.assert_array_equal(found.low, cast.low)
    np.testing.assert_array_equal(found.high, cast.high)
    first, steps = play(env, [[GO_ON, GO_ON]])
    np.testing.assert_array_equal(first[0], start)
    np.testing.assert_array_equal(steps[0].obs[0], start + 1)


def test_a_network_reads_categories_that_were_cast_as_so_many_numbers() -> None:
    cells = spaces.MultiDiscrete(np.tile([13, 12], (7, 7, 1)))
    show = lambda n: jnp.full((7, 7, 2), n)  # noqa: E731

    def first_layer(env: Any) -> Any:
        params = small_dqn(env).init(jax.random.key(0), capacity=8)[0].train_state.params
        return params["params"]["hidden_0"]["kernel"].shape[0]

    assert first_layer(Shown(cells, show)) == 7 * 7 * (13 + 12)
    assert first_layer(CastObservation(Shown(cells, show), "uint8")) == 98


@pytest.mark.parametrize(
    ("space", "dtype", "message"),
    [
        (spaces.MultiBinary(3), "float32", r"Only numbers and categories can be cast.*MultiBin"),
        (spaces.Discrete(300), "uint8", r"uint8 holds whole numbers from 0 to 255"),
        (spaces.MultiDiscrete([3, 300]), "int8", r"int8 holds whole numbers from -128 to 127"),
    ],
    ids=str,
)
def test_categories_that_do_not_fit_are_refused(space: Any, dtype: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CastObservation(Shown(space, lambda n: n), dtype)
