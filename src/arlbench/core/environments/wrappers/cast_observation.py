"""Observations in another dtype."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.core.environments.environment import Environment
from arlbench.core.environments.wrappers.parts import box, change_space, change_values, describe
from arlbench.core.environments.wrappers.wrapper import ObservationWrapper
from arlbench.core.observations import first_and_last
from arlbench.errors import ConfigurationError


class CastObservation(ObservationWrapper):
    """Observations in another dtype, such as bytes, which need less memory in a replay buffer.

    With an integer dtype, numbers are rounded towards zero. Categories become numbers: a network
    then reads each as one number, not as a one-hot vector.
    """

    spec_name = "cast_observation"

    def __init__(self, env: Environment, dtype: Any, key: str | None = None) -> None:
        """Wraps ``env``.

        Args:
            env: The environment; observations to cast must be boxes, ``Discrete`` or
                ``MultiDiscrete``.
            dtype: The name of a dtype of numbers, such as ``"uint8"``, or a NumPy dtype.
            key: The entry of ``Dict`` observations to cast; None casts all entries except an
                action mask.

        Raises:
            ConfigurationError: If the dtype does not exist, or the observations do not fit.
        """
        self._dtype, self._key = _checked(dtype), key
        space = change_space(env.observation_space, key, self._cast_space)
        super().__init__(env, space, dtype=self._dtype.name, key=key)

    @property
    def stacked_frames(self) -> int | None:  # type: ignore[override]
        return self.env.stacked_frames  # each number is cast separately

    def change(self, obs: Any) -> Any:
        def cast(_: spaces.Space, values: jax.Array) -> jax.Array:
            return jnp.asarray(values).astype(self._dtype)

        return change_values(self.env.observation_space, self._key, cast, obs)

    def _cast_space(self, space: spaces.Space, name: str) -> spaces.Space:
        low, high = _bounds(space, name)
        if np.issubdtype(self._dtype, np.integer):
            limits = np.iinfo(self._dtype)
            if not (np.all(low >= limits.min) and np.all(high <= limits.max)):
                raise ConfigurationError(
                    f"{self._dtype.name} holds whole numbers from {limits.min} to {limits.max}, "
                    f"but {name} is {space}; choose a dtype that holds all of its values."
                )
        # Bounds that a smaller float cannot hold become infinite.
        with np.errstate(over="ignore"):
            return box(low.astype(self._dtype), high.astype(self._dtype))


def _bounds(space: spaces.Space, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The smallest and the largest number of each variable, with the space's shape."""
    if isinstance(space, spaces.Box):
        return space.low, space.high
    if isinstance(space, spaces.Discrete | spaces.MultiDiscrete):
        return first_and_last(space)
    raise ConfigurationError(
        f"Only numbers and categories can be cast, but {name} is {describe(space)}; name another "
        "entry with key."
    )


def _checked(dtype: Any) -> np.dtype:
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        raise ConfigurationError(
            f"Unknown dtype {dtype!r}; choose one such as 'float32' or 'uint8'."
        ) from None
    if wanted.kind not in "iuf" or jax.dtypes.canonicalize_dtype(wanted) != wanted:
        raise ConfigurationError(
            f"Observations cannot be cast to {wanted}; choose a dtype such as 'float32' or 'uint8'."
        )
    return wanted
