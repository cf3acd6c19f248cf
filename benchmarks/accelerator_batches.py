"""Batches of a population whose compilation, speed and kernels are measured."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

import accelerator_profile
import measuring
from arlbench.core.algorithms.harness import batching
from arlbench.core.algorithms.harness.backend import Backend, compiler_options
from arlbench.core.problem import Problem

Row = dict[str, Any]

#: The rows of every buffer.
CAPACITY = 16_384

#: The iterations of a profile, and those of a first timing.
PROFILED, FIRST = 64, 256


class TimedBatch:
    """A population's batch, of which compilation, speed and kernels are measured.

    Args:
        problem: The problem of its members.
        configs: The hyperparameters of each member.
    """

    def __init__(self, problem: Problem, configs: Sequence[Mapping[str, Any]]) -> None:
        self._n = len(configs)
        self._n_envs = problem.env_spec.n_envs
        algorithms = [problem.make_algorithm(config) for config in configs]
        schedule = [problem.n_total_timesteps] * self._n
        self._batch = batching.Batch(algorithms, schedule, jax.local_devices()[:1])
        self._state: Any = None

    def compile(self) -> Row:
        """Compiles its training program; returns the seconds of tracing and of compiling."""
        options = {"capacity": CAPACITY}
        compile_training = self._batch.compilations(options, n_episodes=1)[0]
        with Compiling() as compiling:
            wall = measuring.seconds(compile_training)
        self._state = self._batch.prepare(self._batch.init(range(self._n), options))
        return {"tracing_seconds": wall - compiling.seconds, "compile_seconds": compiling.seconds}

    def speed(self, timing_seconds: float) -> Row:
        """Medians of three timings."""
        # The first fills the buffers until all members learn; then programs and memory are ready.
        self._seconds(FIRST)
        n = max(int(FIRST * timing_seconds / self._seconds(FIRST)), FIRST)
        timings = [self._seconds(n) / n for _ in range(3)]
        median = statistics.median(timings)
        return {
            "microseconds_an_iteration": 1e6 * median,
            "steps_per_second": self._n * self._n_envs / median,
            "largest_over_smallest": max(timings) / min(timings),
        }

    def profile(self) -> Row | None:
        """Counts for one iteration; None if no accelerator was profiled."""
        return accelerator_profile.profile(lambda: self._advance(PROFILED), PROFILED)

    def _seconds(self, n: int) -> float:
        return measuring.seconds(lambda: self._advance(n))

    def _advance(self, n: int) -> None:
        self._state = self._batch.advance(self._state, np.full(self._n, n, np.int32))
        jax.block_until_ready(self._state)


class Compiling:
    """Adds up the time for which the compiler itself works, within a ``with`` block."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> Compiling:
        jax.monitoring.register_event_duration_secs_listener(self._listen)
        return self

    def __exit__(self, *_: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._listen)

    def _listen(self, event: str, seconds: float, **_: object) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            self.seconds += seconds


def as_accelerator() -> None:
    """Gives every device the programs that accelerators get."""
    batching.backend_of = lambda device: Backend(False, None)


def set_compiler_options(options: Mapping[str, Any]) -> None:
    """Gives programs for accelerators further compiler options, which take precedence."""
    for has_kernel in (False, True):
        every = {**compiler_options(has_kernel), **options}
        batching._segment_on_accelerator[has_kernel] = batching._compiled(
            batching._segment, compiler_options=every
        )
        batching._evaluate_on_accelerator[has_kernel] = batching._evaluated(
            batching._evaluate, compiler_options=every
        )
