"""Convolutions whose gradient is fast on a CPU."""

from __future__ import annotations

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from arlbench.core.algorithms.layers import transposed_first


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _convolution(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """``x [B, H, W, C]`` convolved with ``kernel [k, k, C, F]``, without padding."""
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(
        x, kernel, (stride, stride), "VALID", dimension_numbers=numbers
    )


@_convolution.defjvp
def _derivative(
    stride: int, primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """The derivative; on a CPU its transpose, the gradient, consists of products of matrices.

    Within a loop, XLA's CPU backend computes gradients of convolutions ten times as slowly as
    products of the same size. In the forward pass, its convolutions are faster than products.
    """
    (x, kernel), (dx, dkernel) = primals, tangents
    elsewhere = functools.partial(_convolution, stride=stride)
    by_x, by_kernel = (
        jax.lax.platform_dependent(
            *factors, cpu=functools.partial(_as_product, stride, multiply), default=elsewhere
        )
        for factors, multiply in (((dx, kernel), jnp.matmul), ((x, dkernel), transposed_first))
    )
    return _convolution(x, kernel, stride), by_x + by_kernel


def _as_product(
    stride: int,
    multiply: Callable[[jax.Array, jax.Array], jax.Array],
    x: jax.Array,
    kernel: jax.Array,
) -> jax.Array:
    """The convolution as products of matrices; the kernel's size is a multiple of the stride.

    Pixels are first joined to blocks of ``stride`` by ``stride``, over which the kernel moves by
    one block in each step. Each block of the kernel then has one product.
    """
    size, _, n_channels, n_features = kernel.shape
    n_blocks = size // stride
    n_rows, n_columns = ((side - size) // stride + 1 for side in x.shape[1:3])
    blocks = _blocks(x, n_rows + n_blocks - 1, n_columns + n_blocks - 1, stride)
    parts = kernel.reshape(n_blocks, stride, n_blocks, stride, n_channels, n_features)
    weights = parts.transpose(0, 2, 1, 3, 4, 5).reshape(n_blocks, n_blocks, -1, n_features)
    offsets = [(i, j) for i in range(n_blocks) for j in range(n_blocks)]
    seen = [blocks[:, i : i + n_rows, j : j + n_columns] for i, j in offsets]
    products = [
        multiply(inputs.reshape(-1, inputs.shape[-1]), weights[offset])
        for inputs, offset in zip(seen, offsets, strict=True)
    ]
    total = functools.reduce(jnp.add, products)
    return total.reshape(x.shape[0], n_rows, n_columns, n_features)


def _blocks(x: jax.Array, n_rows: int, n_columns: int, stride: int) -> jax.Array:
    """The first blocks of pixels, ``[B, n_rows, n_columns, stride * stride * C]``."""
    x = x[:, : n_rows * stride, : n_columns * stride]
    parts = x.reshape(x.shape[0], n_rows, stride, n_columns, stride, x.shape[-1])
    return parts.transpose(0, 1, 3, 2, 4, 5).reshape(x.shape[0], n_rows, n_columns, -1)


@jax.custom_jvp
def _with_bias(x: jax.Array, bias: jax.Array) -> jax.Array:
    """``x [B, H, W, F]`` plus ``bias [F]``."""
    return x + bias.reshape(1, 1, 1, -1)


@_with_bias.defjvp
def _derivative_with_bias(
    primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """The derivative; on a CPU its transpose, the gradient, sums over pixels by a product.

    The order of an ordinary sum would depend on the number of threads there.
    """
    (x, bias), (dx, dbias) = primals, tangents
    by_kind = {
        "cpu": lambda row: jnp.ones((x.size // x.shape[-1], 1), x.dtype) @ row,
        "default": lambda row: jnp.broadcast_to(row, (x.size // x.shape[-1], x.shape[-1])),
    }
    by_bias = jax.lax.platform_dependent(dbias.reshape(1, -1), **by_kind)
    return _with_bias(x, bias), dx + by_bias.reshape(x.shape)


class Conv(nn.Module):
    """:class:`flax.linen.Conv` without padding, with a gradient that is faster on a CPU.

    Attributes:
        features: Channels of the output.
        size: Pixels on each side of the kernel, a multiple of the stride.
        stride: Pixels by which the kernel moves.
        kernel_init: How the kernel is initialised.
    """

    features: int
    size: int
    stride: int
    kernel_init: Callable[..., jax.Array] = nn.linear.default_kernel_init

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """``[..., H, W, C]`` convolved to ``[..., H', W', features]``."""
        shape = (self.size, self.size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        out = _with_bias(_convolution(x.reshape(-1, *x.shape[-3:]), kernel, self.stride), bias)
        return out.reshape(*x.shape[:-3], *out.shape[1:])
