"""Pictures with their channels first."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.core.environments.environment import Environment
from arlbench.core.environments.wrappers.parts import box, change_space, change_values, describe
from arlbench.core.environments.wrappers.wrapper import ObservationWrapper
from arlbench.errors import ConfigurationError

_PICTURE_RANK = 3


class TransposeObservation(ObservationWrapper):
    """Pictures ``[height, width, channels]`` as ``[channels, height, width]``.

    ``CNNQ`` reads them in this form; most gymnasium environments have the channels last.
    """

    spec_name = "transpose"

    def __init__(self, env: Environment, key: str | None = None) -> None:
        """Wraps ``env``.

        Args:
            env: The environment; observations to change must be boxes with three axes.
            key: The entry of ``Dict`` observations to change; None changes all entries except an
                action mask.

        Raises:
            ConfigurationError: If the observations are not pictures.
        """
        self._key = key
        super().__init__(env, change_space(env.observation_space, key, _first), key=key)

    @property
    def stacked_frames(self) -> int | None:  # type: ignore[override]
        return self.env.stacked_frames

    @property
    def frame_axis(self) -> int:  # type: ignore[override]
        # The last axis becomes the first one.
        return (self.env.frame_axis + 1) % _PICTURE_RANK

    def change(self, obs: Any) -> Any:
        def channels_first(_: spaces.Space, pictures: jax.Array) -> jax.Array:
            return jnp.moveaxis(pictures, -1, 1)

        return change_values(self.env.observation_space, self._key, channels_first, obs)


def _first(space: spaces.Space, name: str) -> spaces.Space:
    if not isinstance(space, spaces.Box) or len(space.shape) != _PICTURE_RANK:
        raise ConfigurationError(
            f"Only pictures (height, width, channels) can be transposed, but {name} is "
            f"{describe(space)}; name another entry with key."
        )
    return box(np.moveaxis(space.low, -1, 0), np.moveaxis(space.high, -1, 0))
