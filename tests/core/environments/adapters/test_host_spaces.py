"""Observations of any kind as arrays of at most 32 bits."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments.adapters import host_spaces
from host_probes import Parts


@pytest.mark.parametrize(
    ("given", "narrow"),
    [
        (spaces.Box(-1.5, np.inf, (2,), np.float64), spaces.Box(-1.5, np.inf, (2,), np.float32)),
        (spaces.Box(-(2**40), 5, (1,), np.int64), spaces.Box(-(2**31), 5, (1,), np.int32)),
        (spaces.Box(0, 2**50, (1,), np.uint64), spaces.Box(0, 2**32 - 1, (1,), np.uint32)),
        (spaces.Box(0, 255, (3,), np.uint8), spaces.Box(0, 255, (3,), np.uint8)),
        (
            spaces.MultiDiscrete([3, 4], start=[1, 0]),
            spaces.MultiDiscrete([3, 4], np.int32, start=[1, 0]),
        ),
        (spaces.Discrete(3, start=2), spaces.Discrete(3, start=2)),
    ],
    ids=str,
)
def test_numbers_have_at_most_32_bits(given: spaces.Space, narrow: spaces.Space) -> None:
    found = host_spaces.narrowed(given)
    assert found == narrow
    assert found.dtype == narrow.dtype


def test_composed_spaces_are_narrowed_part_by_part() -> None:
    space = host_spaces.narrowed(Parts.observation_space)
    assert space["counts"].dtype == np.int32
    assert space["pair"][0] == spaces.Discrete(4, start=2)


def test_leaves_are_in_the_order_of_the_shapes() -> None:
    space = host_spaces.narrowed(Parts.observation_space)
    shapes = jax.tree.leaves(host_spaces.shapes(space, 6))
    leaves = list(host_spaces.leaves(space, Parts()._obs()))
    assert [x.shape for x in shapes] == [(6, *np.shape(leaf)) for leaf in leaves]
    assert [x.dtype.name for x in shapes] == ["uint8", "int32", "int32", "int32", "int8"]
    assert [np.ravel(leaf)[0] for leaf in leaves] == [9, 2, 7, 3, 1]


def test_what_has_no_fixed_shape_is_refused() -> None:
    with pytest.raises(TypeError, match="of the kind Text"):
        host_spaces.narrowed(spaces.Dict({"words": spaces.Text(3)}))
