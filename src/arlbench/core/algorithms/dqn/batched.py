"""Many agents of one structure as one program, for accelerators.

Every array of a state gets a first axis of ``M`` members. They train in lockstep, see
:mod:`arlbench.core.lockstep`; members on different devices do not wait for each other
within a segment.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from arlbench.core.algorithms.algorithm import Batch, UpdateStatistic
from arlbench.core.algorithms.dqn import acting, beginning, learner, programs, recording
from arlbench.core.algorithms.dqn.hyperparameters import Structure, TracedHyperparameters
from arlbench.core.algorithms.dqn.recording import Recorder
from arlbench.core.algorithms.dqn.state import DQNState
from arlbench.core.buffers import replay

_MEMBERS = "members"
_DEVICES = "devices"


class DQNBatch(Batch):
    """Agents of one structure that train together; see :class:`Batch`."""

    def __init__(
        self, algorithms: Sequence[Any], schedule_timesteps: Sequence[int], devices: Sequence[Any]
    ) -> None:
        self._mesh = Mesh(np.asarray(devices), (_DEVICES,))
        # Every device has as many members; the last ones may be there for nothing.
        n_spare = -len(algorithms) % len(devices)
        self._algorithms = [*algorithms, *[algorithms[-1]] * n_spare]
        self._structure: Structure = algorithms[0].structure
        self._hp = self._stacked([algorithm.hp for algorithm in self._algorithms])
        self._schedule = self._padded(schedule_timesteps, np.float32)
        records = programs.room(recording.shapes_without_records(algorithms[0].track_statistics))
        self._recorder = self._stacked([records] * len(self._algorithms))
        env = algorithms[0].env
        self.steps_per_iteration = np.array([a.hp.train_freq * env.n_envs for a in algorithms])

    def init(self, seeds: Sequence[int], capacity: int) -> DQNState:
        return init(self._structure, capacity, self._mesh, self._hp, self._padded(seeds, np.uint32))

    def join(self, states: Sequence[DQNState], capacity: int) -> DQNState:
        rows = max(capacity, *(replay.capacity(state.buffer_state) for state in states))
        grown = [_with_rows(state, rows) for state in states]
        return self._stacked([*grown, *[grown[-1]] * (len(self._algorithms) - len(states))])

    def prepare(self, state: DQNState) -> DQNState:
        return prepare(self._structure.prioritised, self._mesh, self._hp, state)

    def advance(self, state: DQNState, n_iterations: np.ndarray) -> DQNState:
        n = self._padded(n_iterations, np.int32)
        n[len(n_iterations) :] = 0
        state, self._recorder = segment(
            self._structure, self._mesh, self._hp, self._schedule, state, self._recorder, n
        )
        return state

    def evaluate(self, state: DQNState, n_episodes: int) -> tuple[np.ndarray, np.ndarray]:
        returns, finite = evaluate(self._structure, n_episodes, self._mesh, self._hp, state)
        return np.asarray(returns), np.asarray(finite)

    def statistics(self, index: int) -> Mapping[str, UpdateStatistic] | None:
        return recording.statistics_of(jax.tree.map(lambda leaf: leaf[index], self._recorder))

    def member(self, state: DQNState, index: int) -> DQNState:
        return jax.tree.map(lambda leaf: leaf[index], state)

    def _padded(self, values: Sequence[Any] | np.ndarray, dtype: Any) -> np.ndarray:
        spare = len(self._algorithms) - len(values)
        return np.array([*values, *[values[-1]] * spare], dtype)

    @staticmethod
    def _stacked(trees: Sequence[Any]) -> Any:
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _with_rows(state: DQNState, rows: int) -> DQNState:
    """The state with a buffer of so many rows; ``prepare`` puts it in order."""
    if replay.capacity(state.buffer_state) == rows:
        return state
    return state._replace(buffer_state=programs.grow(state.buffer_state, rows))


@functools.partial(jax.jit, static_argnames=("structure", "capacity", "mesh"))
def init(
    structure: Structure, capacity: int, mesh: Mesh, hp: TracedHyperparameters, seeds: jax.Array
) -> DQNState:
    """States at step 0.

    Args:
        structure: What all members share.
        capacity: Rows of each buffer.
        mesh: The devices.
        hp: Traced hyperparameters, leaves ``[M]``.
        seeds: What each member's key is made of, uint32 ``[M]``.
    """

    def one(hp: TracedHyperparameters, seed: jax.Array) -> DQNState:
        agent = structure.agent
        runner = beginning.init_runner(agent, jax.random.key(seed), None, None, None, hp)
        return DQNState(runner, beginning.init_buffer(agent, capacity))

    return _over_members(one, mesh)(hp, seeds)


@functools.partial(jax.jit, static_argnames=("prioritised", "mesh"), donate_argnames=("state",))
def prepare(prioritised: bool, mesh: Mesh, hp: TracedHyperparameters, state: DQNState) -> DQNState:
    """States in line with hyperparameters that may have changed since they were made."""
    return _over_members(functools.partial(beginning.prepare, prioritised), mesh)(hp, state)


@functools.partial(jax.jit, static_argnames=("structure", "mesh"), donate_argnames=("state",))
def segment(
    structure: Structure,
    mesh: Mesh,
    hp: TracedHyperparameters,
    schedule_timesteps: jax.Array,
    state: DQNState,
    recorder: Recorder,
    n_iterations: jax.Array,
) -> tuple[DQNState, Recorder]:
    """Iterations of every member.

    Args:
        structure: What all members share.
        mesh: The devices.
        hp: Traced hyperparameters, leaves ``[M]``.
        schedule_timesteps: Of the exploration schedule, float32 ``[M]``.
        state: Leaves ``[M, ...]``.
        recorder: The same.
        n_iterations: For each member, int32 ``[M]``; 0 leaves it as it is.
    """

    def one(
        hp: Any, schedule: jax.Array, state: DQNState, recorder: Recorder, n: jax.Array
    ) -> tuple[DQNState, Recorder]:
        return learner.run_segment(structure, hp, schedule, state, recorder, n, _MEMBERS)

    return _over_members(one, mesh)(hp, schedule_timesteps, state, recorder, n_iterations)


@functools.partial(jax.jit, static_argnames=("structure", "n_episodes", "mesh"))
def evaluate(
    structure: Structure, n_episodes: int, mesh: Mesh, hp: TracedHyperparameters, state: DQNState
) -> tuple[jax.Array, jax.Array]:
    """Returns ``[M, n_episodes]``, and whether what was learnt is finite ``[M]``."""

    def one(hp: TracedHyperparameters, state: DQNState) -> tuple[jax.Array, jax.Array]:
        normalize = hp.normalize_observations
        return acting.evaluate(structure.agent, n_episodes, state.runner_state, normalize)

    return _over_members(one, mesh)(hp, state)


def _over_members(one: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """The function of one member for all, each device with its own."""
    members = jax.vmap(one, axis_name=_MEMBERS)
    if mesh.size == 1:
        return members
    spec = PartitionSpec(_DEVICES)
    return jax.shard_map(members, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
