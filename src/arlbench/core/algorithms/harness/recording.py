"""Records of every step and every update, if they are asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np

from arlbench.core import running_statistics
from arlbench.core.algorithms.harness.progress import UpdateStatistic
from arlbench.core.lockstep import Active, keep
from arlbench.core.running_statistics import RunningStatisticsState

# Stands for an array when only its shape is known yet.
_Shape = cast(Any, jax.ShapeDtypeStruct)


class Recorder(NamedTuple):
    """Room for the records of a run; a field is None if it is not tracked.

    Attributes:
        trajectories: Room for ``S`` vector steps, leaves ``[S, n_envs, ...]``.
        metrics: Room for ``U`` updates, leaves ``[U, ...]``.
        n_steps: Vector steps written, int32 ``[]``.
        n_updates: Updates written, int32 ``[]``.
        statistics: Statistics of all updates, vectors ``[n_statistics]``.
    """

    trajectories: Any
    metrics: Any
    n_steps: jax.Array
    n_updates: jax.Array
    statistics: RunningStatisticsState | None = None

    @property
    def has_updates(self) -> bool:
        """Whether it records anything about updates."""
        return self.metrics is not None or self.statistics is not None


class Tracking(NamedTuple):
    """What to record.

    Attributes:
        trajectories: Whether to record every step.
        metrics: Whether to record everything about every update.
        statistics: Whether to compute means and deviations over all updates.
        losses: Whether to record the loss of every update.
    """

    trajectories: bool = False
    metrics: bool = False
    statistics: bool = False
    losses: bool = False

    @property
    def updates(self) -> bool:
        """Whether to record anything about every update."""
        return self.metrics or self.losses


def shapes(
    step: Any = None,
    update: Any = None,
    n_steps: int | None = None,
    n_updates: int | None = None,
    n_statistics: int = 0,
) -> Recorder:
    """Shapes and dtypes of a recorder.

    Args:
        step: Shapes and dtypes of the record of one vector step.
        update: Shapes and dtypes of the record of one update.
        n_steps: Vector steps to make room for; None does not track steps.
        n_updates: Updates to make room for; None does not track updates.
        n_statistics: How many numbers of an update to keep statistics of; may be 0.
    """
    counter = _Shape((), jnp.int32)
    return Recorder(
        trajectories=None if n_steps is None else _stacked(step, n_steps),
        metrics=None if n_updates is None else _stacked(update, n_updates),
        n_steps=counter,
        n_updates=counter,
        statistics=_statistics_shapes(n_statistics) if n_statistics else None,
    )


@functools.cache
def _statistics_shapes(n_statistics: int) -> Any:
    # Kept, so that only the first training spends time on tracing it.
    return jax.eval_shape(lambda: running_statistics.init_state((n_statistics,)))


def make_room(recorder_shapes: Recorder) -> Recorder:
    """An empty recorder; rows that are never written hold NaN, or 0 for whole numbers."""

    def fill(x: Any) -> jax.Array:
        nothing = jnp.nan if jnp.issubdtype(x.dtype, jnp.inexact) else 0
        return jnp.full(x.shape, nothing, x.dtype)

    statistics = recorder_shapes.statistics
    records = jax.tree.map(fill, recorder_shapes._replace(statistics=None))
    if statistics is None:
        return records
    return records._replace(statistics=running_statistics.init_state(statistics.mean.shape))


def record_step(recorder: Recorder, step: Any) -> Recorder:
    """Records one vector step, leaves ``[n_envs, ...]``."""
    if recorder.trajectories is None:
        return recorder
    return recorder._replace(
        trajectories=_write(recorder.trajectories, recorder.n_steps, step),
        n_steps=recorder.n_steps + 1,
    )


def record_update(
    recorder: Recorder, update: Any, numbers: Callable[[], jax.Array], active: Active
) -> Recorder:
    """Records one update.

    Args:
        recorder: The recorder.
        update: The record of the update.
        numbers: Computes the numbers to keep statistics of, float32 ``[n_statistics]``.
        active: Whether the update counts.
    """
    if recorder.statistics is not None:
        after = running_statistics.update(recorder.statistics, numbers()[None])
        recorder = recorder._replace(statistics=keep(active, after, recorder.statistics))
    if recorder.metrics is None:
        return recorder
    return recorder._replace(
        metrics=_write(recorder.metrics, recorder.n_updates, update),
        n_updates=recorder.n_updates + 1,
    )


def statistics_of(recorder: Recorder, names: Sequence[str]) -> dict[str, UpdateStatistic] | None:
    """Means and standard deviations over all updates so far; 0 without any update."""
    if recorder.statistics is None:
        return None
    count, mean, summed_variance, _ = map(np.asarray, recorder.statistics)
    std = np.sqrt(summed_variance / max(int(count), 1))
    return {
        name: UpdateStatistic(float(m), float(s))
        for name, m, s in zip(names, mean, std, strict=True)
    }


def written(recorder: Recorder) -> tuple[Any, Any]:
    """The records without unused room, which is left if a run was stopped early."""
    n_steps, n_updates = int(recorder.n_steps), int(recorder.n_updates)
    return (
        jax.tree.map(lambda x: _first(x, n_steps), recorder.trajectories),
        jax.tree.map(lambda x: _first(x, n_updates), recorder.metrics),
    )


def _first(rows: jax.Array, n: int) -> jax.Array:
    # On the host, because JAX would compile this for each number.
    return rows if n == rows.shape[0] else jax.device_put(np.asarray(rows)[:n])


def _stacked(tree: Any, n: int) -> Any:
    # An array without rows cannot be written to, not even in a branch that is never taken.
    return jax.tree.map(lambda x: _Shape((max(n, 1), *x.shape), x.dtype), tree)


def _write(stacked: Any, index: jax.Array, one: Any) -> Any:
    def write(rows: Any, row: Any) -> Any:
        return None if rows is None else rows.at[index].set(row)

    # Fields without room are left out.
    return jax.tree.map(write, stacked, one, is_leaf=lambda rows: rows is None)
