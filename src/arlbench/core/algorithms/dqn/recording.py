"""What is kept of every step and every update, where that was asked for."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp

from arlbench.core.algorithms.dqn.state import DQNMetrics, StoredTransition, Transition

# Stands for an array wherever only its shape is known yet.
_Shape = cast(Any, jax.ShapeDtypeStruct)


class Recorder(NamedTuple):
    """Room for the records of a run; None for what is not tracked.

    Attributes:
        trajectories: Room for ``S`` vector steps.
        metrics: Room for ``U`` updates.
        n_steps: Vector steps written, int32 ``[]``.
        n_updates: Updates written, int32 ``[]``.
    """

    trajectories: Transition | None
    metrics: DQNMetrics | None
    n_steps: jax.Array
    n_updates: jax.Array


def shapes(
    example: StoredTransition,
    params: Any,
    n_envs: int,
    batch_size: int,
    n_steps: int | None,
    n_updates: int | None,
) -> Recorder:
    """Shapes and dtypes of a recorder.

    Args:
        example: One stored transition.
        params: The network's parameters, whose shapes the gradients have.
        n_envs: Environments in a vector step.
        batch_size: Transitions in an update.
        n_steps: Vector steps to make room for, or None to track none.
        n_updates: Updates to make room for, or None to track none.
    """
    counter = _Shape((), jnp.int32)
    # Nothing can be written into no rows, not even in a branch that is never taken.
    n_steps, n_updates = (n if n is None else max(n, 1) for n in (n_steps, n_updates))
    trajectories = metrics = None
    if n_steps is not None:
        flag = _Shape((n_steps, n_envs), jnp.bool_)
        stacked = _stack(example, (n_steps, n_envs))
        trajectories = Transition(
            done=flag,
            action=stacked.action,
            reward=stacked.reward,
            obs=stacked.obs,
            info={"terminated": flag, "truncated": flag, "final_observation": stacked.next_obs},
        )
    if n_updates is not None:
        metrics = DQNMetrics(
            loss=_Shape((n_updates,), jnp.float32),
            grads=_stack(params, (n_updates,)),
            td_error=_Shape((n_updates, batch_size), jnp.float32),
        )
    return Recorder(trajectories, metrics, counter, counter)


def make_room(recorder_shapes: Recorder) -> Recorder:
    """An empty recorder; rows that are never written hold NaN, or 0 in whole numbers."""

    def fill(x: Any) -> jax.Array:
        nothing = jnp.nan if jnp.issubdtype(x.dtype, jnp.inexact) else 0
        return jnp.full(x.shape, nothing, x.dtype)

    return jax.tree.map(fill, recorder_shapes)


def record_step(recorder: Recorder, step: Transition) -> Recorder:
    """Keeps one vector step, leaves ``[n_envs, ...]``."""
    if recorder.trajectories is None:
        return recorder
    kept = {name: step.info[name] for name in recorder.trajectories.info}
    return recorder._replace(
        trajectories=_write(recorder.trajectories, recorder.n_steps, step._replace(info=kept)),
        n_steps=recorder.n_steps + 1,
    )


def record_update(recorder: Recorder, metrics: DQNMetrics) -> Recorder:
    """Keeps one update."""
    if recorder.metrics is None:
        return recorder
    return recorder._replace(
        metrics=_write(recorder.metrics, recorder.n_updates, metrics),
        n_updates=recorder.n_updates + 1,
    )


def written(recorder: Recorder) -> tuple[Transition | None, DQNMetrics | None]:
    """The records without the room that a run stopped early has left over."""
    n_steps, n_updates = int(recorder.n_steps), int(recorder.n_updates)
    return (
        jax.tree.map(lambda x: _first(x, n_steps), recorder.trajectories),
        jax.tree.map(lambda x: _first(x, n_updates), recorder.metrics),
    )


def _first(rows: jax.Array, n: int) -> jax.Array:
    return rows if n == rows.shape[0] else rows[:n]


def _stack(tree: Any, axes: tuple[int, ...]) -> Any:
    return jax.tree.map(lambda x: _Shape((*axes, *x.shape), x.dtype), tree)


def _write(stacked: Any, index: jax.Array, one: Any) -> Any:
    return jax.tree.map(lambda rows, row: rows.at[index].set(row), stacked, one)
