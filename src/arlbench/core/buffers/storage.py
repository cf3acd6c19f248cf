"""Operations that differ between the plain buffer and the buffer that stores frames once.

All other operations are the same for both and are in :mod:`arlbench.core.buffers.replay`.
"""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp
from flashbax.buffers.prioritised_trajectory_buffer import PrioritisedTrajectoryBufferState

from arlbench.core.buffers import frame_packing, frames, packing, replay
from arlbench.core.lockstep import Active


def capacity(state: PrioritisedTrajectoryBufferState) -> int:
    """The number of allocated rows."""
    return frames.capacity(state) if frames.is_framed(state) else replay.capacity(state)


def append(
    state: PrioritisedTrajectoryBufferState,
    transitions: Any,
    size: chex.Numeric,
    alpha: chex.Numeric | None,
    active: Active = None,
) -> PrioritisedTrajectoryBufferState:
    """Writes transitions over the oldest rows.

    See :func:`arlbench.core.buffers.replay.append` and
    :func:`arlbench.core.buffers.frames.append`.
    """
    module = frames if frames.is_framed(state) else replay
    return module.append(state, transitions, size, alpha, active)


def gather(state: PrioritisedTrajectoryBufferState, rows: jax.Array) -> Any:
    """The transitions of these rows ``[B]``, leaves ``[B, ...]``."""
    return (frames if frames.is_framed(state) else replay).gather(state, rows)


def field(state: PrioritisedTrajectoryBufferState, name: str) -> jax.Array:
    """One field of all rows, ``[capacity, ...]``; it must not be an observation."""
    stored: jax.Array = getattr(_rows(state), name)
    return stored[0]


def given(state: PrioritisedTrajectoryBufferState) -> dict[str, Any]:
    """The stored rewards and observations of all rows, by the words that messages use for them."""
    rows = _rows(state)
    observed = (
        state.experience.pool.frames if frames.is_framed(state) else (rows.obs, rows.next_obs)
    )
    return {"rewards": rows.reward, "observations": observed}


def has_field(state: PrioritisedTrajectoryBufferState, name: str) -> bool:
    """Whether rows have this field."""
    is_ours = hasattr(state.experience, "transition")
    return is_ours and getattr(_rows(state), name, None) is not None


def with_field(
    state: PrioritisedTrajectoryBufferState,
    name: str,
    rows: jax.Array,
    values: jax.Array,
    active: Active = None,
) -> PrioritisedTrajectoryBufferState:
    """The buffer with new values ``[B]`` of one field in these rows ``[B]``, if active."""
    written = rows if active is None else jnp.where(active, rows, capacity(state))
    changed = getattr(_rows(state), name).at[0, written].set(values, mode="drop")
    transition = _rows(state)._replace(**{name: changed})
    if frames.is_framed(state):
        transition = state.experience.transition._replace(transition=transition)
    return state.replace(experience=state.experience._replace(transition=transition))


def _rows(state: PrioritisedTrajectoryBufferState) -> Any:
    """The stored transitions, leaves ``[1, capacity, ...]``."""
    transition = state.experience.transition
    return transition.transition if frames.is_framed(state) else transition


def resize(
    state: PrioritisedTrajectoryBufferState, size: chex.Numeric
) -> PrioritisedTrajectoryBufferState:
    """Adapts the ring to a new logical size; see :func:`arlbench.core.buffers.replay.resize`."""
    return (frames if frames.is_framed(state) else replay).resize(state, size)


def grow(
    state: PrioritisedTrajectoryBufferState, new_capacity: int
) -> PrioritisedTrajectoryBufferState:
    """Allocates more rows; call :func:`resize` afterwards."""
    return (frames if frames.is_framed(state) else replay).grow(state, new_capacity)


def has_overflowed(state: PrioritisedTrajectoryBufferState) -> jax.Array | None:
    """Whether the buffer has stopped for lack of room for frames; None if it has no frames."""
    return state.experience.pool.overflowed if frames.is_framed(state) else None


def pack(state: PrioritisedTrajectoryBufferState) -> Any:
    """The buffer without its empty rows, copied into ordinary memory."""
    return (frame_packing if frames.is_framed(state) else packing).pack(state)


def unpack(packed: Any) -> PrioritisedTrajectoryBufferState:
    """The inverse of :func:`pack`, in new memory of the default device."""
    is_framed = isinstance(packed, frame_packing.PackedFrames)
    return (frame_packing if is_framed else packing).unpack(packed)
