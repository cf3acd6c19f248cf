"""Arrays of actions: their dtype, and random actions."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.errors import ConfigurationError


def action_dtype(space: spaces.Space) -> np.dtype:
    """The dtype of actions in a JAX array: int32 for Discrete, otherwise the space's own dtype."""
    is_index = isinstance(space, spaces.Discrete)
    return np.dtype(jax.dtypes.canonicalize_dtype(np.int32 if is_index else space.dtype))


def action_shapes(space: spaces.Space, *batch: int) -> jax.ShapeDtypeStruct:
    """Shape and dtype of actions, ``[*batch, *space.shape]``."""
    return jax.ShapeDtypeStruct((*batch, *(space.shape or ())), action_dtype(space))


def uniform_actions(space: spaces.Space, n_envs: int, rng: chex.PRNGKey) -> jax.Array:
    """Uniformly random actions.

    Args:
        space: The space of one action.
        n_envs: The number of actions to draw.
        rng: A random key.

    Returns:
        Actions ``[n_envs, *space.shape]``, with the dtype from :func:`action_dtype`.

    Raises:
        ConfigurationError: If the space has no uniform distribution.
    """
    shape, dtype = (like := action_shapes(space, n_envs)).shape, like.dtype
    if isinstance(space, spaces.Discrete):
        first = int(space.start)
        return jax.random.randint(rng, shape, first, first + int(space.n), dtype)
    if isinstance(space, spaces.MultiDiscrete):
        lowest = np.broadcast_to(np.int32(space.start), shape)
        return jax.random.randint(rng, shape, lowest, lowest + np.int32(space.nvec), dtype)
    if isinstance(space, spaces.MultiBinary):
        return jax.random.bernoulli(rng, shape=shape).astype(dtype)
    if isinstance(space, spaces.Box) and _has_real_bounds(space):
        low, high = jnp.asarray(space.low), jnp.asarray(space.high)
        return jax.random.uniform(rng, shape, dtype, low, high)
    raise ConfigurationError(
        f"The actions {space} do not have a uniform distribution; choose the actions yourself, "
        "or give the environment a Box of real numbers with finite bounds."
    )


def _has_real_bounds(space: spaces.Box) -> bool:
    return np.issubdtype(space.dtype, np.floating) and space.is_bounded("both")
