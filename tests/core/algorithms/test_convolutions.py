"""Convolutions equal flax's own, forwards and in their gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.convolutions import Conv

# Those of the network of Mnih et al. (2015), and sides that the stride does not divide.
CASES = [
    *(pytest.param(*case, marks=pytest.mark.thorough) for case in [(8, 4, 84, 4), (4, 2, 20, 3)]),
    (3, 1, 9, 5),
    (4, 2, 11, 1),
]


def pair(size: int, stride: int, features: int) -> tuple[nn.Module, nn.Module]:
    shape, strides = (size, size), (stride, stride)
    return Conv(features, size, stride), nn.Conv(features, shape, strides, "VALID")


@pytest.mark.parametrize(("size", "stride", "side", "channels"), CASES)
def test_values_and_gradients_are_those_of_flax(size, stride, side, channels) -> None:
    ours, flax = pair(size, stride, features=6)
    x = jax.random.normal(jax.random.key(0), (3, side, side + 2, channels))
    params = jax.jit(flax.init)(jax.random.key(1), x)

    def loss(network: nn.Module, params, x) -> tuple[jax.Array, jax.Array]:
        values = network.apply(params, x)
        return jnp.mean(jnp.sin(values)), values

    (own, own_values), (other, other_values) = (
        jax.jit(jax.grad(functools.partial(loss, network), argnums=(0, 1), has_aux=True))(params, x)
        for network in (ours, flax)
    )
    np.testing.assert_array_equal(own_values, other_values)
    for found, expected in zip(jax.tree.leaves(own), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_parameters_are_those_of_flax() -> None:
    ours, flax = pair(4, 2, features=6)
    x = jnp.zeros((1, 8, 8, 2))
    made, wanted = ours.init(jax.random.key(0), x), flax.init(jax.random.key(0), x)
    jax.tree.map(np.testing.assert_array_equal, made, wanted)


def test_members_of_a_batch_are_convolved_each_with_its_own_kernel() -> None:
    ours, flax = pair(4, 2, features=3)
    x = jax.random.normal(jax.random.key(0), (2, 5, 8, 8, 2))
    keys = jax.random.split(jax.random.key(1), 2)
    params = jax.jit(jax.vmap(lambda key: flax.init(key, x[0])))(keys)

    def gradient(network: nn.Module) -> Callable[..., Any]:
        return jax.grad(lambda params, x: jnp.sum(network.apply(params, x) ** 2))

    together = jax.jit(jax.vmap(gradient(ours)))(params, x)
    for i in range(2):
        own = jax.tree.map(lambda leaf, i=i: leaf[i], params)
        alone = jax.jit(gradient(flax))(own, x[i])
        for left, right in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(left[i], right, rtol=1e-4, atol=1e-4)
