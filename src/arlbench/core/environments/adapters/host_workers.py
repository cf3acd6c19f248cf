"""Steps copies of slow environments in several worker processes at the same time."""

from __future__ import annotations

import atexit
import weakref
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from arlbench.core.child_process import ChildProcess
from arlbench.core.environments.adapters.host_batches import Batch, BatchStep, death
from arlbench.core.environments.spec import EnvSpec
from arlbench.errors import EnvironmentFaultError

_PROGRAM = ["-m", "arlbench.core.environments.adapters.host_worker"]

_alive: weakref.WeakSet[WorkerBatch] = weakref.WeakSet()


class Hire(NamedTuple):
    """The first message to a worker: what it steps.

    Attributes:
        spec: The environment with the worker's share of the copies.
        content: What the worker needs besides the spec; see ``packed_environment``.
        first_copy: The number of its first copy among all.
    """

    spec: EnvSpec
    content: bytes | None
    first_copy: int


class Reset(NamedTuple):
    """Asks for new episodes."""

    seeds: np.ndarray


class Step(NamedTuple):
    """Asks for a step of each copy."""

    actions: np.ndarray
    seeds: np.ndarray


class WorkerBatch(Batch):
    """Copies that are spread evenly over processes.

    Args:
        name: The environment's name for people.
        hires: What each worker steps, in the order of the copies.
    """

    def __init__(self, name: str, hires: Sequence[Hire]) -> None:
        self._name = name
        self._hires = list(hires)
        self._workers = [ChildProcess(_PROGRAM) for _ in hires]
        _alive.add(self)
        for worker, hire in zip(self._workers, hires, strict=True):
            worker.send(hire)
        self._ends = np.cumsum([hire.spec.n_envs for hire in hires])[:-1]

    def reset(self, seeds: np.ndarray) -> Any:
        return self._answers([Reset(part) for part in np.split(seeds, self._ends)])[0]

    def step(self, actions: np.ndarray, seeds: np.ndarray) -> BatchStep:
        parts = zip(np.split(actions, self._ends), np.split(seeds, self._ends), strict=True)
        return BatchStep(*self._answers([Step(*part) for part in parts]))

    def _answers(self, messages: Sequence[Any]) -> tuple[Any, ...]:
        """The answers of all workers, joined along the axis of the copies.

        Raises:
            EnvironmentFaultError: If an environment is at fault, or a worker has died.
        """
        for i, message in enumerate(messages):
            self._tried(i, lambda i=i, message=message: self._workers[i].send(message))
        answers = [self._tried(i, self._workers[i].receive) for i in range(len(messages))]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return tuple(
            jax.tree.map(lambda *parts: np.concatenate(parts), *parts)
            for parts in zip(*answers, strict=True)
        )

    def _tried(self, i: int, call: Any) -> Any:
        try:
            return call()
        except (EOFError, OSError):
            raise self._death(i) from None

    def _death(self, i: int) -> EnvironmentFaultError:
        first, n = self._hires[i].first_copy, self._hires[i].spec.n_envs
        copies = f"copy {first}" if n == 1 else f"copies {first} to {first + n - 1}"
        status = self._workers[i].exit_status
        how = "" if status is None else f" (exit status {status})"
        return death(copies, self._name, how)

    def close(self) -> None:
        for worker in self._workers:
            worker.close()
        _alive.discard(self)


@atexit.register
def _close_all() -> None:
    for batch in list(_alive):
        batch.close()
