"""From observations as environments give them to what a network reads."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.errors import UnknownEnvironmentError


def encode(space: spaces.Space, obs: Any, images: bool = False) -> jax.Array:
    """Observations as float32 features.

    Args:
        space: The space of one observation. Categories become one-hot vectors, the
            parts of a composed space are joined in its order.
        obs: A batch, leaves ``[B, ...]``.
        images: Keep the shape of a box instead of flattening it.

    Returns:
        ``[B, features]``, or ``[B, *shape]`` for images.

    Raises:
        UnknownEnvironmentError: If a network cannot read observations of this kind.
    """
    if isinstance(space, spaces.Box):
        values = jnp.asarray(obs).astype(jnp.float32)
        return values if images else values.reshape(values.shape[0], -1)
    if images:
        raise UnknownEnvironmentError(
            "A convolutional network needs images, and these observations are "
            f"{type(space).__name__}; set cnn_policy=False."
        )
    if isinstance(space, spaces.Discrete):
        return jax.nn.one_hot(obs - int(space.start), int(space.n))
    if isinstance(space, spaces.MultiBinary):
        return jnp.asarray(obs).astype(jnp.float32).reshape(obs.shape[0], -1)
    if isinstance(space, spaces.MultiDiscrete):
        columns = np.cumsum(space.nvec.ravel()) - space.nvec.ravel()
        flat = jnp.asarray(obs).reshape(obs.shape[0], -1) - space.start.ravel()[None]
        return jnp.sum(jax.nn.one_hot(flat + columns[None], int(space.nvec.sum())), axis=1)
    if isinstance(space, spaces.Dict):
        return _join([encode(part, obs[key]) for key, part in space.items()])
    if isinstance(space, spaces.Tuple):
        return _join([encode(part, x) for part, x in zip(space, obs, strict=True)])
    raise UnknownEnvironmentError(
        f"Observations of the kind {type(space).__name__} cannot be fed to a network; wrap the "
        "environment so that it gives a Box, a Discrete or a combination of them."
    )


def _join(parts: list[jax.Array]) -> jax.Array:
    return jnp.concatenate(parts, axis=-1)
