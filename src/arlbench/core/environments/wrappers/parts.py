"""Changes parts of composed observations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from arlbench.core.checks import known_names
from arlbench.core.observations import ACTION_MASK
from arlbench.errors import ConfigurationError

#: Makes a new space from a space that is not composed, and its name for messages.
ChangeSpace = Callable[[spaces.Space, str], spaces.Space]


def box(low: np.ndarray, high: np.ndarray) -> spaces.Box:
    """The box between two arrays, with their shape and dtype."""
    return spaces.Box(low, high, dtype=low.dtype.type)


def describe(space: spaces.Space) -> str:
    """The space in a few words."""
    # Its own text has one line for each variable.
    is_long = isinstance(space, spaces.MultiDiscrete)
    return f"MultiDiscrete of shape {space.shape}" if is_long else str(space)


def change_space(space: spaces.Space, key: str | None, change: ChangeSpace) -> spaces.Space:
    """The space with some of its parts changed.

    Args:
        space: The space of one observation.
        key: The entry of a ``Dict`` to change; None changes all parts except action masks.
        change: Changes a part that is not composed itself.

    Raises:
        ConfigurationError: If the entry does not exist.
    """
    if key is not None:
        if not isinstance(space, spaces.Dict):
            raise ConfigurationError(
                f"key names an entry of Dict observations, but these are a {type(space).__name__}; "
                "leave it out."
            )
        known_names([key], space, "entry of the observations")
    return _change_space(space, key, change, "the observation")


def _change_space(
    space: spaces.Space, key: str | None, change: ChangeSpace, name: str
) -> spaces.Space:
    if isinstance(space, spaces.Dict):
        return spaces.Dict(
            {
                entry: _change_space(part, None, change, f"the observation's entry '{entry}'")
                if _is_chosen(entry, key)
                else part
                for entry, part in space.items()
            }
        )
    if isinstance(space, spaces.Tuple):
        return spaces.Tuple([_change_space(part, None, change, name) for part in space])
    return change(space, name)


def change_values(
    space: spaces.Space, key: str | None, change: Callable[..., Any], *trees: Any
) -> Any:
    """Observations with the same parts changed.

    Args:
        space: The original space of one observation.
        key: As in :func:`change_space`.
        change: A function of the space of a part and its values in each tree.
        trees: Observations with the same structure. Parts that are not changed come from the
            last one.
    """
    if isinstance(space, spaces.Dict):
        return {
            entry: change_values(part, None, change, *(tree[entry] for tree in trees))
            if _is_chosen(entry, key)
            else trees[-1][entry]
            for entry, part in space.items()
        }
    if isinstance(space, spaces.Tuple):
        return tuple(
            change_values(part, None, change, *values)
            for part, *values in zip(space, *trees, strict=True)
        )
    return change(space, *trees)


def _is_chosen(entry: str, key: str | None) -> bool:
    return entry != ACTION_MASK if key is None else entry == key
