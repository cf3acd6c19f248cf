"""What a DQN training needs: rows of the buffer, updates and work."""

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
from arlbench.core.buffers import frames, replay, storage
from arlbench.core.checks import known_names, positive_whole
from arlbench.errors import ConfigurationError

#: What to change if the buffer needs too much memory.
BUFFER_CURE = "lower buffer_size or give init a smaller capacity"

# Measured on one core, in units of a gradient step's cost for one transition: the cost of a
# vector step, the cost of a gradient step apart from its batch, and the factor for sampling by
# priority.
_VECTOR_STEP_COST = 10.0
_UPDATE_COST = 25.0
_PRIORITISED_FACTOR = 1.6

# A step of a simple environment in Python takes about 20 microseconds.
_HOST_STEP_COST = 40.0


def rows_to_allocate(
    agent: AgentStructure, size: int, capacity: int | None, limit_gib: float
) -> int:
    """Rows of a new buffer.

    Args:
        agent: The agent, which determines the content of a row.
        size: The logical size.
        capacity: Rows to allocate, rounded up to a power of two if they hold whole
            observations; None chooses them from ``size``.
        limit_gib: The memory that the buffer may use.

    Raises:
        ConfigurationError: If the size is traced and no capacity is given.
        MemoryLimitError: If the buffer would need more memory.
    """
    if capacity is None and is_tracer(size):
        raise ConfigurationError(
            "buffer_size is traced, so it does not say how many rows to allocate; give init "
            "a capacity, which is the largest size that it may have."
        )
    if capacity is None:
        rows = _default_rows(agent, size)
    else:
        rows = _at_least(positive_whole("capacity", capacity), agent.frames is not None)
    check_rows(agent, rows, limit_gib)
    return rows


def check_rows(agent: AgentStructure, rows: int, limit_gib: float) -> None:
    """Raises a MemoryLimitError if a buffer of this many rows needs too much memory."""
    needed: Any = rows * replay.row_bytes(example_transition(agent))
    if agent.frames is not None:
        needed = memory.tree_bytes(jax.eval_shape(lambda: agent.init_buffer(rows)))
    memory.check({"buffer": needed}, limit_gib, {"buffer": BUFFER_CURE})


def _default_rows(agent: AgentStructure, size: int) -> int:
    """Rows for a logical size; small buffers get more, so that ordinary sizes share a program."""
    example = example_transition(agent)
    if agent.frames is None:
        return replay.default_capacity(example, size)
    return frames.default_capacity(example, agent.frames, size)


def _at_least(rows: int, framed: bool) -> int:
    """The smallest possible number of rows that is at least this one."""
    return rows if framed else replay.power_of_two_at_least(rows)


def rows_to_fill(algorithm: Any, n_timesteps: int) -> int:
    """Rows that an algorithm's training of this many environment steps may fill.

    Training ends with a whole iteration, so it may exceed these steps. A buffer of frames needs
    rows for the excess to hold the same transitions as a buffer of whole observations, which has
    them because it is rounded up to a power of two.
    """
    if algorithm.structure.agent.frames is None:
        return n_timesteps
    return n_timesteps + int(algorithm.steps_per_iteration) - 1


