"""The network of the extended space: more layers, norms, dueling streams, noise and heads."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from arlbench.core.algorithms.convolutions import Conv
from arlbench.core.algorithms.dqn.extensions.heads import Categorical, Head, Quantiles, Values
from arlbench.core.algorithms.dqn.extensions.hyperparameters import CATEGORICAL, QUANTILE
from arlbench.core.algorithms.dqn.models import (
    ACTIVATION_FUNCTIONS,
    FRAME_LAYERS,
    GRID_CHANNELS,
    HIDDEN_INIT,
    MAX_PIXEL,
    OUTPUT_INIT,
)
from arlbench.core.algorithms.layers import Dense, product
from arlbench.core.observations import Grid

#: The collection of variables with the noise of noisy layers; without it, they use their mean
#: weights.
NOISE = "noise"

# The names of its variables, and of the parameter that scales it.
_INPUT, _OUTPUT, _SIGMA_KERNEL = "input", "output", "sigma_kernel"

#: The initial standard deviation of the noise in a layer with one input.
_SIGMA = 0.5

#: The side of a square of a grid.
_SIDE = 3

_NONLINEARITIES: dict[str, Callable[[jax.Array], jax.Array]] = {
    **ACTIVATION_FUNCTIONS,
    "gelu": nn.gelu,
    "silu": nn.silu,
    "elu": nn.elu,
}


class NoisyDense(nn.Module):
    """A dense layer with learnt noise in its weights (Fortunato et al. 2018).

    It is ``(w + sigma_w * e_w) x + b + sigma_b * e_b``, with factorised noise.

    The noise of a weight is ``f(e_in) f(e_out)``, where both are normal and
    ``f(e) = sign(e) sqrt(|e|)``. One sample of it serves the whole batch.

    Attributes:
        features: Number of outputs.
    """

    features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Outputs ``[B, features]`` for inputs ``[B, n]``."""
        n = x.shape[-1]
        spread = nn.initializers.constant(_SIGMA / n**0.5, jnp.float32)
        kernel = self.param("kernel", _uniform(n), (n, self.features))
        bias = self.param("bias", _uniform(n), (self.features,))
        sigma_kernel = self.param(_SIGMA_KERNEL, spread, (n, self.features))
        sigma_bias = self.param("sigma_bias", spread, (self.features,))
        if self.has_variable(NOISE, _INPUT):
            noise_in: jax.Array = self.get_variable(NOISE, _INPUT)
            noise_out: jax.Array = self.get_variable(NOISE, _OUTPUT)
            kernel = kernel + sigma_kernel * (noise_in[:, None] * noise_out[None, :])
            bias = bias + sigma_bias * noise_out
        return product(x, kernel) + bias[None, :]


def draw_noise(params: Any, rng: chex.PRNGKey) -> dict[str, Any]:
    """The noise ``f(e)`` of all noisy layers of a network, from one call of the generator.

    Args:
        params: The network's parameters, whose layers it follows.
        rng: The key.
    """
    sizes, treedef = jax.tree.flatten(_noise_sizes(params["params"]))
    numbers = scaled(jax.random.normal(rng, (sum(sizes),), jnp.float32))
    noise: dict[str, Any] = jax.tree.unflatten(
        treedef, jnp.split(numbers, np.cumsum(sizes)[:-1].tolist())
    )
    return noise


def _noise_sizes(layers: Mapping[str, Any]) -> dict[str, Any]:
    """The number of inputs and outputs of each noisy layer, in a tree like that of the layers."""
    if _SIGMA_KERNEL in layers:
        n_inputs, n_outputs = layers[_SIGMA_KERNEL].shape
        return {_INPUT: n_inputs, _OUTPUT: n_outputs}
    inner = {name: layer for name, layer in layers.items() if isinstance(layer, Mapping)}
    return {name: _noise_sizes(layer) for name, layer in inner.items()}


def scaled(noise: jax.Array) -> jax.Array:
    """``sign(e) sqrt(|e|)``."""
    return jnp.sign(noise) * jnp.sqrt(jnp.abs(noise))


def _uniform(n: int) -> Any:
    """Uniform between ``-1 / sqrt(n)`` and ``1 / sqrt(n)``."""

    def init(key: jax.Array, shape: Any, dtype: Any = jnp.float32) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -(n**-0.5), n**-0.5)

    return init


