"""The Q-networks: shapes, initial parameters, and what they compute."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.dqn.models import CNNQ, MLPQ

N_ACTIONS, N_FEATURES, N_HIDDEN = 3, 4, 16
CHANNELS = 2
ACTIVATIONS = {"tanh": np.tanh, "relu": lambda x: np.maximum(x, 0)}

mlp_sizes = pytest.mark.parametrize(
    ("n_features", "n_hidden", "n_actions"), [(4, 16, 3), (40, 8, 2), (5, 1, 6)]
)


@functools.cache
def mlp_params(n_features=N_FEATURES, n_hidden=N_HIDDEN, n_actions=N_ACTIONS):
    network = MLPQ(n_actions, hidden_size=n_hidden)
    return jax.jit(network.init)(jax.random.key(0), jnp.zeros((1, n_features)))["params"]


@functools.cache
def cnn_params():
    network = CNNQ(N_ACTIONS, hidden_size=N_HIDDEN)
    frames = jnp.zeros((1, CHANNELS, 84, 84), jnp.uint8)
    return jax.jit(network.init)(jax.random.key(0), frames)["params"]


@functools.cache
def cnn_apply(activation="tanh"):
    return jax.jit(CNNQ(N_ACTIONS, activation, N_HIDDEN).apply)


def assert_orthogonal(kernel, gain):
    """All rows or all columns, whichever are fewer, are orthogonal and have the length ``gain``."""
    matrix = np.asarray(kernel, np.float64).reshape(-1, kernel.shape[-1])
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, gain**2 * np.eye(len(gram)), atol=1e-5)


def frames(seed=0, batch=2):
    return np.random.default_rng(seed).integers(0, 256, (batch, CHANNELS, 84, 84), np.uint8)


def convolve(x, kernel, bias, stride):
    """A convolution without padding; ``x [B, H, W, C]``, ``kernel [K, K, C, F]``."""
    size = kernel.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(1, 2))
    return np.einsum("bijcyx,yxcf->bijf", windows[:, ::stride, ::stride], kernel) + bias


def cnn_by_hand(params, x, activation):
    x = np.moveaxis(x.astype(np.float64) / 255, 1, -1)
    for i, stride in enumerate([4, 2, 1]):
        layer = params[f"convolutions_{i}"]
        x = activation(convolve(x, layer["kernel"], layer["bias"], stride))
    x = x.reshape(len(x), -1)
    x = activation(x @ params["hidden"]["kernel"] + params["hidden"]["bias"])
    return x @ params["out"]["kernel"] + params["out"]["bias"]


@mlp_sizes
def test_an_mlp_has_two_hidden_layers_of_the_same_size(n_features, n_hidden, n_actions):
    params = mlp_params(n_features, n_hidden, n_actions)
    shapes = {name: layer["kernel"].shape for name, layer in params.items()}
    assert shapes == {
        "hidden_0": (n_features, n_hidden),
        "hidden_1": (n_hidden, n_hidden),
        "out": (n_hidden, n_actions),
    }


@mlp_sizes
def test_an_mlp_begins_orthogonal_with_zero_biases(n_features, n_hidden, n_actions):
    params = mlp_params(n_features, n_hidden, n_actions)
    assert_orthogonal(params["hidden_0"]["kernel"], 2**0.5)
    assert_orthogonal(params["hidden_1"]["kernel"], 2**0.5)
    assert_orthogonal(params["out"]["kernel"], 1.0)
    assert all(not np.any(layer["bias"]) for layer in params.values())


def test_another_key_gives_other_parameters():
    network = MLPQ(N_ACTIONS, hidden_size=N_HIDDEN)
    params = jax.jit(network.init)(jax.random.key(1), jnp.zeros((1, N_FEATURES)))["params"]
    assert not np.allclose(params["out"]["kernel"], mlp_params()["out"]["kernel"])


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_an_mlp_computes_what_numpy_computes(activation):
    rng = np.random.default_rng(0)
    # Biases that are not zero, because otherwise the test could not see them.
    params = jax.tree.map(
        lambda x: x + rng.normal(size=x.shape).astype(np.float32), jax.device_get(mlp_params())
    )
    x = rng.normal(size=(5, N_FEATURES)).astype(np.float32)
    q = MLPQ(N_ACTIONS, activation, N_HIDDEN).apply({"params": params}, x)
    expected = x
    for name in ("hidden_0", "hidden_1"):
        layer = params[name]
        expected = ACTIVATIONS[activation](expected @ layer["kernel"] + layer["bias"])
    expected = expected @ params["out"]["kernel"] + params["out"]["bias"]
    assert q.shape == (5, N_ACTIONS)
    assert q.dtype == jnp.float32
    np.testing.assert_allclose(q, expected, rtol=1e-4, atol=1e-4)


def test_an_mlp_reads_a_single_observation_and_any_batch_shape():
    network, params = MLPQ(N_ACTIONS, hidden_size=N_HIDDEN), {"params": mlp_params()}
    x = np.random.default_rng(0).normal(size=(2, 3, N_FEATURES)).astype(np.float32)
    batched = network.apply(params, x)
    assert batched.shape == (2, 3, N_ACTIONS)
    np.testing.assert_allclose(network.apply(params, x[1, 2]), batched[1, 2], atol=1e-5)


def test_a_cnn_has_the_published_layers():
    shapes = {name: layer["kernel"].shape for name, layer in cnn_params().items()}
    assert shapes == {
        "convolutions_0": (8, 8, CHANNELS, 32),
        "convolutions_1": (4, 4, 32, 64),
        "convolutions_2": (3, 3, 64, 64),
        # 84 -> 20 -> 9 -> 7 pixels without padding, with 64 features each.
        "hidden": (7 * 7 * 64, N_HIDDEN),
        "out": (N_HIDDEN, N_ACTIONS),
    }


def test_a_cnn_begins_orthogonal_with_zero_biases():
    params = cnn_params()
    for name in ("convolutions_0", "convolutions_1", "convolutions_2", "hidden"):
        assert_orthogonal(params[name]["kernel"], 2**0.5)
    assert_orthogonal(params["out"]["kernel"], 1.0)
    assert all(not np.any(layer["bias"]) for layer in params.values())


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_a_cnn_computes_what_numpy_computes_from_channels_first_frames(activation):
    rng = np.random.default_rng(1)
    params = jax.tree.map(
        lambda x: x + np.float32(0.01) * rng.normal(size=x.shape).astype(np.float32),
        jax.device_get(cnn_params()),
    )
    q = cnn_apply(activation)({"params": params}, frames())
    assert q.shape == (2, N_ACTIONS)
    assert q.dtype == jnp.float32
    expected = cnn_by_hand(params, frames(), ACTIVATIONS[activation])
    np.testing.assert_allclose(q, expected, rtol=1e-3, atol=1e-3)


def test_bytes_and_floats_of_the_same_frames_have_the_same_values():
    params = {"params": cnn_params()}
    from_bytes = cnn_apply()(params, frames())
    from_floats = cnn_apply()(params, frames().astype(np.float32))
    np.testing.assert_allclose(from_bytes, from_floats, rtol=1e-6, atol=1e-6)


def test_the_order_of_the_channels_matters():
    params = {"params": cnn_params()}
    swapped = cnn_apply()(params, frames()[:, ::-1])
    assert not np.allclose(swapped, cnn_apply()(params, frames()), atol=1e-3)


def test_the_defaults_are_those_of_the_contract():
    mlp, cnn = MLPQ(2), CNNQ(2)
    assert (mlp.activation, mlp.hidden_size, mlp.discrete) == ("tanh", 64, True)
    assert (cnn.activation, cnn.hidden_size, cnn.discrete) == ("tanh", 512, True)


def test_networks_of_equal_fields_are_equal_and_hash_alike():
    assert MLPQ(2, "relu", 8) == MLPQ(2, "relu", 8)
    assert hash(MLPQ(2, "relu", 8)) == hash(MLPQ(2, "relu", 8))
    assert MLPQ(2, "relu", 8) != MLPQ(2, "tanh", 8)