def shared_init_options(
    algorithms: Sequence[Any],
    n_total_timesteps: Sequence[int],
    earlier: Sequence[Mapping[str, Any]] = (),
    given: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One capacity for all, at least 8 MiB so that small populations share programs.

    It is increased if members can fill more rows; see :class:`Algorithm`.
    """
    known_names(given or {}, ["capacity"], "option of init")
    capacity = (given or {}).get("capacity")
    written = max((int(parts["buffer"].running_index) for parts in earlier), default=0)
    fillable = map(rows_to_fill, algorithms, n_total_timesteps)
    sizes = [algorithm.hpo_config["buffer_size"] for algorithm in algorithms]
    rows = max(min(size, n + written) for size, n in zip(sizes, fillable, strict=True))
    asked = None if capacity is None else max(positive_whole("capacity", capacity), rows)
    first = algorithms[0]
    agent, limit = first.structure.agent, first.memory_limit_gib
    return {"capacity": rows_to_allocate(agent, rows, asked, limit)}


def with_rows(state: tuple[Any, Any], rows: int) -> DQNState:
    """The state with a buffer of at least this many rows; the preparation must follow."""
    runner_state, buffer_state = state
    if storage.capacity(buffer_state) < rows:
        buffer_state = _grow(buffer_state, rows)
    return DQNState(runner_state, buffer_state)


# Not donated, because a larger array cannot reuse the memory.
_grow = jax.jit(storage.grow, static_argnames=("new_capacity",))


def with_room(
    agent: AgentStructure, state: tuple[Any, Any], size: int, n_timesteps: int, limit_gib: float
) -> tuple[Any, Any]:
    """The state with rows for the whole buffer, or fewer if the further steps cannot fill it.

    Raises:
        MemoryLimitError: If the rows need too much memory.
    """
    buffer = state[1]
    needed = min(size, int(buffer.running_index) + n_timesteps)
    rows = _at_least(needed, frames.is_framed(buffer))
    if rows <= storage.capacity(buffer):
        return state
    grown = jax.eval_shape(lambda: storage.grow(buffer, rows))
    memory.check({"buffer": memory.tree_bytes(grown)}, limit_gib, {"buffer": BUFFER_CURE})
    return with_rows(state, rows)


def require_rows(buffer_size: Any, buffer: Any, n_timesteps: int | None) -> None:
    """Raises if a traced training needs a larger buffer, because there it cannot grow.

    Rows that earlier calls have written count only if their number is not traced.

    Args:
        buffer_size: The logical size. A traced size is limited to the rows that exist.
        buffer: The buffer state.
        n_timesteps: Environment steps of the training; None if not known yet.
    """
    if is_tracer(buffer_size):
        return
    rows, written = storage.capacity(buffer), buffer.running_index
    earlier = 0 if is_tracer(written) else int(written)
    needed = buffer_size if n_timesteps is None else min(buffer_size, earlier + n_timesteps)
    if rows < needed:
        raise ConfigurationError(
            f"Inside jax.jit a buffer cannot grow, and this one has {rows} rows but needs "
            f"{needed}; give init capacity={needed} or set buffer_size={rows}."
        )


def count_updates(
    hp: TracedHyperparameters, n_envs: int, begin: int | None, n_iterations: int
) -> int:
    """Gradient steps in ``n_iterations`` iterations, starting at vector step ``begin``.

    The largest possible number if ``begin`` is None or ``learning_starts`` is traced.

    Raises:
        ConfigurationError: If ``gradient_steps`` is traced.
    """
    if is_tracer(hp.gradient_steps):
        raise ConfigurationError(
            "gradient_steps is traced, so the number of updates to record is not known; set "
            "track_metrics=False."
        )
    n_idle = 0
    if begin is not None and not is_tracer(hp.learning_starts):
        waiting = last_idle_step(int(hp.learning_starts), n_envs) - begin
        n_idle = min(max(waiting // int(hp.train_freq), 0), n_iterations)
    return (n_iterations - n_idle) * int(hp.gradient_steps)


def check_length(config: Mapping[str, Any], n_envs: int, n_total_timesteps: int) -> None:
    """Raises a ConfigurationError if a run of this length makes no update."""
    learning_starts = config["learning_starts"]
    if n_total_timesteps // n_envs <= last_idle_step(learning_starts, n_envs):
        raise ConfigurationError(
            f"{n_total_timesteps} timesteps are too few for an update, because learning starts "
            f"after {learning_starts}; raise the timesteps or lower learning_starts."
        )


def cost(
    config: Mapping[str, Any], n_envs: int, on_host: bool, n_total_timesteps: int | float
) -> float:
    """A rough estimate of a training run's work, in gradient steps for one transition."""
    vector_steps = n_total_timesteps / n_envs
    learning_steps = max(vector_steps - last_idle_step(config["learning_starts"], n_envs), 0.0)
    updates = learning_steps / config["train_freq"] * config["gradient_steps"]
    per_update = _UPDATE_COST + config["buffer_batch_size"]
    factor = _PRIORITISED_FACTOR if config["buffer_prio_sampling"] else 1.0
    in_python = _HOST_STEP_COST * n_total_timesteps if on_host else 0.0
    return in_python + vector_steps * _VECTOR_STEP_COST + updates * per_update * factor
