"""What a training of DQN takes: rows of the buffer, updates and work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax

from arlbench.core import memory
from arlbench.core.algorithms.declarations import is_tracer
from arlbench.core.algorithms.dqn.agent import AgentStructure, example_transition
from arlbench.core.algorithms.dqn.hyperparameters import TracedHyperparameters
from arlbench.core.algorithms.dqn.state import DQNState
from arlbench.core.algorithms.dqn.updates import last_idle_step
from arlbench.core.buffers import replay
from arlbench.core.checks import positive_whole
from arlbench.errors import ConfigurationError

#: What to change if the buffer takes too much memory.
BUFFER_CURE = "lower buffer_size or give init a smaller capacity"

# Measured on one core, in gradient steps of one transition: what a vector step costs,
# what a gradient step costs besides its batch, and how much more it costs by priority.
_VECTOR_STEP_COST = 10.0
_UPDATE_COST = 25.0
_PRIORITISED_FACTOR = 1.6

# A step of a simple environment in Python takes some 20 microseconds.
_HOST_STEP_COST = 40.0


def rows_to_allocate(
    agent: AgentStructure, size: int, capacity: int | None, limit_gib: float
) -> int:
    """Rows of a new buffer.

    Args:
        agent: What determines a row.
        size: The logical size.
        capacity: Rows to allocate, rounded up; None chooses by ``size``.
        limit_gib: Memory that it may take.

    Raises:
        ConfigurationError: If the size is traced and no capacity is given.
        MemoryLimitError: If it would take more.
    """
    if capacity is None and is_tracer(size):
        raise ConfigurationError(
            "buffer_size is traced, so it does not say how many rows to allocate; give init "
            "a capacity, the largest size that it may have."
        )
    if capacity is None:
        rows = replay.default_capacity(example_transition(agent), size)
    else:
        rows = replay.power_of_two_at_least(positive_whole("capacity", capacity))
    check_rows(agent, rows, limit_gib)
    return rows


def check_rows(agent: AgentStructure, rows: int, limit_gib: float) -> None:
    """Raises a MemoryLimitError if a buffer of so many rows takes too much."""
    row_bytes: Any = replay.row_bytes(example_transition(agent))
    memory.check({"buffer": rows * row_bytes}, limit_gib, {"buffer": BUFFER_CURE})


def rows_for_all(
    buffer_sizes: Sequence[int],
    n_total_timesteps: Sequence[int],
    earlier: Sequence[Mapping[str, Any]],
) -> int:
    """Rows that no member can fill beyond, of members ``[M]`` that may continue earlier ones."""
    written = max((int(parts["buffer"].running_index) for parts in earlier), default=0)
    members = zip(buffer_sizes, n_total_timesteps, strict=True)
    return max(min(size, timesteps + written) for size, timesteps in members)


def with_rows(state: tuple[Any, Any], rows: int) -> DQNState:
    """The state with a buffer of at least this many rows; preparing it puts it in order."""
    runner_state, buffer_state = state
    if replay.capacity(buffer_state) < rows:
        buffer_state = _grow(buffer_state, rows)
    return DQNState(runner_state, buffer_state)


# Not donated: memory cannot be taken over by something larger.
_grow = jax.jit(replay.grow, static_argnames=("new_capacity",))


def with_room(
    agent: AgentStructure, state: tuple[Any, Any], size: int, n_timesteps: int, limit_gib: float
) -> tuple[Any, Any]:
    """The state with as many rows as the buffer may hold, or further steps can fill.

    Raises:
        MemoryLimitError: If they take too much.
    """
    rows = replay.power_of_two_at_least(min(size, int(state[1].running_index) + n_timesteps))
    if rows <= replay.capacity(state[1]):
        return state
    check_rows(agent, rows, limit_gib)
    return with_rows(state, rows)


def require_rows(buffer_size: Any, rows: int, n_timesteps: int | None) -> None:
    """Raises if a traced training needs a larger buffer: it cannot grow there.

    Args:
        buffer_size: The logical size. A traced one is limited to the rows that exist.
        rows: Those that are allocated.
        n_timesteps: Environment steps of the training; None if not known yet.
    """
    if is_tracer(buffer_size):
        return
    needed = buffer_size if n_timesteps is None else min(buffer_size, n_timesteps)
    if rows < needed:
        raise ConfigurationError(
            f"Inside jax.jit a buffer cannot grow, and this one has {rows} rows of {needed}; give "
            f"init capacity={needed} or set buffer_size={rows}."
        )


def count_updates(
    hp: TracedHyperparameters, n_envs: int, begin: int | None, n_iterations: int
) -> int:
    """Gradient steps in ``n_iterations`` iterations from vector step ``begin`` on.

    As many as there can be if ``begin`` is None or ``learning_starts`` is traced.

    Raises:
        ConfigurationError: If ``gradient_steps`` is traced.
    """
    if is_tracer(hp.gradient_steps):
        raise ConfigurationError(
            "gradient_steps is traced, so there is no telling how many updates to record; set "
            "track_metrics=False."
        )
    n_idle = 0
    if begin is not None and not is_tracer(hp.learning_starts):
        waiting = last_idle_step(int(hp.learning_starts), n_envs) - begin
        n_idle = min(max(waiting // int(hp.train_freq), 0), n_iterations)
    return (n_iterations - n_idle) * int(hp.gradient_steps)


def check_length(config: Mapping[str, Any], n_envs: int, n_total_timesteps: int) -> None:
    """Raises a ConfigurationError if a run of this length has no update."""
    learning_starts = config["learning_starts"]
    if n_total_timesteps // n_envs <= last_idle_step(learning_starts, n_envs):
        raise ConfigurationError(
            f"{n_total_timesteps} timesteps leave no update, because learning starts after "
            f"{learning_starts}; raise the timesteps or lower learning_starts."
        )


def cost(
    config: Mapping[str, Any], n_envs: int, on_host: bool, n_total_timesteps: int | float
) -> float:
    """The work of a training, in gradient steps of one transition; roughly."""
    vector_steps = n_total_timesteps / n_envs
    learning_steps = max(vector_steps - last_idle_step(config["learning_starts"], n_envs), 0.0)
    updates = learning_steps / config["train_freq"] * config["gradient_steps"]
    per_update = _UPDATE_COST + config["buffer_batch_size"]
    factor = _PRIORITISED_FACTOR if config["buffer_prio_sampling"] else 1.0
    in_python = _HOST_STEP_COST * n_total_timesteps if on_host else 0.0
    return in_python + vector_steps * _VECTOR_STEP_COST + updates * per_update * factor
