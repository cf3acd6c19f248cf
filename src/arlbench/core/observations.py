"""Converts observations of environments to the input of a network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.errors import ConfigurationError, UnknownEnvironmentError

#: The entry of a ``Dict`` observation that says which actions are legal; it is not a feature.
ACTION_MASK = "action_mask"

#: Allowed sides of a grid of cells; anything larger is a picture.
GRID_SIDES = range(3, 36)


class Grid(NamedTuple):
    """The position of a grid of cells among flat features.

    Attributes:
        shape: Height, width and number of features of a cell.
        offset: Number of features before the grid.
    """

    shape: tuple[int, int, int]
    offset: int

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


def encode(space: spaces.Space, obs: Any, images: bool = False) -> jax.Array:
    """Observations as float32 features.

    Args:
        space: The space of one observation. Categories become one-hot vectors. The parts of a
            composed space are joined in their order, without an action mask.
        obs: A batch, with leaves ``[B, ...]``.
        images: Keep the shape of a box instead of flattening it.

    Returns:
        ``[B, features]``, or ``[B, *shape]`` for images.

    Raises:
        UnknownEnvironmentError: If a network cannot read observations of this kind.
        ConfigurationError: If they have more or fewer entries than their space.
    """
    if images and isinstance(space, spaces.Box):
        return jnp.asarray(obs).astype(jnp.float32)
    if images:
        raise UnknownEnvironmentError(
            "A convolutional network needs images, but these observations are "
            f"{type(space).__name__}; set cnn_policy=False."
        )
    parts = [_flat(part, x) for part, x in _parts(space, obs)]
    if not parts:
        raise UnknownEnvironmentError(
            "The observations consist only of an action mask; a network needs other entries too."
        )
    features = parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)
    if features.shape[-1] == 0:
        raise UnknownEnvironmentError(
            "The observations have no entries; a network needs at least one, even if it is always "
            "the same."
        )
    return features


def action_mask(space: spaces.Space, obs: Any) -> jax.Array | None:
    """Which actions are legal, bool ``[B, num_actions]``; None if all are always legal."""
    if not has_action_mask(space):
        return None
    return jnp.asarray(obs[ACTION_MASK]).astype(bool)


def has_action_mask(space: spaces.Space) -> bool:
    """Whether observations say which actions are legal."""
    return isinstance(space, spaces.Dict) and ACTION_MASK in space.spaces


def find_grid(space: spaces.Space) -> Grid | None:
    """The only grid of cells among the observation's features; None for none or several.

    A grid is a box or a space of categories with the shape ``[height, width]`` or
    ``[height, width, channels]`` and sides in ``GRID_SIDES``. A ``MultiBinary`` of such a shape
    counts only if nothing else is a grid.
    """
    grids: list[Grid] = []
    binary_grids: list[Grid] = []
    offset = 0
    for part, _ in _parts(space):
        size = _size(part)
        if _is_grid(part):
            height, width = part.shape[:2]  # type: ignore[index]
            found = binary_grids if isinstance(part, spaces.MultiBinary) else grids
            found.append(Grid((height, width, size // (height * width)), offset))
        offset += size
    candidates = grids or binary_grids
    return candidates[0] if len(candidates) == 1 else None


def _is_grid(space: spaces.Space) -> bool:
    shape = space.shape or ()
    return (
        isinstance(space, spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary)
        and len(shape) in {2, 3}
        and all(side in GRID_SIDES for side in shape[:2])
        and _same_in_every_cell(space)
    )


def first_and_last(space: Any) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last category of each variable of a ``Discrete`` or ``MultiDiscrete``.

    Returns:
        Two int64 arrays with the space's shape.
    """
    counts = space.n if isinstance(space, spaces.Discrete) else space.nvec
    first = np.asarray(space.start, np.int64)
    return first, np.asarray(first + np.asarray(counts, np.int64) - 1)


def _parts(space: spaces.Space, obs: Any = None) -> Iterator[tuple[spaces.Space, Any]]:
    """The parts of a composed space, with their observations."""
    if isinstance(space, spaces.Dict):
        for key, part in space.items():
            if key != ACTION_MASK:
                yield from _parts(part, None if obs is None else obs[key])
    elif isinstance(space, spaces.Tuple):
        for i, part in enumerate(space):
            yield from _parts(part, None if obs is None else obs[i])
    else:
        yield space, obs


def _check_size(space: spaces.Space, obs: Any) -> None:
    """Raises if observations have more or fewer entries than their space.

    Otherwise a network would learn from them anyway, and a mistake in a user's own compiled
    environment would go unnoticed. Shapes are known while tracing, so a program does not pay for
    this check.
    """
    if int(np.prod(obs.shape[1:])) != _size(space):
        raise ConfigurationError(
            f"The environment returns observations of the shape {obs.shape[1:]}, but those in its "
            f"observation_space have the shape {space.shape}; make them equal."
        )


def _flat(space: spaces.Space, obs: Any) -> jax.Array:
    """The features ``[B, features]`` of a space that is not composed."""
    if isinstance(space, spaces.Box | spaces.MultiBinary):
        _check_size(space, obs)
        return jnp.asarray(obs).astype(jnp.float32).reshape(obs.shape[0], _size(space))
    if isinstance(space, spaces.Discrete):
        return jax.nn.one_hot(obs - int(space.start), int(space.n), dtype=jnp.float32)
    if isinstance(space, spaces.MultiDiscrete):
        return _one_hots(space, jnp.asarray(obs))
    raise UnknownEnvironmentError(
        f"A network cannot read observations of the kind {type(space).__name__}; wrap the "
        "environment so that it gives a Box, a Discrete or a combination of them."
    )


def _one_hots(space: spaces.MultiDiscrete, obs: jax.Array) -> jax.Array:
    """The one-hot vectors of all variables, joined."""
    # Variables with the same categories, such as the cells of a grid, are compared together.
    n_columns = space.shape[-1] if _same_in_every_cell(space) else space.nvec.size
    n_columns = 1 if np.all(space.nvec == space.nvec.flat[0]) else n_columns
    counts = space.nvec.reshape(-1, n_columns)[0]
    categories = obs.astype(jnp.int32) - space.start.astype(np.int32)[None]
    categories = categories.reshape(obs.shape[0], -1, n_columns, 1)
    vectors = [
        categories[:, :, i] == jnp.arange(n, dtype=jnp.int32)[None, None]
        for i, n in enumerate(counts)
    ]
    return jnp.concatenate(vectors, axis=-1).astype(jnp.float32).reshape(obs.shape[0], -1)


def _same_in_every_cell(space: spaces.Space) -> bool:
    """Whether the variables along the last axis have the same categories in every cell."""
    if not isinstance(space, spaces.MultiDiscrete):
        return True
    rows = space.nvec.reshape(-1, space.shape[-1])
    return bool(np.all(rows == rows[0]))


def _size(space: spaces.Space) -> int:
    """The number of features of a space that is not composed; 0 if a network cannot read it."""
    if isinstance(space, spaces.Discrete):
        return int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return int(space.nvec.sum())
    return int(np.prod(space.shape)) if space.shape is not None else 0
