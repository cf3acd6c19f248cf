"""Trains many agents of one structure in one program, for accelerators.

Every array of a state gets a first axis for the ``M`` members. They train in lockstep (see
:mod:`arlbench.core.lockstep`); members on different devices do not wait for each other
within a segment.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from arlbench.core.algorithms.harness import programs, recording, segments
from arlbench.core.algorithms.harness.backend import Backend, backend_of, compiler_options
from arlbench.core.algorithms.harness.progress import UpdateStatistic
from arlbench.core.algorithms.harness.recording import Recorder
from arlbench.core.algorithms.harness.structure import (
    Acting,
    InitOptions,
    Learning,
    State,
    as_static,
)

_MEMBERS = "members"
_DEVICES = "devices"


class Batchable(Protocol):
    """The attributes of an algorithm that a batch uses."""

    structure: Learning
    hp: Any
    track_statistics: bool

    @property
    def steps_per_iteration(self) -> Any: ...

    def with_equal_shapes(
        self, states: Sequence[State], init_options: Mapping[str, Any]
    ) -> list[State]: ...


class Batch:
    """``M`` algorithms of equal structure whose members train together.

    Args:
        algorithms: The members' algorithms, ``[M]``.
        schedule_timesteps: Environment steps of each exploration schedule, ``[M]``.
        devices: The devices over which to spread the members.

    Attributes:
        steps_per_iteration: Environment steps in one iteration of each member, ``[M]``.
    """

    def __init__(
        self,
        algorithms: Sequence[Batchable],
        schedule_timesteps: Sequence[int],
        devices: Sequence[Any],
    ) -> None:
        self._mesh = Mesh(np.asarray(devices), (_DEVICES,))
        # Every device has the same number of members, so copies of the last one may fill it up.
        n_spare = -len(algorithms) % len(devices)
        self._algorithms = [*algorithms, *[algorithms[-1]] * n_spare]
        self._structure = algorithms[0].structure
        self._backend = backend_of(devices[0])
        if not self._backend.waits:
            known = [algorithm.hp for algorithm in algorithms]
            kernels = self._backend.kernels
            self._structure = self._structure.for_accelerator(known, kernels)
        hps = [algorithm.hp for algorithm in self._algorithms]
        self._hp = jax.tree.map(lambda *values: jnp.asarray(np.stack(values)), *hps)
        self._schedule = self._padded(schedule_timesteps, np.float32)
        tracked = len(self._structure.statistics) if algorithms[0].track_statistics else 0
        records = programs.room(recording.shapes(n_statistics=tracked))
        n = len(self._algorithms)
        self._recorder = jax.tree.map(lambda leaf: jnp.tile(leaf, (n, *[1] * leaf.ndim)), records)
        self.steps_per_iteration = np.array([int(a.steps_per_iteration) for a in algorithms])

    def compilations(
        self, init_options: Mapping[str, Any], n_episodes: int
    ) -> list[Callable[[], Any]]:
        """Functions that compile this batch's programs, the slowest to compile first.

        They are for new states with these options, and may be called in threads. On a CPU the
        list is empty, because compilation would delay the training.
        """
        if self._backend.waits:
            return []
        agent, options, mesh = self._structure.agent, as_static(init_options), self._mesh
        seeds = jax.ShapeDtypeStruct((len(self._algorithms),), jnp.uint32)
        state = jax.eval_shape(functools.partial(_init, agent, options, mesh), self._hp, seeds)
        n = jax.ShapeDtypeStruct(seeds.shape, jnp.int32)
        run = (self._structure, mesh, self._backend, self._hp, self._schedule, state)
        play = (agent, n_episodes, mesh, self._backend, self._hp, state)
        return [
            lambda: self._segment.lower(*run, self._recorder, n).compile(),
            lambda: self._evaluation.lower(*play).compile(),
            lambda: _prepare.lower(self._structure.preparation, mesh, self._hp, state).compile(),
        ]

    @property
    def _segment(self) -> Any:
        if self._backend.waits:
            return _segment_on_cpu
        return _segment_on_accelerator[self._structure.has_kernel]

    @property
    def _evaluation(self) -> Any:
        if self._backend.waits:
            return _evaluate_on_cpu
        return _evaluate_on_accelerator[self._structure.has_kernel]

    def init(self, seeds: Sequence[int], init_options: Mapping[str, Any]) -> State:
        """States at step 0; each member's key is made from its seed."""
        options, padded = as_static(init_options), self._padded(seeds, np.uint32)
        return _init(self._structure.agent, options, self._mesh, self._hp, padded)

    def join(self, states: Sequence[State], init_options: Mapping[str, Any]) -> State:
        """The members' states as one, with at least the room that the options ask for."""
        equal = self._algorithms[0].with_equal_shapes(states, init_options)
        spare = [equal[-1]] * (len(self._algorithms) - len(states))
        return self._stacked([*equal, *spare])

    def prepare(self, state: State) -> State:
        """Adapts the state to hyperparameters that have changed; reuses its memory."""
        return _prepare(self._structure.preparation, self._mesh, self._hp, state)

    def advance(self, state: State, n_iterations: np.ndarray) -> State:
        """Trains each member for its number of iterations, ``[M]``; reuses the state's memory."""
        n = self._padded(n_iterations, np.int32)
        n[len(n_iterations) :] = 0
        state, self._recorder = self._segment(
            self._structure,
            self._mesh,
            self._backend,
            self._hp,
            self._schedule,
            state,
            self._recorder,
            n,
        )
        return state

    def evaluate(self, state: State, n_episodes: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns ``[M, n_episodes]``, and whether what was learnt is finite, ``[M]``.

        Rows of copies that only fill up the devices come last.
        """
        agent = self._structure.agent
        returns, finite = self._evaluation(
            agent, n_episodes, self._mesh, self._backend, self._hp, state
        )
        return np.asarray(returns), np.asarray(finite)

    def statistics(self, index: int) -> Mapping[str, UpdateStatistic] | None:
        """Statistics of one member's updates so far; None if they are not tracked."""
        if self._recorder.statistics is None:
            return None
        of_member = jax.tree.map(lambda leaf: np.asarray(leaf)[index], self._recorder.statistics)
        recorder = self._recorder._replace(statistics=of_member)
        return recording.statistics_of(recorder, self._structure.statistics)

    def member(self, state: State, index: int) -> State:
        """The state of one member."""
        return _member(state, np.int32(index))

    def _padded(self, values: Sequence[Any] | np.ndarray, dtype: Any) -> np.ndarray:
        spare = len(self._algorithms) - len(values)
        return np.array([*values, *[values[-1]] * spare], dtype)

    @staticmethod
    def _stacked(trees: Sequence[Any]) -> Any:
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


@jax.jit
def _member(state: State, index: jax.Array) -> State:
    """The state of one member, with all of its arrays in one call."""
    return jax.tree.map(lambda leaf: leaf[index], state)


@functools.partial(jax.jit, static_argnames=("agent", "options", "mesh"))
def _init(agent: Acting, options: InitOptions, mesh: Mesh, hp: Any, seeds: jax.Array) -> State:
    """States at step 0.

    Args:
        agent: The agent that all members share.
        options: The options of each buffer.
        mesh: The devices.
        hp: Traced hyperparameters, leaves ``[M]``.
        seeds: The seed from which each member's key is made, uint32 ``[M]``.
    """

    def one(hp: Any, seed: jax.Array) -> State:
        runner_state = agent.init_runner(hp, jax.random.key(seed), None)
        return agent.state(runner_state, agent.init_buffer(**dict(options)))

    return _over_members(one, mesh)(hp, seeds)


@functools.partial(jax.jit, static_argnames=("preparation", "mesh"), donate_argnames=("state",))
def _prepare(preparation: Callable[..., State], mesh: Mesh, hp: Any, state: State) -> State:
    """Adapts states to hyperparameters that may have changed since they were made."""
    return _over_members(preparation, mesh)(hp, state)


def _segment(
    structure: Learning,
    mesh: Mesh,
    backend: Backend,
    hp: Any,
    schedule_timesteps: jax.Array,
    state: State,
    recorder: Recorder,
    n_iterations: jax.Array,
) -> tuple[State, Recorder]:
    """Runs iterations of every member.

    Args:
        structure: The structure that all members share.
        mesh: The devices.
        backend: The backend that it is compiled for.
        hp: Traced hyperparameters, leaves ``[M]``.
        schedule_timesteps: Environment steps of the exploration schedule, float32 ``[M]``.
        state: Leaves ``[M, ...]``.
        recorder: Leaves ``[M, ...]``.
        n_iterations: Iterations of each member, int32 ``[M]``; 0 leaves the member unchanged.
    """

    def one(
        hp: Any, schedule: jax.Array, state: State, recorder: Recorder, n: jax.Array
    ) -> tuple[State, Recorder]:
        return segments.run_segment(structure, hp, schedule, state, recorder, n, _MEMBERS)

    with backend.tracing():
        return _over_members(one, mesh)(hp, schedule_timesteps, state, recorder, n_iterations)


_compiled = functools.partial(
    jax.jit, static_argnames=("structure", "mesh", "backend"), donate_argnames=("state",)
)
_segment_on_cpu = _compiled(_segment)
# By whether the algorithm's own kernel computes gradient steps.
_segment_on_accelerator = {
    has_kernel: _compiled(_segment, compiler_options=compiler_options(has_kernel))
    for has_kernel in (False, True)
}


def _evaluate(
    agent: Acting, n_episodes: int, mesh: Mesh, backend: Backend, hp: Any, state: State
) -> tuple[jax.Array, jax.Array]:
    """Returns ``[M, n_episodes]``, and whether what was learnt is finite ``[M]``."""

    def one(hp: Any, state: State) -> tuple[jax.Array, jax.Array]:
        return segments.evaluate(agent, n_episodes, state[0], hp, _MEMBERS)

    with backend.tracing():
        return _over_members(one, mesh)(hp, state)


_evaluated = functools.partial(jax.jit, static_argnames=("agent", "n_episodes", "mesh", "backend"))
_evaluate_on_cpu = _evaluated(_evaluate)
_evaluate_on_accelerator = {
    has_kernel: _evaluated(_evaluate, compiler_options=compiler_options(has_kernel))
    for has_kernel in (False, True)
}


def _over_members(one: Callable[..., Any], mesh: Mesh) -> Callable[..., Any]:
    """Applies a function of one member to all members; each device computes its own members."""
    members = jax.vmap(one, axis_name=_MEMBERS)
    if mesh.size == 1:
        return members
    spec = PartitionSpec(_DEVICES)
    return jax.shard_map(members, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)
