"""Whole numbers as one-hot vectors."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.core.checks import positive_whole
from arlbench.core.environments.environment import Environment
from arlbench.core.environments.wrappers.parts import change_space, change_values, describe
from arlbench.core.environments.wrappers.wrapper import ObservationWrapper
from arlbench.errors import ConfigurationError

# More categories than anybody would want, which happens with a box without bounds.
_MOST = 4096

_PICTURE_RANK = 3


class OneHotObservation(ObservationWrapper):
    """Whole numbers as one-hot vectors, float32, along a new last axis.

    A board ``[H, W]`` becomes ``[H, W, n]``. Pictures keep three axes: ``[H, W, C]`` becomes
    ``[H, W, C * n]``. Categories are those of the space. In a box they go from its lowest bound to
    its highest, and all numbers have the same categories. A number that is none of them becomes a
    vector of zeros.
    """

    spec_name = "one_hot"

    def __init__(
        self, env: Environment, n_categories: int | None = None, key: str | None = None
    ) -> None:
        """Wraps ``env``.

        Args:
            env: The environment; observations to change must be ``Discrete``, ``MultiDiscrete``
                or boxes of integers.
            n_categories: The number of categories; required for boxes without bounds, whose
                numbers then count from 0.
            key: The entry of ``Dict`` observations to change; None changes all entries except an
                action mask.

        Raises:
            ConfigurationError: If ``n_categories`` is missing or not positive, or the
                observations do not fit.
        """
        given = None if n_categories is None else positive_whole("n_categories", n_categories)
        self._n_categories, self._key = given, key
        space = change_space(env.observation_space, key, self._one_hot_space)
        super().__init__(env, space, n_categories=given, key=key)

    def change(self, obs: Any) -> Any:
        return change_values(self.env.observation_space, self._key, self._one_hot, obs)

    def _one_hot(self, space: spaces.Space, values: jax.Array) -> jax.Array:
        first, n = self._categories(space, "the observation")
        # Unsigned bytes would wrap around below zero.
        categories = jnp.asarray(values).astype(jnp.int32) - first[None]
        vectors = jax.nn.one_hot(categories, n, dtype=jnp.float32)
        return vectors.reshape(len(values), *_shape(space, n))

    def _one_hot_space(self, space: spaces.Space, name: str) -> spaces.Space:
        _, n = self._categories(space, name)
        return spaces.Box(0.0, 1.0, _shape(space, n), np.float32)

    def _categories(self, space: spaces.Space, name: str) -> tuple[np.ndarray, int]:
        """The first category of each number, with the space's shape, and their number."""
        first, n = _categories_of(space, name)
        n = n if self._n_categories is None else self._n_categories
        if n is None:
            raise ConfigurationError(
                f"The whole numbers of {name} do not have bounds ({space}); give n_categories."
            )
        return np.broadcast_to(np.asarray(first, np.int32), space.shape or ()), n


def _categories_of(space: spaces.Space, name: str) -> tuple[Any, int | None]:
    """The first category and the number of categories; None without bounds."""
    if isinstance(space, spaces.Discrete):
        return int(space.start), int(space.n)
    if isinstance(space, spaces.MultiDiscrete):
        return space.start, int(space.nvec.max())
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.integer):
        low, high = int(space.low.min()), int(space.high.max())
        if 0 < high - low + 1 <= _MOST:
            return low, high - low + 1
        is_bounded_below = low > np.iinfo(space.dtype).min
        return (low if is_bounded_below else 0), None
    raise ConfigurationError(
        f"Only whole numbers can be one-hot vectors, but {name} is {describe(space)}; cast it "
        "first, or name another entry with key."
    )


def _shape(space: spaces.Space, n: int) -> tuple[int, ...]:
    """The shape of the one-hot vectors of a space that is not composed."""
    shape = tuple(space.shape or ())
    return (*shape[:2], shape[2] * n) if len(shape) == _PICTURE_RANK else (*shape, n)
