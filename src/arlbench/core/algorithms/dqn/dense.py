"""Dense layers whose gradient is quick on a CPU."""

from __future__ import annotations

import functools
from typing import Any

import flax.linen as nn
import jax


@jax.custom_vjp
def _dense(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """``x [..., n_in]`` times ``kernel [n_in, n_out]``."""
    return x @ kernel


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _dense(x, kernel), (x, kernel)


def _backward(kept: tuple[jax.Array, jax.Array], g: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, kernel = kept
    rows = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    kernel_grad = jax.lax.platform_dependent(*rows, cpu=_transposed_first, default=_at_once)
    return g @ kernel.T, kernel_grad


_dense.defvjp(_forward, _backward)


def _at_once(x: jax.Array, g: jax.Array) -> jax.Array:
    """``x.T @ g`` of ``x [B, n_in]`` and ``g [B, n_out]``."""
    return x.T @ g


def _transposed_first(x: jax.Array, g: jax.Array) -> jax.Array:
    """The same, with the narrower of the two transposed in memory before the product.

    XLA's CPU backend runs a product over the rows of both sides at half to a twentieth
    of the speed of an ordinary one, and would merge the transposition into it.
    """
    n_in, n_out = x.shape[-1], g.shape[-1]
    if n_in <= n_out:
        return jax.lax.optimization_barrier(x.T) @ g
    return jax.lax.optimization_barrier(jax.lax.optimization_barrier(g.T) @ x).T


def _product(x: jax.Array, kernel: jax.Array, *_: Any, **__: Any) -> jax.Array:
    # What flax also passes says which axes to contract, always the last with the first.
    return _dense(x, kernel)


#: :class:`flax.linen.Dense`, but for the order of work in its gradient.
Dense = functools.partial(nn.Dense, dot_general=_product)
