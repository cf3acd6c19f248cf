"""Measures how fast an accelerator and a core train a small population."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import numpy as np

from arlbench.core import memory
from arlbench.core.algorithms.harness.batching import Batch
from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.population import workers
from arlbench.population.members import PopulationResult
from arlbench.population.speeds import Speeds, fitted

#: ``train_population``.
Train = Callable[..., PopulationResult]


class Scale(NamedTuple):
    """The sizes of the measurement.

    Attributes:
        few: Members of the smaller batch.
        many: Members of the larger batch.
        iterations: Iterations of one timing of a batch.
        timesteps: Environment steps of each member that trains on a core.
    """

    few: int = 32
    many: int = 256
    iterations: int = 1_024
    timesteps: int = 100_000


SCALE = Scale()

#: A fast environment, so that the learning is what is measured.
_ENVIRONMENT = EnvSpec("gymnax", "CartPole-v1", n_envs=8)

# Iterations before the first timing; after these, members learn.
_FIRST = 256

# The number of timings. The shortest counts, because it was disturbed least.
_TIMINGS = 3


def measure(train: Train, scale: Scale | None = None) -> Speeds:
    """Measures the speeds of this machine; compilation does not count.

    Raises:
        RuntimeError: If no worker process could train.
        ValueError: If the measured times cannot be durations.
    """
    scale = scale or SCALE
    problem = Problem(
        _ENVIRONMENT, n_total_timesteps=scale.timesteps, n_eval_steps=1, n_eval_episodes=1
    )
    sizes = scale.few, scale.many
    with ThreadPoolExecutor() as pool:
        batches = list(pool.map(lambda n: _Running(problem, n), sizes))
    few, many = (batch.seconds(scale.iterations) for batch in batches)
    overhead, member = fitted((scale.few, few), (scale.many, many))
    template = batches[0].algorithm.checkpoint_template()
    speeds = Speeds(
        overhead, member, _seconds_on_a_core(problem, train), memory.tree_bytes(template["params"])
    )
    if not speeds.plausible:
        raise ValueError(f"{speeds} cannot be durations")
    return speeds


class _Running:
    """A compiled batch whose members have begun to learn.

    Attributes:
        algorithm: The algorithm of its members.
    """

    def __init__(self, problem: Problem, n_members: int) -> None:
        self.algorithm = problem.make_algorithm(problem.algorithm_class.typical_config())
        self._n = n_members
        algorithms = [self.algorithm] * n_members
        totals = [problem.n_total_timesteps] * n_members
        options = problem.algorithm_class.shared_init_options(algorithms, totals, [], None)
        self._batch = Batch(algorithms, totals, jax.local_devices()[:1])
        self._state: Any = self._batch.prepare(self._batch.init(range(n_members), options))
        self._advance(_FIRST)

    def seconds(self, n_iterations: int) -> float:
        """The time of an iteration, in seconds."""
        return min(self._advance(n_iterations) for _ in range(_TIMINGS)) / n_iterations

    def _advance(self, n_iterations: int) -> float:
        begin = time.perf_counter()
        self._state = self._batch.advance(self._state, np.full(self._n, n_iterations, np.int32))
        jax.block_until_ready(self._state)
        return time.perf_counter() - begin


def _seconds_on_a_core(problem: Problem, train: Train) -> float:
    """The time of an iteration of one member in a worker process, in seconds.

    All cores train, because they slow each other down: with 16 cores by almost a half.
    """
    config = problem.algorithm_class.typical_config()
    steps = problem.make_algorithm(config).steps_per_iteration
    seeds = range(workers.wanted_cores())
    # The first call starts workers and compiles; they and their programs stay for the others.
    options = {"placement": "cores", "on_notice": _refuse}
    results = [train(problem, [config], seeds, **options) for _ in range(_TIMINGS)]
    timesteps = sum(member.timesteps[-1] for member in results[0].members)
    return float(min(result.train_seconds for result in results) * steps / timesteps)


def _refuse(sentence: str) -> None:
    """Treats a notice as a failure, for example that this process trained instead of a worker."""
    raise RuntimeError(sentence)
