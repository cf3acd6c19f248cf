"""Chooses the network for an environment's observations."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from gymnasium import spaces

from arlbench.core.algorithms.dqn.extensions import registry
from arlbench.core.algorithms.dqn.extensions.networks import ExtendedQ, describe_extended, squares
from arlbench.core.algorithms.dqn.models import (
    ACTIVATION_FUNCTIONS,
    CNNQ,
    GRID_CHANNELS,
    HIDDEN_INIT,
    MLPQ,
    OUTPUT_INIT,
)
from arlbench.core.algorithms.layers import Dense
from arlbench.core.checks import true_or_false
from arlbench.core.environments import Environment
from arlbench.core.logs import info_once
from arlbench.core.observations import GRID_SIDES, Grid, find_grid
from arlbench.errors import UnknownEnvironmentError

_log = logging.getLogger(__name__)


class GridQ(nn.Module):
    """A small convolutional network for grids of cells, after Young and Tian (2019).

    A convolution computes 16 features for each square of 3 x 3 cells; a hidden layer reads
    these and everything that is not in the grid.

    Attributes:
        action_dim: Number of actions.
        grid: The position of the grid in the features.
        activation: "tanh" or "relu".
        hidden_size: Units of the hidden layer.
        discrete: Whether actions are a finite set; a Q-network has an output for each.
    """

    action_dim: int
    grid: Grid
    activation: str = "tanh"
    hidden_size: int = 64
    discrete: bool = True

    def setup(self) -> None:
        """Makes the layers."""
        self.convolution = Dense(GRID_CHANNELS, kernel_init=HIDDEN_INIT)
        self.hidden = Dense(self.hidden_size, kernel_init=HIDDEN_INIT)
        self.out = Dense(self.action_dim, kernel_init=OUTPUT_INIT)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Values ``[B, action_dim]`` for features ``[B, features]``."""
        activation = ACTIVATION_FUNCTIONS[self.activation]
        before, cells, after = jnp.split(
            x, [self.grid.offset, self.grid.offset + self.grid.size], axis=-1
        )
        # A matrix product over patches, because on a CPU the gradient of XLA's convolution
        # takes up to eight times as long.
        patches = squares(cells.reshape(-1, *self.grid.shape))
        seen = activation(self.convolution(patches)).reshape(x.shape[0], -1)
        return self.out(activation(self.hidden(jnp.concatenate([before, seen, after], axis=-1))))


# With a smaller side, less than one pixel would be left after the three convolutions of CNNQ.
_SMALLEST_IMAGE = 36


def choose(env: Environment, cnn_policy: bool, nas_config: Mapping[str, Any]) -> nn.Module:
    """The Q-network for an environment.

    Without ``cnn_policy`` it is :class:`MLPQ`; with it, :class:`CNNQ` for pictures
    ``[channels, height, width]`` and :class:`GridQ` for a small grid of cells. For choices that
    only the extended space has, it is :class:`ExtendedQ`.

    Raises:
        ConfigurationError: If ``cnn_policy`` is neither True nor False.
        UnknownEnvironmentError: If no convolutional network can read the observations.
    """
    network = _choose(env, true_or_false("cnn_policy", cnn_policy), nas_config)
    info_once(_log, f"{describe(network)} reads {env.env_name}")
    return network


def _choose(env: Environment, cnn_policy: bool, nas_config: Mapping[str, Any]) -> nn.Module:
    n_actions = int(env.action_space.n)  # type: ignore[attr-defined]
    extended = registry.is_extended(nas_config)
    published = {name: nas_config[name] for name in ("activation", "hidden_size")}
    if not cnn_policy:
        return ExtendedQ(n_actions, **nas_config) if extended else MLPQ(n_actions, **published)
    if _is_picture(env.observation_space):
        if extended:
            return ExtendedQ(n_actions, **nas_config, pictures=True)
        return CNNQ(n_actions, **published)
    grid = find_grid(env.observation_space)
    if grid is not None:
        if extended:
            return ExtendedQ(n_actions, **nas_config, grid=grid)
        return GridQ(n_actions, grid, **published)
    space = env.observation_space
    kind = f"{type(space).__name__} of shape {space.shape}" if space.shape else type(space).__name__
    if _is_picture(space, rows=0):
        raise UnknownEnvironmentError(
            f"A convolutional network reads pictures with the channels first, but those of "
            f"{env.env_name} ({kind}) have them last; put the wrapper transpose around it "
            "(--wrap transpose, or TransposeObservation), or set cnn_policy=False."
        )
    raise UnknownEnvironmentError(
        f"No convolutional network can read the observations of {env.env_name} ({kind}): they are "
        f"neither pictures (channels, height, width) of at least {_SMALLEST_IMAGE} pixels a side "
        f"nor one grid (height, width) of {GRID_SIDES[0]} to {GRID_SIDES[-1]} cells a side; set "
        "cnn_policy=False."
    )


def _is_picture(space: spaces.Space, rows: int = 1) -> bool:
    """Whether a space contains pictures; ``rows`` is the first of the two axes of pixels."""
    return (
        isinstance(space, spaces.Box)
        and len(space.shape) == 3
        and min(space.shape[rows : rows + 2]) >= _SMALLEST_IMAGE
    )


def reads_pictures(network: nn.Module) -> bool:
    """Whether this network reads observations in their original shape."""
    return isinstance(network, CNNQ) or (isinstance(network, ExtendedQ) and network.pictures)


def describe(network: nn.Module) -> str:
    """A few words for people about the network."""
    if isinstance(network, ExtendedQ):
        return describe_extended(network)
    size = f"{network.hidden_size} {network.activation} units"  # type: ignore[attr-defined]
    if isinstance(network, GridQ):
        cells = " x ".join(map(str, network.grid.shape))
        return f"GridQ, a convolution over a grid of {cells} and {size}"
    if isinstance(network, CNNQ):
        return f"CNNQ, three convolutions over pictures and {size}"
    return f"MLPQ, two layers of {size}"
