"""The input of a network for observations of every kind."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.observations import Grid, action_mask, encode, find_grid, first_and_last
from arlbench.errors import ConfigurationError, UnknownEnvironmentError


def assert_features(encoded, expected):
    assert encoded.dtype == jnp.float32
    np.testing.assert_array_equal(encoded, expected)


def test_a_vector_is_read_as_it_is():
    obs = jnp.array([[1.5, -2.0], [0.0, 1e6]])
    assert_features(encode(spaces.Box(-np.inf, np.inf, (2,)), obs), obs)


def test_a_matrix_is_flattened_row_by_row():
    obs = jnp.array([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
    assert_features(encode(spaces.Box(0, 9, (2, 2)), obs), [[1, 2, 3, 4], [5, 6, 7, 8]])


def test_a_single_number_is_one_feature():
    assert_features(encode(spaces.Box(0, 9, ()), jnp.array([3.0, 4.0])), [[3], [4]])


def test_bytes_become_their_numbers():
    obs = jnp.array([[0, 255], [128, 1]], jnp.uint8)
    assert_features(encode(spaces.Box(0, 255, (2,), np.uint8), obs), [[0, 255], [128, 1]])


def test_images_keep_their_shape():
    obs = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 4), np.uint8)
    space = spaces.Box(0, 255, (3, 5, 4), np.uint8)
    assert_features(encode(space, obs, images=True), obs)
    assert_features(encode(space, obs), obs.reshape(2, -1))


def test_a_category_becomes_one_hot():
    assert_features(encode(spaces.Discrete(3), jnp.array([0, 2])), [[1, 0, 0], [0, 0, 1]])


@pytest.mark.parametrize("start", [-1, 5])
def test_categories_count_from_the_start_of_their_space(start):
    obs = jnp.array([start, start + 2])
    assert_features(encode(spaces.Discrete(3, start=start), obs), [[1, 0, 0], [0, 0, 1]])


def test_bits_are_features():
    obs = jnp.array([[1, 0, 1], [0, 0, 1]], jnp.int8)
    assert_features(encode(spaces.MultiBinary(3), obs), obs)
    matrix = jnp.array([[[1, 0], [1, 1]]], jnp.int8)
    assert_features(encode(spaces.MultiBinary((2, 2)), matrix), [[1, 0, 1, 1]])


def test_several_categories_become_one_hot_side_by_side():
    obs = jnp.array([[0, 2], [1, 0]])
    assert_features(encode(spaces.MultiDiscrete([2, 3]), obs), [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0]])


def test_several_categories_count_from_their_own_starts():
    obs = jnp.array([[4, 1], [5, -1]])
    assert_features(
        encode(spaces.MultiDiscrete([2, 3], start=[4, -1]), obs),
        [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0]],
    )


def test_a_matrix_of_categories_is_flattened_row_by_row():
    space = spaces.MultiDiscrete([[2, 1], [3, 2]])
    obs = jnp.array([[[1, 0], [2, 0]]])
    assert_features(encode(space, obs), [[0, 1] + [1] + [0, 0, 1] + [1, 0]])


def test_a_tuple_is_joined_in_its_order():
    space = spaces.Tuple([spaces.Discrete(2), spaces.Box(0, 9, (2,))])
    obs = (jnp.array([1, 0]), jnp.array([[3.0, 4.0], [5.0, 6.0]]))
    assert_features(encode(space, obs), [[0, 1, 3, 4], [1, 0, 5, 6]])


def test_a_dict_is_joined_in_the_order_of_its_space():
    space = spaces.Dict([("speed", spaces.Box(0, 9, (1,))), ("gear", spaces.Discrete(2))])
    obs = {"gear": jnp.array([1]), "speed": jnp.array([[7.0]])}
    features = {"gear": [0, 1], "speed": [7]}
    assert_features(encode(space, obs), [np.concatenate([features[key] for key in space])])


def test_composed_spaces_may_contain_composed_spaces():
    space = spaces.Dict(
        {"a": spaces.Tuple([spaces.Discrete(2), spaces.Dict({"b": spaces.Discrete(3)})])}
    )
    obs = {"a": (jnp.array([0]), {"b": jnp.array([2])})}
    assert_features(encode(space, obs), [[1, 0, 0, 0, 1]])


@pytest.mark.parametrize(
    "space",
    [spaces.Text(5), spaces.Sequence(spaces.Discrete(2)), spaces.Graph(spaces.Box(0, 1), None)],
)
def test_a_kind_that_no_network_can_read_is_an_error_that_names_it(space):
    with pytest.raises(UnknownEnvironmentError, match=type(space).__name__):
        encode(space, jnp.zeros((1, 2)))
    with pytest.raises(UnknownEnvironmentError, match=type(space).__name__):
        encode(spaces.Tuple([space]), (jnp.zeros((1, 2)),))


@pytest.mark.parametrize(
    "space",
    [spaces.Discrete(2), spaces.MultiDiscrete([2, 2]), spaces.Dict({"a": spaces.Box(0, 1)})],
)
def test_only_a_box_can_hold_images(space):
    with pytest.raises(UnknownEnvironmentError, match="cnn_policy=False"):
        encode(space, jnp.zeros((1, 2)), images=True)


def masked(**parts):
    return spaces.Dict({**parts, "action_mask": spaces.MultiBinary(2)})


def test_an_action_mask_is_no_feature():
    obs = {"x": jnp.array([[7.0], [8.0]]), "action_mask": jnp.array([[1, 0], [1, 1]], jnp.int8)}
    space = masked(x=spaces.Box(0, 9, (1,)))
    assert_features(encode(space, obs), [[7], [8]])
    mask = action_mask(space, obs)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, [[True, False], [True, True]])


def test_without_a_mask_all_actions_are_legal():
    assert action_mask(spaces.Box(0, 9, (1,)), jnp.zeros((1, 1))) is None
    assert action_mask(spaces.Dict({"x": spaces.Discrete(2)}), {"x": jnp.array([0])}) is None


def test_a_mask_alone_leaves_nothing_to_read():
    with pytest.raises(UnknownEnvironmentError, match="only of an action mask"):
        encode(masked(), {"action_mask": jnp.ones((1, 2), bool)})


def test_observations_without_entries_are_refused_but_their_parts_may_have_none():
    empty = spaces.Box(0, 1, (0,))
    with pytest.raises(UnknownEnvironmentError, match="have no entries"):
        encode(empty, np.zeros((3, 0)))
    both = spaces.Tuple([empty, spaces.Discrete(2)])
    np.testing.assert_array_equal(encode(both, (np.zeros((1, 0)), np.array([1]))), [[0, 1]])


def test_a_grid_of_categories_is_read_cell_by_cell():
    # Two rows of two cells; each cell has one of two tiles and one of three colours.
    space = spaces.MultiDiscrete(np.broadcast_to([2, 3], (2, 2, 2)), dtype=np.uint8)
    obs = jnp.array([[[[0, 0], [1, 2]], [[1, 0], [0, 1]]]], jnp.uint8)
    cells = [[1, 0, 1, 0, 0], [0, 1, 0, 0, 1], [0, 1, 1, 0, 0], [1, 0, 0, 1, 0]]
    assert_features(encode(space, obs), [np.concatenate(cells)])


def test_every_category_of_every_variable_has_a_place_of_its_own():
    for nvec in ([4], [3, 3, 3], [2, 5, 1], [[2, 3], [3, 2]], np.full((4, 4, 3), 6)):
        space = spaces.MultiDiscrete(nvec, seed=0)
        obs = np.stack([space.sample() for _ in range(20)])
        expected = [
            np.concatenate([np.eye(n)[x] for n, x in zip(np.ravel(nvec), row, strict=True)])
            for row in obs.reshape(20, -1)
        ]
        assert_features(encode(space, obs), expected)


box = spaces.Box
GRID = spaces.MultiDiscrete(np.broadcast_to([13, 12], (7, 7, 2)))


@pytest.mark.parametrize(
    ("space", "grid"),
    [
        (box(0, 1, (10, 10, 4)), Grid((10, 10, 4), 0)),
        (box(0, 1, (4, 5)), Grid((4, 5, 1), 0)),
        (GRID, Grid((7, 7, 25), 0)),
        (spaces.Dict([("a", spaces.Discrete(3)), ("b", GRID)]), Grid((7, 7, 25), 3)),
        (masked(grid=box(0, 1, (3, 3))), Grid((3, 3, 1), 0)),
        (spaces.Tuple([box(0, 1, (2,)), box(0, 1, (3, 3)), box(0, 1, ())]), Grid((3, 3, 1), 2)),
        (spaces.MultiBinary((4, 5)), Grid((4, 5, 1), 0)),
        (spaces.MultiBinary((4, 5, 2)), Grid((4, 5, 2), 0)),
        (spaces.Tuple([spaces.MultiBinary((4, 5)), box(0, 1, (3, 3))]), Grid((3, 3, 1), 20)),
        (spaces.Tuple([spaces.MultiBinary((4, 5)), spaces.MultiBinary((3, 3))]), None),
        (spaces.MultiBinary(5), None),
        (spaces.MultiBinary((2, 5)), None),
        (box(0, 1, (2, 5, 4)), None),
        (box(0, 1, (36, 36, 4)), None),
        (box(0, 1, (5,)), None),
        (spaces.Discrete(5), None),
        (spaces.Tuple([GRID, GRID]), None),
        (spaces.Text(5), None),
    ],
)
def test_a_small_grid_is_found_among_the_features(space, grid):
    assert find_grid(space) == grid


@pytest.mark.parametrize(
    ("space", "first", "last"),
    [
        (spaces.Discrete(3), 0, 2),
        (spaces.Discrete(3, start=-1), -1, 1),
        (spaces.MultiDiscrete([2, 5], start=[0, 4]), [0, 4], [1, 8]),
        (spaces.MultiDiscrete([[2], [3]], np.uint8), [[0], [0]], [[1], [2]]),
    ],
)
def test_categories_have_a_first_and_a_last_one(space, first, last):
    for found, expected in zip(first_and_last(space), (first, last), strict=True):
        np.testing.assert_array_equal(found, np.int64(expected), strict=True)


def test_observations_that_do_not_fit_their_space_are_refused():
    with pytest.raises(ConfigurationError, match=r"shape \(3,\), but .* have the shape \(2,\)"):
        encode(spaces.Box(-1, 1, (2,)), jnp.zeros((5, 3)))
    with pytest.raises(ConfigurationError, match=r"shape \(\), but .* have the shape \(2,\)"):
        encode(spaces.Dict({"a": spaces.MultiBinary(2)}), {"a": jnp.zeros(5)})