class ExtendedQ(nn.Module):
    """A network with the architecture choices of the extended space.

    Attributes:
        action_dim: Number of actions.
        activation: A name of the extended space's choices.
        hidden_size: Units of each hidden layer.
        n_layers: Hidden layers; convolutions, if there are any, count as one.
        layer_norm: Whether dense hidden layers are normalised.
        dueling: Whether the last hidden layer exists twice, for values and for advantages.
        noisy: Whether dense layers have noise in their weights.
        distribution: The kind of the head.
        n_atoms: Returns of a categorical head.
        v_min: Its smallest return.
        v_max: Its largest return.
        n_quantiles: Returns of a quantile head.
        pictures: Whether it reads frames ``[channels, 84, 84]``.
        grid: The position of a grid of cells in its input; None without a grid.
        discrete: Whether actions are a finite set; a Q-network has an output for each.
    """

    action_dim: int
    activation: str = "tanh"
    hidden_size: int = 64
    n_layers: int = 2
    layer_norm: bool = False
    dueling: bool = False
    noisy: bool = False
    distribution: str = "none"
    n_atoms: int = 51
    v_min: float = -10.0
    v_max: float = 10.0
    n_quantiles: int = 50
    pictures: bool = False
    grid: Grid | None = None
    discrete: bool = True

    @property
    def head(self) -> Head:
        """What the outputs mean."""
        heads: dict[str, Callable[[], Head]] = {
            CATEGORICAL: lambda: Categorical(self.n_atoms, self.v_min, self.v_max),
            QUANTILE: lambda: Quantiles(self.n_quantiles),
        }
        return heads.get(self.distribution, Values)()

    def setup(self) -> None:
        """Makes the layers."""
        n_hidden = self.n_layers
        if self.pictures:
            self.convolutions = [
                Conv(n, side, stride, HIDDEN_INIT) for n, side, stride in FRAME_LAYERS
            ]
            n_hidden -= 1
        elif self.grid is not None:
            self.convolution = Dense(GRID_CHANNELS, kernel_init=HIDDEN_INIT)
            n_hidden -= 1
        n_split = min(n_hidden, 1) if self.dueling else 0
        self.hidden = self._hidden_layers(n_hidden - n_split)
        size = self.head.size or 1
        self.out = self._dense(self.action_dim * size, OUTPUT_INIT)
        if self.dueling:
            self.value_hidden = self._hidden_layers(n_split)
            self.advantage_hidden = self._hidden_layers(n_split)
            self.value_out = self._dense(size, OUTPUT_INIT)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Expected returns ``[B, action_dim]``."""
        return self.head.values(self.outputs(x))

    def outputs(self, x: jax.Array) -> jax.Array:
        """What the head reads, ``[B, action_dim]`` or ``[B, action_dim, N]``."""
        x = _through(self.hidden, self._read(x))
        if not self.dueling:
            return self._by_action(self.out(x))
        advantages = self._by_action(self.out(_through(self.advantage_hidden, x)))
        value = self.value_out(_through(self.value_hidden, x))
        value = value if self.head.size is None else value[:, None, :]
        return value + advantages - jnp.mean(advantages, axis=1, keepdims=True)

    def _read(self, x: jax.Array) -> jax.Array:
        """The input of the first dense layer, ``[B, features]``."""
        act = _NONLINEARITIES[self.activation]
        if self.pictures:
            x = jnp.moveaxis(x.astype(jnp.float32) / MAX_PIXEL, -3, -1)
            for convolution in self.convolutions:
                x = act(convolution(x))
            return x.reshape(x.shape[0], -1)
        if self.grid is None:
            return x
        ends = [self.grid.offset, self.grid.offset + self.grid.size]
        before, cells, after = jnp.split(x, ends, axis=-1)
        seen = act(self.convolution(squares(cells.reshape(-1, *self.grid.shape))))
        return jnp.concatenate([before, seen.reshape(x.shape[0], -1), after], axis=-1)

    def _by_action(self, x: jax.Array) -> jax.Array:
        size = self.head.size
        return x if size is None else x.reshape(x.shape[0], self.action_dim, size)

    def _dense(self, size: int, kernel_init: Any) -> nn.Module:
        return NoisyDense(size) if self.noisy else Dense(size, kernel_init=kernel_init)

    def _hidden_layers(self, n: int) -> list[Any]:
        """Functions from one layer's input to the next one's, each with its own parameters."""
        act = _NONLINEARITIES[self.activation]
        return [
            nn.Sequential(
                [
                    self._dense(self.hidden_size, HIDDEN_INIT),
                    *([nn.LayerNorm()] if self.layer_norm else []),
                    act,
                ]
            )
            for _ in range(n)
        ]


def _through(layers: Any, x: jax.Array) -> jax.Array:
    return functools.reduce(lambda value, layer: layer(value), layers, x)


def squares(cells: jax.Array) -> jax.Array:
    """All squares of 3 x 3 cells, ``[B, height - 2, width - 2, 9 * channels]``."""
    height, width = (side - _SIDE + 1 for side in cells.shape[1:3])
    shifted = [
        cells[:, row : row + height, column : column + width]
        for row in range(_SIDE)
        for column in range(_SIDE)
    ]
    return jnp.concatenate(shifted, axis=-1)


def describe_extended(network: ExtendedQ) -> str:
    """A few words for people about the network."""
    size = f"{network.n_layers} layers of {network.hidden_size} {network.activation} units"
    kinds = {"layer_norm": "layer norm", "dueling": "dueling", "noisy": "noisy"}
    parts = [words for name, words in kinds.items() if getattr(network, name)]
    if network.head.size is not None:
        parts.append(f"{network.head.size} {network.distribution} returns")
    return ", ".join([f"ExtendedQ, {size}", *parts])


def head_of(network: nn.Module) -> Head:
    """The head of a network; published networks give values."""
    return network.head if isinstance(network, ExtendedQ) else Values()


def is_noisy(network: nn.Module) -> bool:
    """Whether a network has noise in its weights."""
    return isinstance(network, ExtendedQ) and network.noisy


def needs_extended_update(network: nn.Module) -> bool:
    """Whether the published update cannot train a network, because of its noise or its head."""
    return is_noisy(network) or not isinstance(head_of(network), Values)


def outputs(
    network: nn.Module, params: Any, features: jax.Array, noise: Mapping[str, Any] | None
) -> jax.Array:
    """What the network's head reads; ``noise`` comes from :func:`draw_noise`, or is None."""
    if not isinstance(network, ExtendedQ):
        return network.apply(params, features)  # type: ignore[return-value]
    variables = params if noise is None else {**params, NOISE: noise}
    return network.apply(variables, features, method="outputs")  # type: ignore[return-value]
