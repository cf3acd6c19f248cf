"""Finds slots in a ring of frames for the frames of new observations, and writes them there."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

#: Stands for the slot of a frame that does not exist.
NO_SLOT = -1


class Layout(NamedTuple):
    """How an observation consists of frames.

    Attributes:
        n_frames: The number of frames, the oldest first.
        axis: The axis of an observation, without batch axes, along which frames are joined.
    """

    n_frames: int
    axis: int

    def frame_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a frame, from that of an observation."""
        return (*shape[: self.axis], shape[self.axis] // self.n_frames, *shape[self.axis + 1 :])

    def joined_shape(self, frame: tuple[int, ...]) -> tuple[int, ...]:
        """The inverse of :meth:`frame_shape`."""
        return (*frame[: self.axis], frame[self.axis] * self.n_frames, *frame[self.axis + 1 :])

    def frame_bytes(self, obs: Any) -> int:
        """Bytes of a frame of an observation (or its shape)."""
        return math.prod(obs.shape) * obs.dtype.itemsize // self.n_frames

    def split(self, obs: jax.Array) -> jax.Array:
        """The frames ``[B, n_frames, *frame]`` of observations ``[B, ...]``."""
        frame = self.frame_shape(obs.shape[1:])
        at = 1 + self.axis
        apart = (*obs.shape[:at], self.n_frames, *frame[self.axis :])
        return jnp.moveaxis(obs.reshape(apart), at, 1)

    def join(self, frames: jax.Array) -> jax.Array:
        """The inverse of :meth:`split`."""
        shape = self.joined_shape(frames.shape[2:])
        return jnp.moveaxis(frames, 1, 1 + self.axis).reshape(frames.shape[0], *shape)


class Known(Protocol):
    """The fields of :class:`arlbench.core.buffers.frames.Pool` that are needed here."""

    frames: Any
    next_slot: Any
    stack: Any
    last: Any


class Placed(NamedTuple):
    """The slots of the observations before and after a step.

    Attributes:
        obs: Slots of the frames before the step, int32 ``[n_envs, n_frames]``.
        next_obs: Slots of the frames after it, int32 ``[n_envs, n_frames]``.
        is_new: Which frames are not in the ring yet, bool ``[n_envs, 2 * n_frames]``; those before
            the step come first. It leaves out the last frame after the step, which is always new.
        next_slot: The slot after all new frames, int32 ``[]``.
        n_new: The number of new frames, int32 ``[]``.
        oldest: The slot of the oldest frame of ``obs``, int32 ``[]``.
        oldest_shared_age: The age of the oldest frame that is in the ring already, int32 ``[]``;
            -1 if all are new.
    """

    obs: jax.Array
    next_obs: jax.Array
    is_new: jax.Array
    next_slot: jax.Array
    n_new: jax.Array
    oldest: jax.Array
    oldest_shared_age: jax.Array


def age(slots: Any, next_slot: Any, n_slots: int) -> Any:
    """How many frames were written after those in these slots, if they still are in the ring."""
    return (next_slot - 1 - slots) % n_slots


def place(known: Known, obs: jax.Array, next_obs: jax.Array) -> Placed:
    """Finds the frames that the ring already has, and slots for all others.

    While an episode continues, an environment's frames before the step are those after its last
    step, or these moved on by one new frame. The frames after the step are those before it, moved
    on by one new frame. All other frames are stored as a new stack, in which equal neighbours are
    stored once. No earlier frame is searched for, so none stays in use for longer than
    ``n_frames`` steps.

    Args:
        known: The ring and the last step.
        obs: The frames before the step, ``[n_envs, n_frames, *frame]``.
        next_obs: The frames after it, like ``obs``.
    """
    n_envs, n = obs.shape[:2]
    n_slots = known.frames.shape[1]
    has_begun = known.stack[:, 0] != NO_SLOT
    goes_on = has_begun & _are_equal(obs, known.last)
    follows = _are_equal(next_obs[:, :-1], obs[:, 1:])
    shifted = has_begun & ~goes_on & _are_equal(obs[:, :-1], known.last[:, 1:])
    is_newest = (jnp.arange(n) == n - 1)[None]
    news = jnp.where(shifted[:, None], is_newest, _differ_from_neighbours(obs))
    news = news & ~goes_on[:, None]
    next_news = _differ_from_neighbours(next_obs) & ~is_newest & ~follows[:, None]
    # Without the barrier, each sum below would compare the frames again.
    is_new = jax.lax.optimization_barrier(jnp.concatenate([news, next_news], axis=1))
    number = jnp.cumsum(is_new.reshape(-1), dtype=jnp.int32).reshape(is_new.shape)
    # A frame that equals its neighbour has the neighbour's number.
    fresh = (known.next_slot + number - 1) % n_slots
    n_others = number[-1, -1]
    newest = (known.next_slot + n_others + jnp.arange(n_envs, dtype=jnp.int32)) % n_slots

    moved_on = jnp.concatenate([known.stack[:, 1:], fresh[:, n - 1 : n]], axis=1)
    slots = jnp.where(shifted[:, None], moved_on, fresh[:, :n])
    slots = jnp.where(goes_on[:, None], known.stack, slots)
    rest = jnp.where(follows[:, None], slots[:, 1:], fresh[:, n:-1])

    ages = age(known.stack, known.next_slot, n_slots)
    is_shared = jnp.concatenate(
        [goes_on[:, None], jnp.broadcast_to((goes_on | shifted)[:, None], (n_envs, n - 1))], axis=1
    )
    n_new = n_others + n_envs
    next_slot = (known.next_slot + n_new) % n_slots
    return Placed(
        obs=slots,
        next_obs=jnp.concatenate([rest, newest[:, None]], axis=1),
        is_new=is_new,
        next_slot=next_slot,
        n_new=n_new,
        oldest=(next_slot - 1 - jnp.max(age(slots, next_slot, n_slots))) % n_slots,
        oldest_shared_age=jnp.max(jnp.where(is_shared, ages, -1)),
    )


def write(
    frames: jax.Array, placed: Placed, obs: jax.Array, next_obs: jax.Array, active: jax.Array
) -> jax.Array:
    """The ring ``[1, n_slots, *frame]`` with the new frames, if active."""
    n_slots, n = frames.shape[1], placed.obs.shape[1]
    slots = jnp.concatenate([placed.obs, placed.next_obs], axis=1)
    is_written = placed.is_new | (jnp.arange(2 * n) == 2 * n - 1)[None]
    # A slot past the end is not written. A loop over the few new frames, or a branch, could read a
    # stack of the running episode after XLA has overwritten it: the option that keeps the sum tree
    # in its place (see programs.py) lets XLA drop the copy that they would need.
    slots = jnp.where(is_written & active, slots, n_slots)
    return frames.at[0, slots].set(jnp.concatenate([obs, next_obs], axis=1), mode="drop")


def _are_equal(a: jax.Array, b: jax.Array) -> jax.Array:
    """Whether stacks of frames are equal in every bit, bool ``[n_envs]``."""
    return jnp.all(_bits(a) == _bits(b), axis=tuple(range(1, a.ndim)))


def _differ_from_neighbours(frames: jax.Array) -> jax.Array:
    """Which frames are first or differ from the one before them, bool ``[n_envs, n_frames]``."""
    bits = _bits(frames)
    differ = jnp.any(bits[:, 1:] != bits[:, :-1], axis=tuple(range(2, bits.ndim)))
    return jnp.concatenate([jnp.ones((len(frames), 1), bool), differ], axis=1)


def _bits(values: jax.Array) -> jax.Array:
    """The values so that they are compared bit by bit: 0 and -0 differ, and a NaN equals itself."""
    if not jnp.issubdtype(values.dtype, jnp.floating):
        return values
    return jax.lax.bitcast_convert_type(values, f"uint{8 * values.dtype.itemsize}")
