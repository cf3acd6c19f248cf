"""Q-Networks for DQN."""

from __future__ import annotations

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from arlbench.core.algorithms.convolutions import Conv
from arlbench.core.algorithms.layers import Dense

ACTIVATION_FUNCTIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "tanh": nn.tanh,
    "relu": nn.relu,
}

#: Possible names for ``activation``.
ACTIVATIONS = tuple(ACTIVATION_FUNCTIONS)

#: The value of the brightest pixel; CNNQ divides by it to scale images to [0, 1].
MAX_PIXEL = 255.0

#: Filters, size and stride of the convolutions over frames (Mnih et al. 2015).
FRAME_LAYERS = ((32, 8, 4), (64, 4, 2), (64, 3, 1))

#: Features of each square of a grid (Young and Tian 2019).
GRID_CHANNELS = 16

HIDDEN_INIT = nn.initializers.orthogonal(2**0.5)
OUTPUT_INIT = nn.initializers.orthogonal(1.0)


class MLPQ(nn.Module):
    """A network with two hidden layers.

    Attributes:
        action_dim: Number of actions.
        activation: "tanh" or "relu".
        hidden_size: Units of each hidden layer.
        discrete: Whether actions are a finite set; a Q-network has an output for each.
    """

    action_dim: int
    activation: str = "tanh"
    hidden_size: int = 64
    discrete: bool = True

    def setup(self) -> None:
        """Makes the layers."""
        self.hidden = [Dense(self.hidden_size, kernel_init=HIDDEN_INIT) for _ in range(2)]
        self.out = Dense(self.action_dim, kernel_init=OUTPUT_INIT)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Values ``[..., action_dim]`` for observations ``[..., features]``."""
        for layer in self.hidden:
            x = ACTIVATION_FUNCTIONS[self.activation](layer(x))
        return self.out(x)


class CNNQ(nn.Module):
    """The convolutional network of Mnih et al. (2015), for stacked frames of 84 x 84.

    Attributes:
        action_dim: Number of actions.
        activation: "tanh" or "relu".
        hidden_size: Units of the hidden layer after the convolutions.
        discrete: Whether actions are a finite set; a Q-network has an output for each.
    """

    action_dim: int
    activation: str = "tanh"
    hidden_size: int = 512
    discrete: bool = True

    def setup(self) -> None:
        """Makes the layers."""
        self.convolutions = [
            Conv(features, size, stride, HIDDEN_INIT) for features, size, stride in FRAME_LAYERS
        ]
        self.hidden = Dense(self.hidden_size, kernel_init=HIDDEN_INIT)
        self.out = Dense(self.action_dim, kernel_init=OUTPUT_INIT)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Values ``[B, action_dim]`` for frames ``[B, channels, 84, 84]`` from 0 to 255."""
        activation = ACTIVATION_FUNCTIONS[self.activation]
        x = jnp.moveaxis(x.astype(jnp.float32) / MAX_PIXEL, -3, -1)
        for convolution in self.convolutions:
            x = activation(convolution(x))
        x = activation(self.hidden(x.reshape(*x.shape[:-3], -1)))
        return self.out(x)
