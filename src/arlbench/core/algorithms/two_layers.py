"""The gradient of a small network as one GPU kernel, for one batch of one member at a time.

With many members, XLA writes the nonlinearitys of every layer and member to the card's memory
and reads them again: with 1,024 members, a gradient step takes as long as moving half a
gigabyte. One program of this kernel holds the batch of one member in registers, from
observations to gradients, so only parameters, the batch and gradients are moved. It computes
the gradient that a Q-learning update with target parameters needs, for a network of two hidden
layers.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton

# Products in Triton have at least this many rows and columns.
_LEAST = 16

# The largest batch and layer with which all arrays fit into a multiprocessor's registers.
_MOST = 64

# With four instead of eight warps, a batch of 64 takes 91 instead of 163 microseconds for 1,024
# members (H100), because more members share a multiprocessor.
_WARPS = 4

_LAYERS = ("hidden_0", "hidden_1", "out")


class Batch(NamedTuple):
    """Transitions to learn from, as the network reads them.

    Attributes:
        features: ``[B, n_features]``.
        next_features: ``[B, n_features]``.
        actions: int32 ``[B]``.
        rewards: ``[B]``.
        terminated: 1 if the task ended, otherwise 0, ``[B]``.
        weights: Importance weights, ``[B]``.
    """

    features: jax.Array
    next_features: jax.Array
    actions: jax.Array
    rewards: jax.Array
    terminated: jax.Array
    weights: jax.Array


class Gradient(NamedTuple):
    """The output of the kernel.

    Attributes:
        grads: Gradients, with the shapes of the parameters.
        td_error: TD errors, ``[B]``.
        q_value: Values of the batch's actions, ``[B]``.
    """

    grads: Any
    td_error: jax.Array
    q_value: jax.Array


def fits(n_units: int, n_actions: int, n_features: int, n_transitions: int) -> bool:
    """Whether the kernel can be used for layers, actions, features and batches of these sizes."""
    return (
        max(n_actions, n_features, n_transitions) <= _MOST
        and _LEAST <= n_units <= _MOST
        and n_units & (n_units - 1) == 0
    )


def gradient(
    nonlinearity: str,
    params: Any,
    target_params: Any,
    batch: Batch,
    discount: chex.Numeric,
    interpret: bool = False,
) -> Gradient:
    """The gradient of ``mean(w * 0.5 * td_error^2)`` with respect to the parameters.

    Args:
        nonlinearity: "tanh" or "relu".
        params: The network's parameters, of sizes for which :func:`fits` is true.
        target_params: The parameters from which the target is bootstrapped.
        batch: The transitions to learn from.
        discount: The discount of the next state's value.
        interpret: Whether to run it without a GPU, for tests.
    """
    n = batch.rewards.shape[0]
    vector = jax.ShapeDtypeStruct((n,), jnp.float32)
    leaves = _leaves(params)
    shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves]
    call = pl.pallas_call(
        functools.partial(_kernel, nonlinearity),
        out_shape=[*shapes, vector, vector],
        compiler_params=triton.CompilerParams(num_warps=_WARPS, num_stages=1),
        interpret=interpret,
        name="two_layers_gradient",
    )
    as_array = jnp.asarray(discount, jnp.float32).reshape(1)
    *grads, td_error, q_value = call(*batch, as_array, *leaves, *_leaves(target_params))
    return Gradient(_tree(grads), td_error, q_value)


def _leaves(params: Any) -> list[jax.Array]:
    return [params["params"][layer][name] for layer in _LAYERS for name in ("kernel", "bias")]


def _tree(leaves: Sequence[jax.Array]) -> Any:
    pairs = zip(_LAYERS, leaves[::2], leaves[1::2], strict=True)
    return {"params": {layer: {"kernel": kernel, "bias": bias} for layer, kernel, bias in pairs}}


def _kernel(nonlinearity: str, *refs: Any) -> None:
    """The kernel for one member; ``refs`` are inputs and outputs in the order of the call."""
    inputs, rest = refs[:7], refs[7:]
    params, target, outputs = (rest[i : i + 6] for i in (0, 6, 12))
    td_error_ref, q_value_ref = rest[18:]
    features, next_features, actions, rewards, terminated, weights, discount = inputs
    product = functools.partial(triton.dot, allow_tf32=True)
    n_actions = params[-1].shape[0]

    _, _, next_q = _forward(product, nonlinearity, _matrix(next_features), target)
    possible = jnp.arange(next_q.shape[1]) < n_actions
    best = jnp.max(jnp.where(possible[None, :], next_q, -jnp.inf), axis=1)
    bootstrapped = discount[0] * (1.0 - _vector(terminated)) * best
    targets = _vector(rewards) + bootstrapped

    x = _matrix(features)
    h1, h2, q = _forward(product, nonlinearity, x, params)
    taken = _vector(actions)[:, None] == jnp.arange(q.shape[1])[None, :]
    q_value = jnp.sum(jnp.where(taken, q, 0.0), axis=1)
    td_error = q_value - targets
    _store(td_error_ref, td_error)
    _store(q_value_ref, q_value)

    # Rows past the end of the batch have the weight 0.
    slope = _vector(weights) * td_error / actions.shape[0]
    d3 = jnp.where(taken, slope[:, None], 0.0)
    d2 = product(d3, _matrix(params[4]), trans_b=True) * _derivative(nonlinearity, h2)
    d1 = product(d2, _matrix(params[2]), trans_b=True) * _derivative(nonlinearity, h1)
    for i, (layer_input, d) in enumerate(((x, d1), (h1, d2), (h2, d3))):
        _store(outputs[2 * i], product(layer_input, d, trans_a=True))
        _store(outputs[2 * i + 1], jnp.sum(d, axis=0))


def _forward(
    product: Any, nonlinearity: str, x: jax.Array, params: Sequence[Any]
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The values of both hidden layers and of the output, for a batch of features."""
    act = {"tanh": jnp.tanh, "relu": lambda y: jnp.maximum(y, 0.0)}[nonlinearity]
    h1 = act(product(x, _matrix(params[0])) + _vector(params[1])[None, :])
    h2 = act(product(h1, _matrix(params[2])) + _vector(params[3])[None, :])
    return h1, h2, product(h2, _matrix(params[4])) + _vector(params[5])[None, :]


