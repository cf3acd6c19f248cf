"""A gradient step of a small network as one GPU kernel, for one batch of one member at a time.

With many members, XLA writes the nonlinearities of every layer and member to the card's memory
and reads them again: with 1,024 members, a gradient step takes as long as moving half a
gigabyte. One program of this kernel holds the batch of one member in registers, from
observations to new parameters, so that only parameters, Adam's moments and the batch are moved. It
takes the step of a Q-learning update with target parameters, for a network of two hidden layers.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
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

# With four instead of eight warps, an iteration of 1,024 members takes 250 instead of 314
# microseconds (H100), because more members share a multiprocessor; with two it takes 413.
_WARPS = 4

_LAYERS = ("hidden_0", "hidden_1", "out")

# A kernel and a bias for each layer.
_N_LEAVES = 2 * len(_LAYERS)


class Batch(NamedTuple):
    """Transitions to learn from, as the network reads them.

    Attributes:
        features: ``[B, n_features]``.
        next_features: ``[B, n_features]``.
        actions: int32 ``[B]``.
        rewards: ``[B]``.
        discount: The factor of the next state's value, ``[B]``.
        weights: Importance weights, ``[B]``.
    """

    features: jax.Array
    next_features: jax.Array
    actions: jax.Array
    rewards: jax.Array
    discount: jax.Array
    weights: jax.Array


class Adam(NamedTuple):
    """Adam's constants for one step (Kingma and Ba 2015), each ``[]``.

    Attributes:
        step_size: The learning rate.
        b1: The decay of the first moment.
        b2: The decay of the second moment.
        eps: Added to the square root.
        eps_root: Added within the square root.
        scale_1: The factor that corrects the bias of the first moment, ``1 / (1 - b1^t)``.
        scale_2: The factor that corrects the bias of the second moment, ``1 / (1 - b2^t)``.
    """

    step_size: chex.Numeric
    b1: chex.Numeric
    b2: chex.Numeric
    eps: chex.Numeric
    eps_root: chex.Numeric
    scale_1: chex.Numeric
    scale_2: chex.Numeric


class Step(NamedTuple):
    """The outcome of a gradient step.

    Attributes:
        params: The new parameters.
        mu: Adam's new first moments, like the parameters.
        nu: Adam's new second moments, like the parameters.
        td_error: Values minus targets, before the step, ``[B]``.
        q_value: Values of the batch's actions, before the step, ``[B]``.
        grads: Gradients, like the parameters; None if they were not asked for.
    """

    params: Any
    mu: Any
    nu: Any
    td_error: jax.Array
    q_value: jax.Array
    grads: Any


class Nonlinearity(NamedTuple):
    """A nonlinearity.

    Attributes:
        value: Its value.
        slope: Its derivative, computed from its value.
    """

    value: Callable[[jax.Array], jax.Array]
    slope: Callable[[jax.Array], jax.Array]


def fits(n_units: int, n_actions: int, n_features: int, n_transitions: int) -> bool:
    """Whether the kernel can be used for layers, actions, features and batches of these sizes."""
    return (
        max(n_actions, n_features, n_transitions) <= _MOST
        and _LEAST <= n_units <= _MOST
        and n_units & (n_units - 1) == 0
    )


def step(
    nonlinearity: str,
    params: Any,
    target_params: Any,
    moments: tuple[Any, Any],
    batch: Batch,
    adam: Adam,
    active: chex.Numeric = True,
    with_grads: bool = False,
    interpret: bool = False,
) -> Step:
    """One step of Adam along the gradient of ``mean(w * 0.5 * td_error^2)``.

    Args:
        nonlinearity: "tanh" or "relu".
        params: The network's parameters, of sizes for which :func:`fits` is true.
        target_params: The parameters from which the target is bootstrapped.
        moments: Adam's first and second moments, each like the parameters.
        batch: The transitions to learn from.
        adam: Adam's constants.
        active: Whether the step counts, bool ``[]``; if not, parameters and moments do not change.
        with_grads: Whether to return the gradients too.
        interpret: Whether to run it without a GPU, for tests.
    """
    vector = jax.ShapeDtypeStruct(batch.rewards.shape, jnp.float32)
    learnt = [leaf for tree in (params, *moments) for leaf in _leaves(tree)]
    shapes = [jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in learnt]
    n_before = len(batch) + 1
    call = pl.pallas_call(
        functools.partial(_step_kernel, _nonlinearity(nonlinearity, exact=interpret)),
        out_shape=[*shapes, vector, vector, *shapes[: _N_LEAVES * with_grads]],
        compiler_params=triton.CompilerParams(num_warps=_WARPS, num_stages=1),
        # In place: all these arrays together are most of what a step moves.
        input_output_aliases={n_before + i: i for i in range(len(learnt))},
        interpret=interpret,
        name="two_layers_step",
    )
    numbers = jnp.stack([jnp.asarray(x, jnp.float32) for x in (active, *adam)])
    outputs = call(*batch, numbers, *learnt, *_leaves(target_params))
    new_params, mu, nu = (_tree(outputs[i * _N_LEAVES :][:_N_LEAVES]) for i in range(3))
    td_error, q_value, *grads = outputs[len(learnt) :]
    return Step(new_params, mu, nu, td_error, q_value, _tree(grads) if with_grads else None)


def follow(params: Any, target_params: Any, share: chex.Numeric, interpret: bool = False) -> Any:
    """Moves the target parameters towards the parameters by a share of the distance.

    Where the share is 0, as in most iterations, nothing is read or written.

    Args:
        params: The network's parameters, of sizes for which :func:`fits` is true.
        target_params: The target parameters.
        share: From 0 to 1, ``[]``.
        interpret: Whether to run it without a GPU, for tests.
    """
    leaves = _leaves(target_params)
    call = pl.pallas_call(
        _follow_kernel,
        out_shape=[jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves],
        compiler_params=triton.CompilerParams(num_warps=_WARPS, num_stages=1),
        input_output_aliases={1 + i: i for i in range(_N_LEAVES)},
        interpret=interpret,
        name="two_layers_follow",
    )
    as_array = jnp.asarray(share, jnp.float32).reshape(1)
    return _tree(call(as_array, *leaves, *_leaves(params)))


def _leaves(params: Any) -> list[jax.Array]:
    return [params["params"][layer][name] for layer in _LAYERS for name in ("kernel", "bias")]


def _tree(leaves: Sequence[jax.Array]) -> Any:
    pairs = zip(_LAYERS, leaves[::2], leaves[1::2], strict=True)
    return {"params": {layer: {"kernel": kernel, "bias": bias} for layer, kernel, bias in pairs}}


def _step_kernel(nonlinearity: Nonlinearity, *refs: Any) -> None:
    """The kernel for one member; ``refs`` are inputs and outputs in the order of the call."""
    batch, numbers, rest = Batch(*refs[:6]), refs[6], refs[7:]
    before, target, after = (
        rest[: 3 * _N_LEAVES],
        rest[3 * _N_LEAVES :][:_N_LEAVES],
        rest[4 * _N_LEAVES :],
    )
    td_error_ref, q_value_ref, *grads_refs = after[3 * _N_LEAVES :]
    active, adam = numbers[0] > 0, Adam(*(numbers[1 + i] for i in range(7)))
    targets = _targets(nonlinearity, batch, target)
    grads, td_error, q_value = _gradient(nonlinearity, batch, before[:_N_LEAVES], targets)
    _store(td_error_ref, td_error)
    _store(q_value_ref, q_value)
    for i, grad in enumerate(grads):
        places = slice(i, 3 * _N_LEAVES, _N_LEAVES)
        stepped = _adam(adam, grad, *map(_load, before[places]))
        for ref, value in zip(after[places], stepped, strict=True):
            _store(ref, value, active)
        if grads_refs:
            _store(grads_refs[i], grad)


def _follow_kernel(share_ref: Any, *refs: Any) -> None:
    """Moves the target of one member; ``refs`` are target, parameters and new target."""
    share = share_ref[0]
    moves = share > 0
    for i in range(_N_LEAVES):
        target, params = (_load(refs[i + j * _N_LEAVES], moves) for j in (0, 1))
        _store(refs[i + 2 * _N_LEAVES], target + share * (params - target), moves)


def _targets(nonlinearity: Nonlinearity, batch: Batch, target: Sequence[Any]) -> jax.Array:
    """The targets of a batch, padded with zeros."""
    n_actions = target[-1].shape[0]
    _, _, next_q = _forward(nonlinearity, _load(batch.next_features), target)
    possible = jnp.arange(next_q.shape[1]) < n_actions
    best = jnp.max(jnp.where(possible[None, :], next_q, -jnp.inf), axis=1)
    return _load(batch.rewards) + _load(batch.discount) * best


def _gradient(
    nonlinearity: Nonlinearity, batch: Batch, params: Sequence[Any], targets: jax.Array
) -> tuple[list[jax.Array], jax.Array, jax.Array]:
    """Gradients in the order of the leaves, TD errors, and values of the actions taken."""
    x = _load(batch.features)
    h1, h2, q = _forward(nonlinearity, x, params)
    taken = _load(batch.actions)[:, None] == jnp.arange(q.shape[1])[None, :]
    q_value = jnp.sum(jnp.where(taken, q, 0.0), axis=1)
    td_error = q_value - targets
    # Rows past the end of the batch have the weight 0.
    slope = _load(batch.weights) * td_error / batch.actions.shape[0]
    d3 = jnp.where(taken, slope[:, None], 0.0)
    d2 = _product(d3, _load(params[4]), trans_b=True) * nonlinearity.slope(h2)
    d1 = _product(d2, _load(params[2]), trans_b=True) * nonlinearity.slope(h1)
    grads = []
    for layer_input, d in ((x, d1), (h1, d2), (h2, d3)):
        grads += [_product(layer_input, d, trans_a=True), jnp.sum(d, axis=0)]
    return grads, td_error, q_value


def _adam(
    adam: Adam, grad: jax.Array, value: jax.Array, mu: jax.Array, nu: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The new values and moments of one leaf."""
    mu = adam.b1 * mu + (1.0 - adam.b1) * grad
    nu = adam.b2 * nu + (1.0 - adam.b2) * grad * grad
    root = jnp.sqrt(nu * adam.scale_2 + adam.eps_root)
    return value - adam.step_size * (mu * adam.scale_1) / (root + adam.eps), mu, nu


