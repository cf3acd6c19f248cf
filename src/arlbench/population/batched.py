"""Training members as batches of one program, on accelerators."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from arlbench.core import memory
from arlbench.core.algorithms.algorithm import Batch
from arlbench.core.algorithms.harness.pacing import Pacer
from arlbench.core.stopwatch import process_clock
from arlbench.population.mapped import Outcome, Seconds, member_result, state_of
from arlbench.population.members import MemberTask
from arlbench.population.tracking import Tracker

# Of a device's memory; the rest is for the program.
_MEMORY_SHARE = 0.6

# In bytes; a CPU does not say how much there is.
_MEMORY_IF_UNKNOWN = 2**32


def train_batched(tasks: Sequence[MemberTask], tracker: Tracker, devices: Sequence[Any]) -> None:
    """Trains members in batches, one after another, until none is left."""
    # Neighbours in a batch should make about as many turns of their loops.
    by_group = sorted(
        tasks, key=lambda task: (task.group, task.schedule.n_total_timesteps, task.cost, task.id)
    )
    for _, group in itertools.groupby(by_group, key=lambda task: task.group):
        for chunk in _chunks(list(group), devices):
            if tracker.stopped.is_set():
                return
            _Chunk(chunk, tracker, devices).train()


def _chunks(tasks: list[MemberTask], devices: Sequence[Any]) -> Iterator[list[MemberTask]]:
    """As many members at a time as fit into the devices' memory, equally many each time."""
    fitting = max(1, int(_memory_of(devices[0]) // _member_bytes(tasks[0]))) * len(devices)
    n_chunks = -(-len(tasks) // fitting)
    size = -(-len(tasks) // n_chunks)
    for begin in range(0, len(tasks), size):
        yield tasks[begin : begin + size]


def _member_bytes(task: MemberTask) -> int:
    begin = functools.partial(task.recipe.make().init, capacity=task.capacity)
    return memory.tree_bytes(jax.eval_shape(begin, jax.random.key(0)))


def _memory_of(device: Any) -> float:
    statistics = device.memory_stats() or {}
    return _MEMORY_SHARE * statistics.get("bytes_limit", _MEMORY_IF_UNKNOWN)


class _Chunk:
    """Members that train together, each to its own end."""

    def __init__(
        self, tasks: Sequence[MemberTask], tracker: Tracker, devices: Sequence[Any]
    ) -> None:
        self._tasks = tasks
        self._tracker = tracker
        self._algorithms = [task.recipe.make() for task in tasks]
        batch_class: type[Batch] = tasks[0].recipe.algorithm.batch_class  # type: ignore[assignment]
        horizons = [t.schedule.schedule_timesteps or t.schedule.n_total_timesteps for t in tasks]
        self._batch = batch_class(self._algorithms, horizons, devices)
        steps = np.array([task.total_timesteps for task in tasks])
        self._per_interval = steps // tasks[0].schedule.n_eval_steps
        self._per_interval //= self._batch.steps_per_iteration
        self._done = np.zeros(len(tasks), np.int64)
        self._evaluations: list[list[np.ndarray]] = [[] for _ in tasks]
        self._ended = np.zeros(len(tasks), bool)
        self._pacer = Pacer()
        self._begin = time.perf_counter()
        self._compiled_before = process_clock().seconds

    def train(self) -> None:
        """Trains until every member has ended, or until training should stop."""
        state = self._batch.prepare(self._first_state())
        while not self._ended.all() and not self._tracker.stopped.is_set():
            begin = time.perf_counter()
            n = self._next_segment()
            state = jax.block_until_ready(self._batch.advance(state, n))
            self._pacer.took(int(n.max()), time.perf_counter() - begin)
            self._done += n
            self._report()
            due = ~self._ended & (self._done % self._per_interval == 0)
            if due.any():
                self._evaluate(state, due)

    def _first_state(self) -> Any:
        tasks = self._tasks
        if all(task.parts is None for task in tasks):
            return self._batch.init([task.seed for task in tasks], tasks[0].capacity)
        pairs = zip(self._algorithms, tasks, strict=True)
        states = [state_of(algorithm, task) for algorithm, task in pairs]
        return self._batch.join(states, tasks[0].capacity)

    def _next_segment(self) -> np.ndarray:
        """Iterations of each member, none past its next evaluation."""
        remaining = self._per_interval - self._done % self._per_interval
        remaining[self._ended] = 0
        return np.minimum(remaining, self._pacer.next_segment(int(remaining.max())))

    def _report(self) -> None:
        pairs = zip(self._tasks, self._steps(), strict=True)
        self._tracker.on_steps_of({task.id: int(steps) for task, steps in pairs})

    def _steps(self) -> np.ndarray:
        return self._done * self._batch.steps_per_iteration

    def _evaluate(self, state: Any, due: np.ndarray) -> None:
        """Evaluates all, because that is one program, and counts those whose turn it is."""
        schedule = self._tasks[0].schedule
        returns, finite = self._batch.evaluate(state, schedule.n_eval_episodes)
        for i in map(int, np.flatnonzero(due)):
            if finite[i]:
                self._evaluations[i].append(returns[i])
            if not finite[i] or len(self._evaluations[i]) == schedule.n_eval_steps:
                self._end(i, state, diverged=not finite[i])

    def _end(self, i: int, state: Any, diverged: bool) -> None:
        self._ended[i] = True
        task = self._tasks[i]
        compiling = process_clock().seconds - self._compiled_before
        training = time.perf_counter() - self._begin - compiling
        share = 1 / len(self._tasks)
        empty = np.zeros((0, task.schedule.n_eval_episodes), np.float32)
        self._tracker.on_result(
            member_result(
                task,
                self._algorithms[i],
                lambda: self._batch.member(state, i),
                Outcome(
                    np.array(self._evaluations[i]) if self._evaluations[i] else empty,
                    int(self._steps()[i]) if diverged else None,
                    self._batch.statistics(i),
                ),
                Seconds(share * training, share * compiling),
            )
        )