def _derivative(nonlinearity: str, h: jax.Array) -> jax.Array:
    """The nonlinearity's derivative, computed from the nonlinearity's value."""
    return 1.0 - h * h if nonlinearity == "tanh" else jnp.where(h > 0, 1.0, 0.0)


def _padded(size: int) -> int:
    """The next power of two that Triton can multiply."""
    return max(_LEAST, 1 << (size - 1).bit_length())


def _vector(ref: Any) -> jax.Array:
    """Loads a vector, padded with zeros."""
    i = jnp.arange(_padded(ref.shape[0]))
    return triton.load(ref.at[i], mask=i < ref.shape[0], other=0)


def _matrix(ref: Any) -> jax.Array:
    """Loads a matrix, padded with zeros."""
    at, mask = _places(ref)
    return triton.load(ref.at[at], mask=mask, other=0.0)


def _store(ref: Any, value: jax.Array) -> None:
    """Stores a padded vector or matrix without its padding."""
    if len(ref.shape) == 1:
        i = jnp.arange(value.shape[0])
        triton.store(ref.at[i], value, mask=i < ref.shape[0])
        return
    at, mask = _places(ref)
    triton.store(ref.at[at], value, mask=mask)


def _places(ref: Any) -> tuple[Any, jax.Array]:
    """Indices of a padded matrix, and whether they are within it."""
    rows, columns = (jnp.arange(_padded(size)) for size in ref.shape)
    mask = (rows < ref.shape[0])[:, None] & (columns < ref.shape[1])[None, :]
    return (rows[:, None], columns[None, :]), mask