def _forward(
    nonlinearity: Nonlinearity, x: jax.Array, params: Sequence[Any]
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The values of both hidden layers and of the output, for a batch of features."""
    act = nonlinearity.value
    h1 = act(_product(x, _load(params[0])) + _load(params[1])[None, :])
    h2 = act(_product(h1, _load(params[2])) + _load(params[3])[None, :])
    return h1, h2, _product(h2, _load(params[4])) + _load(params[5])[None, :]


_product = functools.partial(triton.dot, allow_tf32=True)


def _nonlinearity(name: str, exact: bool) -> Nonlinearity:
    """The nonlinearity with this name; ``exact`` if no GPU computes it.

    A GPU's own tanh has about as many correct digits as products in TF32. With the exact one, the
    kernel takes 180 instead of 116 microseconds for 1,024 members (H100).
    """
    if name == "relu":
        return Nonlinearity(lambda x: jnp.maximum(x, 0.0), lambda h: jnp.where(h > 0, 1.0, 0.0))
    return Nonlinearity(jnp.tanh if exact else triton.approx_tanh, lambda h: 1.0 - h * h)


def _padded(size: int) -> int:
    """The next power of two that Triton can multiply."""
    return max(_LEAST, 1 << (size - 1).bit_length())


def _load(ref: Any, wanted: jax.Array | None = None) -> jax.Array:
    """Loads a vector or matrix, padded with zeros; only zeros if it is not wanted."""
    at, mask = _places(ref, wanted)
    return triton.load(ref.at[at], mask=mask, other=0)


def _store(ref: Any, value: jax.Array, wanted: jax.Array | None = None) -> None:
    """Stores a padded vector or matrix without its padding, if it is wanted."""
    at, mask = _places(ref, wanted)
    triton.store(ref.at[at], value, mask=mask)


def _places(ref: Any, wanted: jax.Array | None) -> tuple[Any, jax.Array]:
    """Indices of a padded vector or matrix, and which of them are within it and wanted."""
    at = [jnp.arange(_padded(size)) for size in ref.shape]
    within = [i < size for i, size in zip(at, ref.shape, strict=True)]
    if len(at) == 2:
        at = [at[0][:, None], at[1][None, :]]
        within = [within[0][:, None] & within[1][None, :]]
    return tuple(at), within[0] if wanted is None else within[0] & wanted
