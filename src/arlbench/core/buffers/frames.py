"""A ring of transitions whose observations are stacks of frames, each of them stored once.

A row of the ring does not hold its observations, but the *slots* of their frames in a second
ring, the pool. A step usually adds one frame to the pool: the newest frame of the observation after
the action. The first observation of an episode adds further frames. Frames are compared to find out
which of them can be shared, so the buffer returns exactly what was stored, whatever an environment
does.

Frames are overwritten in the order in which they were written. If a frame that a row still needs
would be overwritten, the buffer sets ``overflowed`` and does not change any more; its caller must
then stop. Everything else (priorities, the sum tree, the counters) works as in the plain buffer
(:mod:`arlbench.core.buffers.replay`), whose functions are used.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import chex
import flax.struct
import jax
import jax.numpy as jnp
from flashbax.buffers.prioritised_trajectory_buffer import PrioritisedTrajectoryBufferState

from arlbench.core import lockstep
from arlbench.core.buffers import frame_slots, replay
from arlbench.core.buffers.frame_slots import NO_SLOT, Layout, Placed
from arlbench.core.buffers.replay import Experience
from arlbench.core.lockstep import Active

# Room for further frames, as a share of the rows: three at the beginning of each episode if
# episodes have 20 steps on average.
_FURTHER_FRAMES = 3 / 20

# All episodes in a small buffer may be shorter than the average. This many bytes are allocated in
# addition for such times, but at most one further frame for each row.
_SPARE_BYTES = 8 * 2**20


class FramedRow(NamedTuple):
    """The content of a row.

    Attributes:
        transition: A named tuple with the fields ``obs`` and ``next_obs``, which hold the slots of
            their frames, int32 ``[..., n_frames]``; its other fields are stored as they are.
        oldest: The slot of the oldest frame that this row or a later one needs, int32 ``[...]``.
    """

    transition: Any
    oldest: Any


@flax.struct.dataclass
class Pool:
    """The frames.

    Attributes:
        frames: A ring of frames, ``[1, n_slots, *frame]``.
        next_slot: The slot of the next frame, int32 ``[]``.
        stack: Slots of the frames to which the last step of each environment led, int32
            ``[n_envs, n_frames]``; ``NO_SLOT`` before the first step.
        last: The same frames, ``[n_envs, n_frames, *frame]``.
        overflowed: Whether a frame that was still needed would have been overwritten, bool ``[]``.
        layout: How observations consist of frames.
    """

    frames: Any
    next_slot: Any
    stack: Any
    last: Any
    overflowed: Any
    layout: Layout = flax.struct.field(pytree_node=False)


class FramedExperience(NamedTuple):
    """The content of the buffer; see :class:`arlbench.core.buffers.replay.Experience`.

    Attributes:
        transition: A :class:`FramedRow` with leaves ``[1, rows, ...]``.
        priority: Raw priorities, ``[1, capacity]``; the capacity is a power of two.
        pool: The frames.
    """

    transition: FramedRow
    priority: jax.Array
    pool: Pool


def is_framed(state: PrioritisedTrajectoryBufferState) -> bool:
    """Whether a buffer stores frames once."""
    return isinstance(state.experience, FramedExperience)


def n_slots(rows: int, n_envs: int, layout: Layout, frame_bytes: int) -> int:
    """Frames to allocate for this many rows."""
    spare = min(rows, _SPARE_BYTES // max(frame_bytes, 1))
    # The stacks of the oldest rows began before them, and a step may add two whole stacks.
    at_the_ends = 3 * n_envs * layout.n_frames
    return rows + math.ceil(rows * _FURTHER_FRAMES) + spare + at_the_ends


def row_bytes(example: Any, layout: Layout) -> float:
    """Bytes of a row of a large buffer, with its share of the frames."""
    stored = replay.row_bytes(_row(example, layout))
    return stored + (1 + _FURTHER_FRAMES) * layout.frame_bytes(example.obs)


def default_capacity(example: Any, layout: Layout, size: int) -> int:
    """Rows to allocate for a logical size.

    Even small buffers get 8 MiB, so that ordinary sizes share one program.
    """
    return max(size, int(_SPARE_BYTES // row_bytes(example, layout)))


def init(example: Any, rows: int, n_envs: int, layout: Layout) -> PrioritisedTrajectoryBufferState:
    """An empty buffer.

    Args:
        example: One transition (arrays or shapes), without batch axes, whose ``obs`` and
            ``next_obs`` are single arrays.
        rows: The number of rows, which need not be a power of two.
        n_envs: The number of transitions that are added together, one for each environment.
        layout: How observations consist of frames.
    """
    obs = example.obs
    frame = layout.frame_shape(obs.shape)
    slots = n_slots(rows, n_envs, layout, layout.frame_bytes(obs))
    shape = (n_envs, layout.n_frames)
    pool = Pool(
        frames=jnp.zeros((1, slots, *frame), obs.dtype),
        next_slot=jnp.zeros((), jnp.int32),
        stack=jnp.full(shape, NO_SLOT, jnp.int32),
        last=jnp.zeros((*shape, *frame), obs.dtype),
        overflowed=jnp.zeros((), bool),
        layout=layout,
    )
    stored = jax.tree.map(lambda x: jnp.zeros((1, rows, *x.shape), x.dtype), _row(example, layout))
    # A plain buffer of empty transitions provides the priorities, the sum tree and the counters.
    plain = replay.init((), replay.power_of_two_at_least(rows))
    return _with_pool(plain.replace(experience=Experience(stored, plain.experience.priority)), pool)


def capacity(state: PrioritisedTrajectoryBufferState) -> int:
    """The number of allocated rows."""
    return state.experience.transition.oldest.shape[1]


def append(
    state: PrioritisedTrajectoryBufferState,
    transitions: Any,
    size: chex.Numeric,
    alpha: chex.Numeric | None,
    active: Active = None,
) -> PrioritisedTrajectoryBufferState:
    """Writes one transition of each environment over the oldest rows.

    If this would overwrite a frame that is still needed, only ``overflowed`` is set.

    Args:
        state: The buffer.
        transitions: A batch, leaves ``[n_envs, ...]``, in the order of the environments.
        size: The buffer's logical size, at most its capacity.
        alpha: See :func:`arlbench.core.buffers.replay.append`.
        active: Whether to write, bool ``[]``; None writes.
    """
    pool = state.experience.pool
    obs, next_obs = pool.layout.split(transitions.obs), pool.layout.split(transitions.next_obs)
    placed = frame_slots.place(pool, obs, next_obs)
    fits = ~pool.overflowed & _fits(state, placed, size)
    wanted = jnp.asarray(True) if active is None else jnp.asarray(active)
    writes = wanted & fits
    written = FramedRow(
        transitions._replace(obs=placed.obs, next_obs=placed.next_obs),
        jnp.broadcast_to(placed.oldest, placed.obs.shape[:1]),
    )
    after = replay.append(_without_pool(state), written, size, alpha, writes)
    small = (placed.next_slot, placed.next_obs, next_obs)
    small = lockstep.keep(writes, small, (pool.next_slot, pool.stack, pool.last))
    pool = pool.replace(
        frames=frame_slots.write(pool.frames, placed, obs, next_obs, writes),
        next_slot=small[0],
        stack=small[1],
        last=small[2],
        overflowed=pool.overflowed | (wanted & ~fits),
    )
    return _with_pool(after, pool)


def gather(state: PrioritisedTrajectoryBufferState, rows: jax.Array) -> Any:
    """The transitions of these rows ``[B]``, leaves ``[B, ...]``."""
    pool = state.experience.pool
    stored = replay.gather(_without_pool(state), rows).transition
    return stored._replace(
        obs=pool.layout.join(pool.frames[0, stored.obs]),
        next_obs=pool.layout.join(pool.frames[0, stored.next_obs]),
    )


def resize(
    state: PrioritisedTrajectoryBufferState, size: chex.Numeric
) -> PrioritisedTrajectoryBufferState:
    """Adapts the ring to a new logical size; see :func:`arlbench.core.buffers.replay.resize`."""
    return _with_pool(replay.resize(_without_pool(state), size), state.experience.pool)


def grow(
    state: PrioritisedTrajectoryBufferState, new_rows: int
) -> PrioritisedTrajectoryBufferState:
    """Allocates more rows and more room for frames; call :func:`resize` afterwards."""
    experience = state.experience
    old, stored = experience.pool, experience.transition
    layout, n_old = old.layout, old.frames.shape[1]
    obs = jax.ShapeDtypeStruct(layout.joined_shape(old.frames.shape[2:]), old.frames.dtype)
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[2:], x.dtype), stored.transition)
    n_envs = old.stack.shape[0]
    larger = init(one._replace(obs=obs, next_obs=obs), new_rows, n_envs, layout)

    def moved(slots: jax.Array) -> jax.Array:
        return jnp.where(slots == NO_SLOT, NO_SLOT, (slots - old.next_slot) % n_old)

    in_order = (jnp.arange(n_old) + old.next_slot) % n_old
    transition = stored.transition._replace(
        obs=moved(stored.transition.obs), next_obs=moved(stored.transition.next_obs)
    )
    pool = old.replace(
        frames=larger.experience.pool.frames.at[:, :n_old].set(old.frames[:, in_order]),
        next_slot=jnp.asarray(n_old, jnp.int32),
        stack=moved(old.stack),
    )
    kept = (FramedRow(transition, moved(stored.oldest)), experience.priority)
    room = (larger.experience.transition, larger.experience.priority)
    rows, priority = jax.tree.map(lambda new, x: new.at[:, : x.shape[1]].set(x), room, kept)
    tree = larger.sum_tree_state.replace(
        max_recorded_priority=state.sum_tree_state.max_recorded_priority
    )
    return state.replace(experience=FramedExperience(rows, priority, pool), sum_tree_state=tree)


def _fits(state: PrioritisedTrajectoryBufferState, placed: Placed, size: chex.Numeric) -> jax.Array:
    """Whether the new frames overwrite no frame of the rows that stay, bool ``[]``."""
    pool, n_new = state.experience.pool, placed.obs.shape[0]
    end = state.current_index + n_new
    first = jnp.where(state.is_full | (end >= size), end % size, 0)
    n_staying = jnp.minimum(replay.count(state, size), size - n_new)
    oldest = state.experience.transition.oldest[0, first]
    age = frame_slots.age(oldest, pool.next_slot, pool.frames.shape[1])
    age = jnp.maximum(jnp.where(n_staying > 0, age, -1), placed.oldest_shared_age)
    return age + placed.n_new < pool.frames.shape[1]


def _row(example: Any, layout: Layout) -> FramedRow:
    slots = jax.ShapeDtypeStruct((layout.n_frames,), jnp.int32)
    one = jax.ShapeDtypeStruct((), jnp.int32)
    return FramedRow(example._replace(obs=slots, next_obs=slots), one)


def _without_pool(state: PrioritisedTrajectoryBufferState) -> PrioritisedTrajectoryBufferState:
    """The buffer in the form that the functions of the plain one take."""
    transition, priority, _ = state.experience
    return state.replace(experience=Experience(transition, priority))


def _with_pool(
    state: PrioritisedTrajectoryBufferState, pool: Pool
) -> PrioritisedTrajectoryBufferState:
    transition, priority = state.experience
    return state.replace(experience=FramedExperience(transition, priority, pool))
