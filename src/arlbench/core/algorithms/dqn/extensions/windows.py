"""Windows of several steps in the replay buffer, computed when a batch is drawn.

Each vector step adds one row for each environment, so the next row of the same environment is
``n_envs`` rows later in the ring.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from arlbench.core.buffers import replay, storage
from arlbench.core.lockstep import Active


class Window(NamedTuple):
    """The results of windows that begin with given rows.

    Attributes:
        last: The last row of each window, int32 ``[B]``.
        reward: The discounted sum of rewards, ``[B]``.
        discount: The factor of the value after the last row, 0 if the task ended there, ``[B]``.
    """

    last: jax.Array
    reward: jax.Array
    discount: jax.Array


def window(
    buffer: Any,
    rows: jax.Array,
    size: chex.Numeric,
    n_envs: int,
    n_step: chex.Numeric,
    at_most: int,
    gamma: chex.Numeric,
) -> Window:
    """The sum of up to ``n_step`` rewards (Sutton 1988; Hessel et al. 2018).

    A window ends earlier where its episode terminated or was cut off, and at the newest row.

    Args:
        buffer: The buffer, with the fields ``reward``, ``terminated`` and ``cut_off``.
        rows: The first row of each window, ``[B]``.
        size: The buffer's logical size.
        n_envs: Rows of a vector step.
        n_step: The largest number of rows of a window, at most ``at_most``.
        at_most: The largest ``n_step`` that the program can take, which shapes it.
        gamma: The discount of one step.
    """
    newest = (buffer.current_index - 1) % size
    age = (newest - rows) % size
    step = jnp.arange(at_most, dtype=jnp.int32)[:, None]
    at = (rows[None, :] + step * n_envs) % size
    terminated = storage.field(buffer, "terminated")
    # Rows are taken first: an operation on the whole buffer would take longer the larger it is.
    ended = (terminated[at] | storage.field(buffer, "cut_off")[at]).astype(jnp.int32)
    exists = (step < n_step) & (step * n_envs <= age[None, :])
    inside = exists & (jnp.cumsum(ended, axis=0) == ended)
    powers = jnp.cumprod(jnp.full((at_most,), gamma, jnp.float32))
    earlier = jnp.concatenate([jnp.ones((1,), jnp.float32), powers[:-1]])
    rewards = jnp.where(inside, earlier[:, None] * storage.field(buffer, "reward")[at], 0.0)
    length = jnp.sum(inside, axis=0, dtype=jnp.int32)
    last = (rows + (length - 1) * n_envs) % size
    discount = powers[length - 1] * (1.0 - terminated[last].astype(jnp.float32))
    return Window(last, jnp.sum(rewards, axis=0), discount)


def with_cuts(buffer: Any, obs: Any, size: chex.Numeric, n_envs: int, active: Active = None) -> Any:
    """Marks the newest rows of environments that have left their episodes as cut off.

    They have if a new episode began before the old one ended, as after an evaluation in the
    environment of the training, or in a state that was restored without its environments. Rows
    with which an episode ended are marked too, which changes nothing.

    Args:
        buffer: The buffer.
        obs: The observations to act on next, leaves ``[n_envs, ...]``.
        size: The buffer's logical size.
        n_envs: Rows of a vector step.
        active: Whether to write, bool ``[]``; None writes.
    """
    rows = (buffer.current_index - n_envs + jnp.arange(n_envs, dtype=jnp.int32)) % size
    elsewhere = _differ(storage.gather(buffer, rows).next_obs, obs)
    cut_off = storage.field(buffer, "cut_off")[rows] | elsewhere
    return storage.with_field(buffer, "cut_off", rows, cut_off, active)


@partial(jax.jit, static_argnames="n_envs")
def with_breaks(buffer: Any, n_envs: int) -> Any:
    """Marks as cut off every row whose next observation is not that of the row ``n_envs`` later.

    In a buffer that was filled with a different number of environments, the row ``n_envs`` later
    belongs to a different environment.

    Args:
        buffer: The buffer, which holds whole observations.
        n_envs: Rows of a vector step.
    """
    held = jnp.maximum(jnp.sum(buffer.experience.priority != replay.EMPTY, dtype=jnp.int32), 1)
    rows = jnp.arange(storage.capacity(buffer), dtype=jnp.int32)
    led_to = storage.gather(buffer, rows).next_obs
    elsewhere = _differ(led_to, storage.gather(buffer, (rows + n_envs) % held).obs)
    cut_off = storage.field(buffer, "cut_off") | elsewhere
    return storage.with_field(buffer, "cut_off", rows, cut_off)


def _differ(some: Any, others: Any) -> jax.Array:
    """Which observations differ from others, bool ``[B]``, with leaves ``[B, ...]``."""
    differs = jax.tree.map(lambda a, b: jnp.any((a != b).reshape(len(a), -1), axis=1), some, others)
    return jnp.any(jnp.stack(jax.tree.leaves(differs)), axis=0)
