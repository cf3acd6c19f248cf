"""Observations become one vector, and networks read the same features from it."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments.wrappers import FlattenObservation
from arlbench.core.observations import ACTION_MASK, encode
from arlbench.errors import UnknownEnvironmentError
from playing import END, GO_ON, Shown, play, require_steady_types
from probes import Walk, same_bits

PICTURE = spaces.Box(0, 255, (2, 3), np.uint8)
MIXED = spaces.Dict(
    {
        "picture": PICTURE,
        "kind": spaces.Discrete(3),
        "pair": spaces.Tuple([spaces.MultiDiscrete([2, 3]), spaces.Box(-1, 1, (1,), np.float32)]),
    }
)


def show_picture(n: jax.Array) -> jax.Array:
    return (jnp.arange(6).reshape(2, 3) + 10 * n).astype(jnp.uint8)


def show_mixed(n: jax.Array) -> Any:
    pair = (jnp.stack([n % 2, n % 3]), jnp.full(1, 0.5))
    return {"picture": show_picture(n), "kind": n % 3, "pair": pair}


def test_a_box_keeps_its_numbers_and_their_dtype() -> None:
    env = FlattenObservation(Shown(PICTURE, show_picture))
    assert env.observation_space == spaces.Box(0, 255, (6,), np.uint8)
    require_steady_types(env)
    first, steps = play(env, [[GO_ON, END]])
    np.testing.assert_array_equal(first[0], [0, 1, 2, 3, 4, 5])
    np.testing.assert_array_equal(steps[0].obs, [[10, 11, 12, 13, 14, 15], [0, 1, 2, 3, 4, 5]])
    np.testing.assert_array_equal(steps[0].info["final_observation"][1], steps[0].obs[0])


def test_a_vector_stays_as_it_is() -> None:
    env = FlattenObservation(Walk(n_envs=3))
    assert env.observation_space == Walk().observation_space
    actions = np.ones((9, 3))
    assert same_bits(play(env, actions), play(Walk(n_envs=3), actions))


@pytest.mark.parametrize(
    ("space", "show", "numbers"),
    [
        (spaces.Discrete(3), lambda n: n % 3, [0, 1, 0]),
        (spaces.MultiDiscrete([2, 3]), lambda n: jnp.stack([n % 2, n % 3]), [0, 1, 0, 1, 0]),
        # A Dict is sorted by name: kind, pair, picture.
        (MIXED, show_mixed, [0, 1, 0, 0, 1, 0, 1, 0, 0.5, 10, 11, 12, 13, 14, 15]),
    ],
    ids=["category", "categories", "composed"],
)
def test_anything_else_is_what_a_network_reads(space: Any, show: Any, numbers: Any) -> None:
    inner = Shown(space, show)
    env = FlattenObservation(inner)
    assert env.observation_space.shape == (len(numbers),)
    require_steady_types(env)
    _, steps = play(env, [[GO_ON, GO_ON]])
    np.testing.assert_array_equal(steps[0].obs, [numbers, numbers])
    _, plain = play(inner, [[GO_ON, GO_ON]])
    obs = jax.tree.map(jnp.asarray, plain[0].obs)
    np.testing.assert_array_equal(encode(env.observation_space, steps[0].obs), encode(space, obs))


def test_an_action_mask_stays_apart() -> None:
    mask = spaces.MultiBinary(2)
    space = spaces.Dict({"kind": spaces.Discrete(2), ACTION_MASK: mask, "picture": PICTURE})
    show = lambda n: {  # noqa: E731
        "kind": n % 2,
        ACTION_MASK: jnp.int8([0, 1]),
        "picture": show_picture(n),
    }
    env = FlattenObservation(Shown(space, show))
    assert env.observation_space[ACTION_MASK] == mask  # type: ignore[index]
    require_steady_types(env)
    _, steps = play(env, [[GO_ON, GO_ON]])
    np.testing.assert_array_equal(steps[0].obs[ACTION_MASK], [[0, 1], [0, 1]])
    np.testing.assert_array_equal(steps[0].obs["observation"][0], [0, 1, 10, 11, 12, 13, 14, 15])


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(UnknownEnvironmentError, match="kind Text"):
        FlattenObservation(Shown(spaces.Text(3), None))
