"""Spaces of environments on the host, with the dtypes of JAX."""

from __future__ import annotations

from typing import Any, cast

import jax
import numpy as np
from gymnasium import spaces

from arlbench.core.observations import first_and_last

_NARROWER = {"float64": np.float32, "int64": np.int32, "uint64": np.uint32}


class TooWideError(TypeError):
    """A space of integers that do not fit into 32 bits; the message names the cure."""


def narrowed(space: spaces.Space) -> spaces.Space:
    """The space with numbers of at most 32 bits.

    Raises:
        TooWideError: If its integers do not fit into 32 bits.
        TypeError: If its values are not arrays of a fixed shape.
    """
    if isinstance(space, spaces.Dict):
        return spaces.Dict({key: narrowed(part) for key, part in space.items()})
    if isinstance(space, spaces.Tuple):
        return spaces.Tuple([narrowed(part) for part in space])
    if isinstance(space, spaces.Box):
        return _narrowed_box(space)
    if (bounds := categories(space)) is not None:
        dtype = _narrow(space.dtype)
        _require_narrow(space, *bounds, dtype)
    if isinstance(space, spaces.MultiDiscrete):
        return spaces.MultiDiscrete(space.nvec, cast(Any, dtype), start=space.start)
    if isinstance(space, spaces.Discrete | spaces.MultiBinary):
        return space
    raise TypeError(f"its observations are of the kind {type(space).__name__}")


def categories(space: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """The first and last category of each variable, with the space's shape; None for numbers."""
    if isinstance(space, spaces.MultiBinary):
        return np.zeros(space.shape, np.int64), np.ones(space.shape, np.int64)
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        return first_and_last(space)
    return None


def shapes(space: spaces.Space, n_envs: int) -> Any:
    """Shapes and dtypes of ``n_envs`` observations of a narrowed space."""
    if isinstance(space, spaces.Dict):
        return {key: shapes(part, n_envs) for key, part in space.items()}
    if isinstance(space, spaces.Tuple):
        return tuple(shapes(part, n_envs) for part in space)
    dtype = np.int32 if isinstance(space, spaces.Discrete) else space.dtype
    return jax.ShapeDtypeStruct((n_envs, *(space.shape or ())), cast(Any, dtype))


def _narrowed_box(space: spaces.Box) -> spaces.Box:
    dtype = _narrow(space.dtype)
    if np.issubdtype(dtype, np.integer):
        _require_narrow(space, space.low, space.high, dtype)
    # Bounds that do not fit into 32 bits become infinite.
    with np.errstate(over="ignore"):
        low, high = space.low.astype(dtype), space.high.astype(dtype)
    return spaces.Box(low, high, space.shape, cast(Any, dtype))


def _require_narrow(
    space: spaces.Space, lows: np.ndarray, highs: np.ndarray, dtype: np.dtype
) -> None:
    limits = np.iinfo(cast(Any, dtype))
    low, high = int(lows.min()), int(highs.max())
    if low < limits.min or high > limits.max:
        raise TooWideError(
            f"its whole numbers go from {low} to {high} ({space}), but here they have 32 bits, "
            f"from {limits.min} to {limits.max}; give it a space of floats (np.float32) or smaller "
            "bounds, or use a wrapper that does"
        )


def _narrow(dtype: Any) -> np.dtype:
    return np.dtype(_NARROWER.get(np.dtype(dtype).name, dtype))
