"""Noisy layers: their noise and what they compute with it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from arlbench.core.algorithms.dqn.extensions.networks import (
    NOISE,
    ExtendedQ,
    NoisyDense,
    draw_noise,
    outputs,
)


def test_a_noisy_layer_is_the_sum_of_the_paper() -> None:
    """Equation 9 of Fortunato et al. (2018), with numbers that are easy to multiply."""
    params = {
        "kernel": jnp.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        "bias": jnp.array([10.0, 20.0]),
        "sigma_kernel": jnp.array([[0.0, 1.0], [2.0, 0.0], [0.0, 0.5]]),
        "sigma_bias": jnp.array([1.0, 2.0]),
    }
    noise = {"input": jnp.array([1.0, -1.0, 2.0]), "output": jnp.array([3.0, 0.5])}
    x = jnp.array([[1.0, 1.0, 2.0]])
    without = NoisyDense(2).apply({"params": params}, x)
    np.testing.assert_array_equal(without, [[24.0, 38.0]])
    # The noise of the weights is [[3, .5], [-3, -.5], [6, 1]], that of the biases [3, .5].
    noisy = NoisyDense(2).apply({"params": params, NOISE: noise}, x)
    np.testing.assert_array_equal(noisy, [[24.0 - 6.0 + 3.0, 38.0 + 0.5 + 1.0 + 1.0]])


def test_noise_and_its_scale_have_32_bits_even_in_double_precision() -> None:
    with jax.enable_x64(True):
        params = NoisyDense(2).init(jax.random.key(0), jnp.ones((1, 3), jnp.float32))
        noise = draw_noise({"params": {"out": params["params"]}}, jax.random.key(1))
    assert {leaf.dtype for leaf in jax.tree.leaves((params, noise))} == {np.dtype(np.float32)}


def test_every_noisy_layer_gets_its_own_noise() -> None:
    network = ExtendedQ(3, hidden_size=256, noisy=True, dueling=True, layer_norm=True)
    x = jnp.ones((1, 200))
    params = jax.jit(network.init)(jax.random.key(0), x)
    noise = jax.jit(draw_noise)(params, jax.random.key(1))
    leaves = jax.tree.leaves(noise)
    # One hidden layer for all, one for each stream, and two layers of outputs.
    assert sorted(leaf.size for leaf in leaves) == [1, 3, 200, *[256] * 7]
    numbers = np.concatenate([np.asarray(leaf) for leaf in leaves])
    assert len(np.unique(numbers)) == numbers.size
    # f(e) ** 2 is |e|, whose mean is sqrt(2 / pi); the deviation of this mean is 0.014.
    np.testing.assert_allclose(np.mean(numbers**2), np.sqrt(2 / np.pi), atol=0.06)
    np.testing.assert_allclose(np.mean(numbers), 0.0, atol=0.09)
    assert np.any(outputs(network, params, x, noise) != outputs(network, params, x, None))
