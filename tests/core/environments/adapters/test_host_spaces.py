"""Observations of any kind as arrays of at most 32 bits."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments.adapters import host_spaces
from host_probes import Parts


@pytest.mark.parametrize(
    ("given", "narrow"),
    [
        (spaces.Box(-1.5, np.inf, (2,), np.float64), spaces.Box(-1.5, np.inf, (2,), np.float32)),
        (spaces.Box(-(2**31), 5, (1,), np.int64), spaces.Box(-(2**31), 5, (1,), np.int32)),
        (spaces.Box(0, 2**32 - 1, (1,), np.uint64), spaces.Box(0, 2**32 - 1, (1,), np.uint32)),
        (spaces.Box(-1e300, 1, (1,), np.float64), spaces.Box(-np.inf, 1, (1,), np.float32)),
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


def test_what_has_no_fixed_shape_is_refused() -> None:
    with pytest.raises(TypeError, match="of the kind Text"):
        host_spaces.narrowed(spaces.Dict({"words": spaces.Text(3)}))


@pytest.mark.parametrize(
    ("space", "last"),
    [
        (spaces.Box(0, 1_700_000_000_000, (2,), np.int64), "1700000000000"),
        (spaces.Box(-np.inf, np.inf, (1,), np.int64), "9223372036854775807"),
        (spaces.Box(0, 2**32, (1,), np.uint64), "4294967296"),
        (spaces.Discrete(2**31 + 1), "2147483648"),
        (spaces.Discrete(2, start=2**31 - 1), "2147483648"),
        (spaces.MultiDiscrete([3, 2**33]), "8589934591"),
        (spaces.Dict({"far": spaces.Box(0, 2**40, (1,), np.int64)}), "1099511627776"),
    ],
    ids=str,
)
def test_whole_numbers_beyond_32_bits_are_refused_with_the_cure(
    space: spaces.Space, last: str
) -> None:
    with pytest.raises(host_spaces.TooWideError, match=rf"to {last} .* a space of floats"):
        host_spaces.narrowed(space)
