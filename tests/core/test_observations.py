"""What a network reads of observations of every kind."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.observations import encode
from arlbench.errors import UnknownEnvironmentError


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
