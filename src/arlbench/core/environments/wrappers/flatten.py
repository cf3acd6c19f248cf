"""Observations as one vector."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from gymnasium import spaces

from arlbench.core.environments.environment import Environment
from arlbench.core.environments.wrappers.parts import box
from arlbench.core.environments.wrappers.wrapper import ObservationWrapper
from arlbench.core.observations import ACTION_MASK, encode, has_action_mask


class FlattenObservation(ObservationWrapper):
    """Observations as one vector ``[features]``.

    A box keeps its numbers and their dtype. All other observations become the vector that a
    network reads, in float32: categories are one-hot vectors, and the parts of composed
    observations are joined in their order. An action mask stays separate: such observations
    become a ``Dict`` of ``"observation"``, the vector, and ``"action_mask"``.
    """

    spec_name = "flatten"

    def __init__(self, env: Environment) -> None:
        """Wraps ``env``.

        Raises:
            UnknownEnvironmentError: If a part of an observation does not consist of numbers.
        """
        self._inner_space = env.observation_space
        super().__init__(env, self._flat_space())

    @property
    def stacked_frames(self) -> int | None:  # type: ignore[override]
        # Frames that are joined along a later axis are not one after another in the vector.
        is_first = isinstance(self._inner_space, spaces.Box) and self.env.frame_axis == 0
        return self.env.stacked_frames if is_first else None

    def change(self, obs: Any) -> Any:
        if isinstance(self._inner_space, spaces.Box):
            return obs.reshape(obs.shape[0], -1)
        features = encode(self._inner_space, obs)
        if has_action_mask(self._inner_space):
            return {"observation": features, ACTION_MASK: obs[ACTION_MASK]}
        return features

    def _flat_space(self) -> spaces.Space:
        space = self._inner_space
        if isinstance(space, spaces.Box):
            return box(space.low.ravel(), space.high.ravel())
        one = jax.tree.map(lambda x: np.asarray(x)[None], space.sample())
        (n_features,) = jax.eval_shape(lambda: encode(space, one)).shape[1:]
        vector = spaces.Box(-np.inf, np.inf, (n_features,), np.float32)
        if has_action_mask(space):
            return spaces.Dict({"observation": vector, ACTION_MASK: space[ACTION_MASK]})  # type: ignore[index]
        return vector
