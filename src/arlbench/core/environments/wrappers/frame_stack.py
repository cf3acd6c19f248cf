"""Observations that hold the last few frames."""

from __future__ import annotations

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces

from arlbench.core.checks import positive_whole
from arlbench.core.environments.environment import Environment, Timestep, select
from arlbench.core.environments.wrappers.cast_observation import CastObservation
from arlbench.core.environments.wrappers.parts import box, change_space, change_values, describe
from arlbench.core.environments.wrappers.transpose import TransposeObservation
from arlbench.core.environments.wrappers.wrapper import Wrapper
from arlbench.core.observations import first_and_last
from arlbench.errors import ConfigurationError

# The axis along which frames of each rank are stacked, not counting the axis of the copies.
_AXIS = {0: 1, 1: 1, 2: 1, 3: 3}


class Stacked(NamedTuple):
    """A state with the last frames.

    Attributes:
        env_state: The state of the wrapped environment.
        stack: The last observations, leaves ``[n_envs, ...]``.
    """

    env_state: Any
    stack: Any


class FrameStack(Wrapper):
    """The last ``n_frames`` observations as one, the oldest first.

    Numbers ``[]`` become ``[n]`` and vectors ``[F]`` become ``[F * n]``. Pictures ``[H, W]``
    become ``[n, H, W]``, with channels first. Pictures that have channels keep them last:
    ``[H, W, C]`` becomes ``[H, W, C * n]``; ``TransposeObservation`` must therefore be outside.

    Categories stay categories. At the start of an episode, the stack contains the first frame
    ``n_frames`` times. ``final_observation`` is the stack that ends with the last frame of an
    episode, even if ``obs`` is already the stack of the next one.
    """

    spec_name = "frame_stack"

    def __init__(self, env: Environment, n_frames: int, key: str | None = None) -> None:
        """Wraps ``env``.

        Args:
            env: The environment; observations to stack must be boxes or categories.
            n_frames: Number of frames in a stack.
            key: The entry of ``Dict`` observations to stack; None stacks all entries except an
                action mask.

        Raises:
            ConfigurationError: If ``n_frames`` is not positive, or the observations do not fit or
                are transposed already.
        """
        self._n_frames, self._key = positive_whole("n_frames", n_frames), key
        super().__init__(env, n_frames=self._n_frames, key=key)
        _require_channels_last(env, key)
        self._observation_space = change_space(env.observation_space, key, self._stacked_space)

    def reset(self, rng: chex.PRNGKey) -> tuple[Any, Any]:
        env_state, obs = self.env.reset(rng)
        stack = self._change(lambda _, frame: self._fill(frame), obs)
        return Stacked(env_state, stack), stack

    def step(self, env_state: Any, action: jax.Array, rng: chex.PRNGKey) -> tuple[Any, Timestep]:
        inner, (obs, reward, done, info) = self.env.step(env_state.env_state, action, rng)
        final = self._change(_push, env_state.stack, info["final_observation"])

        def next_stack(_: spaces.Space, pushed: jax.Array, frame: jax.Array) -> jax.Array:
            return jnp.asarray(select(done, self._fill(frame), pushed))

        stack = self._change(next_stack, final, obs)
        info = {**info, "final_observation": final}
        return Stacked(inner, stack), (stack, reward, done, info)

    @property
    def stacked_frames(self) -> int | None:  # type: ignore[override]
        return None if self.observation_space.shape is None else self._n_frames

    @property
    def frame_axis(self) -> int:  # type: ignore[override]
        rank = len(self.env.observation_space.shape or ())
        return _AXIS.get(rank, 1) - 1

    def inner_state(self, env_state: Any) -> Any:
        return env_state.env_state

    @property
    def observation_space(self) -> spaces.Space:
        return self._observation_space

    def _change(self, change: Any, *trees: Any) -> Any:
        return change_values(self.env.observation_space, self._key, change, *trees)

    def _fill(self, frame: jax.Array) -> jax.Array:
        """The stack ``[n_envs, ...]`` for a first frame."""
        block, axis = _block(frame)
        return jnp.concatenate([block] * self._n_frames, axis)

    def _stacked_space(self, space: spaces.Space, name: str) -> spaces.Space:
        is_known = isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiDiscrete)
        if not is_known or len(space.shape or ()) not in _AXIS:
            raise ConfigurationError(
                "Only numbers with up to three axes can be stacked, but "
                f"{name} is {describe(space)}; name another entry with key."
            )
        if isinstance(space, spaces.Box):
            return box(self._fill_bound(space.low), self._fill_bound(space.high))
        first, last = first_and_last(space)
        start = self._fill_bound(first)
        return spaces.MultiDiscrete(self._fill_bound(last - first + 1), start=start)

    def _fill_bound(self, bound: Any) -> np.ndarray:
        block, axis = _block(np.asarray(bound)[None])
        return np.concatenate([block] * self._n_frames, axis)[0]


def _require_channels_last(env: Environment, key: str | None) -> None:
    """Raises a ConfigurationError if frames would be joined along the width of pictures."""
    while isinstance(env, Wrapper):
        if isinstance(env, TransposeObservation):
            keys = {key, dict(env.settings)["key"]}
            # None stands for every entry.
            if len(keys) == 1 or None in keys:
                raise ConfigurationError(
                    "frame_stack joins pictures along their last axis, which transpose has made "
                    "the width; put frame_stack before transpose (in Python, the FrameStack inside "
                    "the TransposeObservation)."
                )
        keep_axes = CastObservation | FrameStack | TransposeObservation
        if not (env.keeps_observations or isinstance(env, keep_axes)):
            return
        env = env.env


def _push(_: spaces.Space, stack: jax.Array, frame: jax.Array) -> jax.Array:
    """The stack with a new frame instead of the oldest one."""
    block, axis = _block(frame)
    kept = jax.lax.slice_in_dim(stack, block.shape[axis], None, axis=axis)
    return jnp.concatenate([kept, block], axis)


def _block(frame: Any) -> tuple[Any, int]:
    """A frame ``[n_envs, ...]`` in the shape of its part of a stack, and the stack's axis."""
    rank = frame.ndim - 1
    return (frame[:, None] if rank in {0, 2} else frame), _AXIS[rank]
