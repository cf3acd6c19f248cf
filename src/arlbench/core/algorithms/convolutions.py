"""Convolutions whose gradient is fast on a CPU."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp


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
    """The derivative; its transpose, the gradient, consists of products on a CPU.

    Within a loop, XLA's CPU backend computes gradients of convolutions ten times as slowly as
    products of the same size. Forwards, its convolutions are the faster ones.
    """
    (x, kernel), (dx, dkernel) = primals, tangents
    by_kind = {
        "cpu": functools.partial(_as_product, stride=stride),
        "default": functools.partial(_convolution, stride=stride),
    }
    by_x = jax.lax.platform_dependent(dx, kernel, **by_kind)
    by_kernel = jax.lax.platform_dependent(x, dkernel, **by_kind)
    return _convolution(x, kernel, stride), by_x + by_kernel


def _as_product(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    """The same as a product of matrices; the kernel's size is a multiple of the stride.

    Pixels are first joined to blocks of ``stride`` by ``stride``, over which the kernel moves by
    one block in each step, so few copies have to be laid side by side.
    """
    size, _, n_channels, n_features = kernel.shape
    n_blocks = size // stride
    n_rows, n_columns = ((side - size) // stride + 1 for side in x.shape[1:3])
    blocks = _blocks(x, n_rows + n_blocks - 1, n_columns + n_blocks - 1, stride)
    offsets = [(i, j) for i in range(n_blocks) for j in range(n_blocks)]
    seen = [blocks[:, i : i + n_rows, j : j + n_columns] for i, j in offsets]
    inputs = jnp.concatenate(seen, -1).reshape(x.shape[0] * n_rows * n_columns, -1)
    parts = kernel.reshape(n_blocks, stride, n_blocks, stride, n_channels, n_features)
    weights = parts.transpose(0, 2, 1, 3, 4, 5).reshape(-1, n_features)
    return (inputs @ weights).reshape(x.shape[0], n_rows, n_columns, n_features)


def _blocks(x: jax.Array, n_rows: int, n_columns: int, stride: int) -> jax.Array:
    """The first blocks of pixels, ``[B, n_rows, n_columns, stride * stride * C]``."""
    x = x[:, : n_rows * stride, : n_columns * stride]
    parts = x.reshape(x.shape[0], n_rows, stride, n_columns, stride, x.shape[-1])
    return parts.transpose(0, 1, 3, 2, 4, 5).reshape(x.shape[0], n_rows, n_columns, -1)


def _for_flax(x: jax.Array, kernel: jax.Array, strides: Sequence[int], *_: Any, **__: Any) -> Any:
    # The other arguments from flax are those of an ordinary convolution without padding.
    return _convolution(x, kernel, strides[0])


#: :class:`flax.linen.Conv` for square kernels without padding, with another order of work in its
#: gradient. The stride divides the kernel's size.
Conv = functools.partial(nn.Conv, padding="VALID", conv_general_dilated=_for_flax)
