"""Memory of a run: how much it takes, whether it may, and making room when it must grow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
from flashbax.buffers.prioritised_trajectory_buffer import PrioritisedTrajectoryBufferState

from arlbench.core import memory
from arlbench.core.algorithms.dqn import beginning, checks, programs, recording, training
from arlbench.core.algorithms.dqn.hyperparameters import (
    AgentStructure,
    Structure,
    TracedHyperparameters,
)
from arlbench.core.algorithms.dqn.recording import Recorder, Tracking
from arlbench.core.algorithms.dqn.state import DQNState
from arlbench.core.buffers import replay
from arlbench.core.checks import positive_whole
from arlbench.errors import ConfigurationError

_CURES = {
    "buffer": "lower buffer_size or give init a smaller capacity",
    "trajectories": "set track_trajectories=False or train in shorter calls",
    "metrics": "set track_metrics=False or train in shorter calls",
}


def buffer_for(
    agent: AgentStructure,
    given: PrioritisedTrajectoryBufferState | None,
    buffer_size: int,
    capacity: int | None,
    limit_gib: float,
) -> PrioritisedTrajectoryBufferState:
    """A copy of the given buffer, or an empty one; see :func:`rows_to_allocate`.

    Raises:
        ConfigurationError: If the given one does not fit, or has a capacity already.
        MemoryLimitError: If an empty one would take too much.
    """
    if given is None:
        rows = rows_to_allocate(agent, buffer_size, capacity, limit_gib)
        return programs.init_buffer(agent, rows)
    if capacity is not None:
        raise ConfigurationError("Give init either a buffer_state or a capacity, not both.")
    return copy_buffer(agent, given)


def rows_to_allocate(
    agent: AgentStructure, buffer_size: int, capacity: int | None, limit_gib: float
) -> int:
    """Rows of a new buffer.

    Args:
        agent: What determines a row.
        buffer_size: The logical size.
        capacity: Rows to allocate, rounded up; None chooses by ``buffer_size``.
        limit_gib: Memory that it may take.

    Raises:
        MemoryLimitError: If it would take more.
    """
    if capacity is None:
        rows = replay.default_capacity(beginning.example_transition(agent), buffer_size)
    else:
        rows = replay.power_of_two_at_least(positive_whole("capacity", capacity))
    _check(agent, rows, {}, limit_gib)
    return rows


def copy_buffer(
    agent: AgentStructure, given: PrioritisedTrajectoryBufferState
) -> PrioritisedTrajectoryBufferState:
    """A copy of a buffer, if its rows are those of this agent.

    Raises:
        ConfigurationError: If they are not, naming the part.
    """
    if not isinstance(getattr(given, "experience", None), replay.Experience):
        raise ConfigurationError(
            f"buffer_state must be the buffer of an arlbench DQN, not a {type(given).__name__} of "
            "another origin; take it from the state that init or train returned."
        )
    rows = replay.capacity(given)
    fresh = jax.eval_shape(lambda: beginning.init_buffer(agent, rows))
    checks.same_structure("buffer_state", given, fresh)
    return programs.copy(given)


def with_room(
    agent: AgentStructure,
    buffer_size: int,
    state: DQNState,
    plan: training.Plan,
    limit_gib: float,
) -> DQNState:
    """The state with as many rows as the buffer may hold, or the run can fill."""
    fillable = int(state.buffer_state.running_index) + plan.remaining_timesteps
    needed = min(buffer_size, fillable)
    if needed <= replay.capacity(state.buffer_state):
        return state
    rows = replay.power_of_two_at_least(needed)
    _check(agent, rows, {}, limit_gib)
    return state._replace(buffer_state=programs.grow(state.buffer_state, rows))


def require_room(buffer_size: int, state: DQNState, plan: training.Plan) -> None:
    """Raises where a traced training would need a larger buffer: it cannot grow there."""
    rows, needed = replay.capacity(state.buffer_state), min(buffer_size, plan.total_timesteps)
    if rows < needed:
        raise ConfigurationError(
            f"Inside jax.jit a buffer cannot grow, and this one has {rows} rows of {needed}; give "
            f"init capacity={needed} or set buffer_size={rows}."
        )


def recorder_shapes(
    structure: Structure,
    hp: TracedHyperparameters,
    state: DQNState,
    plan: training.Plan,
    tracking: Tracking,
    limit_gib: float,
) -> Recorder:
    """Shapes of what a training will record.

    Where the step counter is not known yet, inside ``jax.jit``, there is room for an
    update in every iteration.

    Raises:
        MemoryLimitError: If the records and the buffer would take too much together.
    """
    agent = structure.agent
    begin = state.runner_state.global_step
    n_iterations = plan.remaining_iterations
    n_updates = n_iterations * int(hp.gradient_steps)
    if not checks.is_traced(begin):
        n_updates = training.count_updates(hp, agent.env.n_envs, int(begin), n_iterations)
    shapes = recording.shapes(
        beginning.example_transition(agent),
        state.runner_state.train_state.params,
        agent.env.n_envs,
        int(hp.buffer_batch_size),
        plan.remaining_timesteps // agent.env.n_envs if tracking.trajectories else None,
        n_updates if tracking.metrics else None,
        tracking.statistics,
    )
    records = {
        "trajectories": memory.tree_bytes(shapes.trajectories),
        "metrics": memory.tree_bytes(shapes.metrics),
    }
    _check(agent, replay.capacity(state.buffer_state), records, limit_gib)
    return shapes


def _check(agent: AgentStructure, rows: int, records: Mapping[str, int], limit_gib: float) -> None:
    row_bytes: Any = replay.row_bytes(beginning.example_transition(agent))
    memory.check({"buffer": rows * row_bytes, **records}, limit_gib, _CURES)
