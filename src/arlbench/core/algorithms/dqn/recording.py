"""What is kept of every step and every update, where that was asked for."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from arlbench.core import running_statistics
from arlbench.core.algorithms.algorithm import UpdateStatistic
from arlbench.core.algorithms.dqn.state import DQNMetrics, StoredTransition, Transition
from arlbench.core.lockstep import Active, keep
from arlbench.core.running_statistics import RunningStatisticsState

#: What statistics are of, one number an update: the gradient's Euclidean norm and the
#: variance of its entries, the loss, and the batch's mean absolute TD error and mean
#: value of the actions taken.
STATISTICS = ("grad_norm", "grad_variance", "loss", "td_error", "q_value")

# Stands for an array wherever only its shape is known yet.
_Shape = cast(Any, jax.ShapeDtypeStruct)


class Tracking(NamedTuple):
    """What is to be recorded."""

    trajectories: bool = False
    metrics: bool = False
    statistics: bool = False


class Recorder(NamedTuple):
    """Room for the records of a run; None for what is not tracked.

    Attributes:
        trajectories: Room for ``S`` vector steps.
        metrics: Room for ``U`` updates.
        n_steps: Vector steps written, int32 ``[]``.
        n_updates: Updates written, int32 ``[]``.
        statistics: Of all updates, vectors of ``STATISTICS``.
    """

    trajectories: Transition | None
    metrics: DQNMetrics | None
    n_steps: jax.Array
    n_updates: jax.Array
    statistics: RunningStatisticsState | None = None


def shapes_without_records(track_statistics: bool) -> Recorder:
    """Shapes and dtypes of a recorder that keeps nothing of single steps and updates."""
    counter = _Shape((), jnp.int32)
    statistics = _shape_of_statistics() if track_statistics else None
    return Recorder(None, None, counter, counter, statistics)


def shapes(
    example: StoredTransition,
    params: Any,
    n_envs: int,
    batch_size: int,
    n_steps: int | None,
    n_updates: int | None,
    track_statistics: bool = False,
) -> Recorder:
    """Shapes and dtypes of a recorder.

    Args:
        example: One stored transition.
        params: The network's parameters, whose shapes the gradients have.
        n_envs: Environments in a vector step.
        batch_size: Transitions in an update.
        n_steps: Vector steps to make room for, or None to track none.
        n_updates: Updates to make room for, or None to track none.
        track_statistics: Whether to keep statistics of all updates.
    """
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
    return shapes_without_records(track_statistics)._replace(
        trajectories=trajectories, metrics=metrics
    )


def make_room(recorder_shapes: Recorder) -> Recorder:
    """An empty recorder; rows that are never written hold NaN, or 0 in whole numbers."""

    def fill(x: Any) -> jax.Array:
        nothing = jnp.nan if jnp.issubdtype(x.dtype, jnp.inexact) else 0
        return jnp.full(x.shape, nothing, x.dtype)

    statistics = None if recorder_shapes.statistics is None else _no_statistics()
    records = jax.tree.map(fill, recorder_shapes._replace(statistics=None))
    return records._replace(statistics=statistics)


def record_step(recorder: Recorder, step: Transition) -> Recorder:
    """Keeps one vector step, leaves ``[n_envs, ...]``."""
    if recorder.trajectories is None:
        return recorder
    kept = {name: step.info[name] for name in recorder.trajectories.info}
    return recorder._replace(
        trajectories=_write(recorder.trajectories, recorder.n_steps, step._replace(info=kept)),
        n_steps=recorder.n_steps + 1,
    )


def record_update(
    recorder: Recorder, metrics: DQNMetrics, q_value: jax.Array, active: Active
) -> Recorder:
    """Keeps one update.

    Args:
        recorder: Where.
        metrics: What the update gave.
        q_value: Values of the batch's actions, ``[B]``.
        active: Whether the update counts.
    """
    if recorder.statistics is not None:
        numbers = _numbers_of(metrics, q_value)
        after = running_statistics.update(recorder.statistics, numbers[None])
        recorder = recorder._replace(statistics=keep(active, after, recorder.statistics))
    if recorder.metrics is None:
        return recorder
    return recorder._replace(
        metrics=_write(recorder.metrics, recorder.n_updates, metrics),
        n_updates=recorder.n_updates + 1,
    )


def _numbers_of(metrics: DQNMetrics, q_value: jax.Array) -> jax.Array:
    """The numbers of one update that ``STATISTICS`` names, float32 ``[5]``."""
    leaves = jax.tree.leaves(metrics.grads)
    size = sum(leaf.size for leaf in leaves)
    squares = sum(jnp.sum(jnp.square(leaf)) for leaf in leaves)
    mean = sum(jnp.sum(leaf) for leaf in leaves) / size
    variance = jnp.maximum(squares / size - jnp.square(mean), 0.0)
    td_error = jnp.mean(jnp.abs(metrics.td_error))
    numbers = [jnp.sqrt(squares), variance, metrics.loss, td_error, jnp.mean(q_value)]
    return jnp.stack(numbers).astype(jnp.float32)


def statistics_of(recorder: Recorder) -> dict[str, UpdateStatistic] | None:
    """Mean and standard deviation over all updates so far, 0 where there was none."""
    if recorder.statistics is None:
        return None
    count, mean, summed_variance, _ = map(np.asarray, recorder.statistics)
    std = np.sqrt(summed_variance / max(int(count), 1))
    return {
        name: UpdateStatistic(float(m), float(s))
        for name, m, s in zip(STATISTICS, mean, std, strict=True)
    }


@functools.cache
def _shape_of_statistics() -> RunningStatisticsState:
    return jax.eval_shape(_no_statistics)


def _no_statistics() -> RunningStatisticsState:
    return running_statistics.init_state((len(STATISTICS),))


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
