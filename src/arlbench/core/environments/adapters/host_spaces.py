"""Spaces of environments on the host, as arrays of the types that JAX computes with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import jax
import numpy as np
from gymnasium import spaces

_NARROWER = {"float64": np.float32, "int64": np.int32, "uint64": np.uint32}


def narrowed(space: spaces.Space) -> spaces.Space:
    """The space with numbers of at most 32 bits.

    Raises:
        TypeError: If its values are no arrays of a fixed shape.
    """
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: narrowed(part) for key, part in space.items()})
    if isinstance(space, spaces.Tuple):
        return spaces.Tuple([narrowed(part) for part in space])
    if isinstance(space, spaces.Box):
        return _narrowed_box(space)
    if isinstance(space, spaces.MultiDiscrete):
        dtype = _narrow(space.dtype)
        return spaces.MultiDiscrete(space.nvec, cast(Any, dtype), start=space.start)
    if isinstance(space, spaces.Discrete | spaces.MultiBinary):
        return space
    raise TypeError(f"its observations are of the kind {type(space).__name__}")


def shapes(space: spaces.Space, n_envs: int) -> Any:
    """Shapes and types of ``n_envs`` observations of a narrowed space."""
    if isinstance(space, spaces.Dict):
        return {key: shapes(part, n_envs) for key, part in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(shapes(part, n_envs) for part in space)
    dtype = np.int32 if isinstance(space, spaces.Discrete) else space.dtype
    return jax.ShapeDtypeStruct((n_envs, *(space.shape or ())), cast(Any, dtype))


def leaves(space: spaces.Space, obs: Any) -> Iterator[Any]:
    """The arrays and numbers of one observation, in the order of ``jax.tree.leaves``."""
    if isinstance(space, spaces.Dict):
        # Of its keys, whatever order an environment gives them in.
        for key in sorted(space.spaces):
            yield from leaves(space[key], obs[key])
    elif isinstance(space, spaces.Tuple):
        for part, x in zip(space, obs, strict=True):
            yield from leaves(part, x)
    else:
        yield obs


def _narrowed_box(space: spaces.Box) -> spaces.Box:
    dtype = _narrow(space.dtype)
    low, high = space.low, space.high
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(cast(Any, dtype))
        low, high = np.clip(low, limits.min, limits.max), np.clip(high, limits.min, limits.max)
    return spaces.Box(low.astype(dtype), high.astype(dtype), space.shape, cast(Any, dtype))


def _narrow(dtype: Any) -> np.dtype:
    return np.dtype(_NARROWER.get(np.dtype(dtype).name, dtype))
