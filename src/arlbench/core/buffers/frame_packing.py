"""The form in which a buffer of frames is saved: its filled rows, and the frames they need."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
from flashbax.buffers.prioritised_trajectory_buffer import PrioritisedTrajectoryBufferState

from arlbench.core.buffers import frame_slots, frames, packing
from arlbench.core.buffers.frame_slots import Layout
from arlbench.core.buffers.frames import FramedExperience, FramedRow, Pool
from arlbench.core.buffers.packing import PackedBuffer
from arlbench.core.buffers.replay import Experience
from arlbench.core.shapes import ArrayTemplate, any_number
from arlbench.errors import ConfigurationError


class PackedFrames(NamedTuple):
    """The filled rows of a buffer, and the ``m`` frames from the oldest to the newest one.

    Attributes:
        rows: The rows, which hold slots of frames, in the form of the plain buffer. Its
            ``capacity`` is the number of leaves of the sum tree.
        frames: The frames, ``[m, *frame]``, in the order in which they were written.
        next_slot: The slot of the next frame, int32 ``[]``.
        stack: Slots of the frames of each environment's last step, int32 ``[n_envs, n_frames]``.
        last: These frames, ``[n_envs, n_frames, *frame]``.
        overflowed: Whether the buffer has stopped for lack of frames, bool ``[]``.
        n_slots: The number of allocated frames, int32 ``[]``.
        n_rows: The number of allocated rows, int32 ``[]``.
        axis: The axis along which frames are joined, int32 ``[]``.
    """

    rows: PackedBuffer
    frames: Any
    next_slot: Any
    stack: Any
    last: Any
    overflowed: Any
    n_slots: Any
    n_rows: Any
    axis: Any

    @property
    def running_index(self) -> Any:
        """How many transitions were ever written, int32 ``[]``."""
        return self.rows.running_index


def pack(state: PrioritisedTrajectoryBufferState) -> PackedFrames:
    """The buffer without its empty rows and unneeded frames, copied into ordinary memory.

    Raises:
        ConfigurationError: If the state is a batch of buffers.
    """
    transition, priority, pool = state.experience
    if pool.next_slot.ndim:
        raise ConfigurationError("This is a batch of buffers; save each of them separately.")
    packed = packing.pack(state.replace(experience=Experience(transition, priority)))
    next_slot, n_slots = int(pool.next_slot), pool.frames.shape[1]
    n_frames = 0
    if len(packed.priority):
        first = int(packed.current_index) if packed.is_full else 0
        oldest = packed.transition.oldest[first % len(packed.priority)]
        n_frames = 1 + int(frame_slots.age(oldest, next_slot, n_slots))
    return PackedFrames(
        rows=packed,
        frames=_in_order(np.asarray(pool.frames)[0], next_slot, n_frames),
        next_slot=np.int32(next_slot),
        stack=np.array(pool.stack),
        last=np.array(pool.last),
        overflowed=np.array(pool.overflowed),
        n_slots=np.int32(n_slots),
        n_rows=np.int32(frames.capacity(state)),
        axis=np.int32(pool.layout.axis),
    )


def template(example: Any, n_envs: int, layout: Layout) -> PackedFrames:
    """Shapes of a packed buffer; a length of None stands for any number of rows or frames.

    Args:
        example: One transition (arrays or shapes), without batch axes.
        n_envs: The number of environments.
        layout: How observations consist of frames.
    """
    empty = jax.eval_shape(lambda: frames.init(example, 1, n_envs, layout)).experience
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[2:], x.dtype), empty.transition)
    count = ArrayTemplate((), np.int32)
    pool = empty.pool
    return PackedFrames(
        rows=packing.template(one),
        frames=any_number(jax.ShapeDtypeStruct(pool.frames.shape[2:], pool.frames.dtype)),
        next_slot=count,
        stack=ArrayTemplate(pool.stack.shape, np.int32),
        last=ArrayTemplate(pool.last.shape, pool.last.dtype),
        overflowed=ArrayTemplate((), np.bool_),
        n_slots=count,
        n_rows=count,
        axis=count,
    )


def unpack(packed: PackedFrames) -> PrioritisedTrajectoryBufferState:
    """The inverse of :func:`pack`, in new memory of the default device."""
    plain = packing.unpack(packed.rows._replace(transition=()))
    n_slots, n_frames = int(packed.n_slots), len(packed.frames)
    ring = np.zeros((1, n_slots, *packed.frames.shape[1:]), packed.frames.dtype)
    ring[0, (int(packed.next_slot) - n_frames + np.arange(n_frames)) % n_slots] = packed.frames

    def stored(rows: Any) -> jax.Array:
        array = np.zeros((1, int(packed.n_rows), *rows.shape[1:]), rows.dtype)
        array[0, : len(rows)] = rows
        return packing.on_device(array)

    pool = Pool(
        frames=packing.on_device(ring),
        next_slot=packing.on_device(packed.next_slot),
        stack=packing.on_device(packed.stack),
        last=packing.on_device(packed.last),
        overflowed=packing.on_device(packed.overflowed),
        layout=Layout(packed.stack.shape[1], int(packed.axis)),
    )
    rows: FramedRow = jax.tree.map(stored, packed.rows.transition)
    return plain.replace(experience=FramedExperience(rows, plain.experience.priority, pool))


def _in_order(ring: np.ndarray, next_slot: int, n: int) -> np.ndarray:
    """The last ``n`` frames of a ring, the oldest first."""
    begin = next_slot - n
    if begin >= 0:
        return ring[begin:next_slot].copy()
    return np.concatenate([ring[begin:], ring[:next_slot]])
