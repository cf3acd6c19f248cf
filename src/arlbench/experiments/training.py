"""Trains the missing members of an experiment, and keeps each one when it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from arlbench.core.algorithms.algorithm import Algorithm
from arlbench.errors import ConfigurationError
from arlbench.experiments import version_1
from arlbench.experiments.experiment import Experiment
from arlbench.experiments.storage import Storage
from arlbench.population import (
    MemberResult,
    PopulationProgress,
    PopulationResult,
    train_population,
)
from arlbench.population.variables import check_variables


class Best(NamedTuple):
    """The best configuration so far, of those whose seeds have all ended.

    Attributes:
        config: Its index.
        mean_return: Mean return of the last evaluation, over its seeds.
    """

    config: int
    mean_return: float


class ExperimentProgress(NamedTuple):
    """The progress of an experiment.

    Attributes:
        members_done: Members that have ended, including earlier calls.
        members_total: Members of the whole experiment.
        population: Progress of the present call.
        best: None if no configuration has ended with every seed, or if only one exists.
    """

    members_done: int
    members_total: int
    population: PopulationProgress
    best: Best | None


class ExperimentOutcome(NamedTuple):
    """The result of one call.

    Attributes:
        status: Whether anything is left to train.
        members_trained: Members that ended in this call.
        compile_seconds: Time of compilation, summed over processes.
        wall_seconds: Time from the start of this call to its last result.
    """

    status: Literal["finished", "interrupted"]
    members_trained: int = 0
    compile_seconds: float = 0.0
    wall_seconds: float = 0.0


def check(experiment: Experiment, memory_limit_gib: float) -> None:
    """Makes the environment and every algorithm as a check, before anything is written.

    Raises:
        ArlbenchError: If the environment does not exist, the algorithm cannot learn in it,
            no configuration would learn anything, a training run does not fit in memory or would
            have more steps than its agent can count, or an environment variable has a wrong value.
    """
    check_variables()
    problem, timesteps = version_1.lengths(experiment)
    algorithms = [
        problem.make_algorithm(config, memory_limit_gib=memory_limit_gib)
        for config in experiment.configs
    ]
    totals = timesteps or [problem.n_total_timesteps] * len(algorithms)
    _require_learning(algorithms, totals)
    for algorithm, total in zip(algorithms, totals, strict=True):
        algorithm.plan(problem.lengths._replace(n_total_timesteps=total))
    problem.algorithm_class.shared_init_options(algorithms, totals)


def _require_learning(algorithms: Sequence[Algorithm], totals: Sequence[int]) -> None:
    """Raises if no configuration would learn anything; some may be too short to learn."""
    errors = []
    for algorithm, total in zip(algorithms, totals, strict=True):
        try:
            algorithm.check_length(total)
        except ConfigurationError as error:
            errors.append(error)
        else:
            return
    if len(errors) == 1:
        raise errors[0]
    raise ConfigurationError(
        f"No configuration would learn anything. The error of the first one: {errors[0]}"
    )


def train_missing(
    storage: Storage,
    *,
    memory_limit_gib: float = 4.0,
    on_progress: Callable[[ExperimentProgress], bool | None] | None = None,
    on_notice: Callable[[str], None] | None = None,
    train: Callable[..., PopulationResult] = train_population,
) -> ExperimentOutcome:
    """Trains all missing members of a storage, which keeps each one when it ends.

    Args:
        storage: Holds the experiment and its results so far.
        memory_limit_gib: Limit for each member; one member trains on each core at a time.
        on_progress: Called several times a second; training stops if it returns True.
        on_notice: Called with sentences for the user.
        train: The function that trains them.

    Raises:
        StorageError: If a result cannot be kept; everything that was kept before is intact.
    """
    experiment, missing = storage.experiment, storage.missing()
    if not missing:
        return ExperimentOutcome("finished")
    kept_before = experiment.n_members - len(missing)
    standing = _Standing(storage)

    def keep(result: MemberResult) -> None:
        storage.add(result)
        standing.add(result)

    def report(population: PopulationProgress) -> bool:
        storage.on_progress(population)
        done = kept_before + population.members_done
        progress = ExperimentProgress(done, experiment.n_members, population, standing.best)
        return bool(on_progress and on_progress(progress))

    problem, timesteps = version_1.lengths(experiment)
    try:
        result = train(
            problem,
            experiment.configs,
            experiment.seeds,
            n_total_timesteps=timesteps,
            members=missing,
            init_options=storage.init_options(),
            memory_limit_gib=memory_limit_gib,
            keep_parts=storage.keep_parts(),
            saving=storage.saving(),
            on_member=keep,
            on_progress=report,
            on_notice=on_notice,
        )
    finally:
        storage.flush()
    left = len(storage.missing())
    return ExperimentOutcome(
        "interrupted" if left else "finished",
        len(missing) - left,
        result.compile_seconds,
        result.wall_seconds,
    )


class _Standing:
    """Mean final returns of the configurations, updated as their seeds end."""

    def __init__(self, storage: Storage) -> None:
        experiment = storage.experiment
        index_of_seed = {seed: index for index, seed in enumerate(experiment.seeds)}
        # NaN if a member has not ended or has diverged: its configuration is never the best.
        self._final = np.full((len(experiment.configs), len(experiment.seeds)), np.nan)
        if len(experiment.configs) == 1:
            return
        rows = storage.rows().select(["config", "seed", "evaluation", "return_mean"])
        for row in rows.to_pylist():
            is_last = row["evaluation"] == experiment.problem.n_eval_steps
            if is_last and row["return_mean"] is not None:
                self._final[row["config"], index_of_seed[row["seed"]]] = row["return_mean"]

    def add(self, result: MemberResult) -> None:
        """Records a member that has ended."""
        self._final[result.id] = result.returns[-1].mean(dtype=np.float64)

    @property
    def best(self) -> Best | None:
        """None if no configuration has ended with every seed, or if only one exists."""
        if len(self._final) == 1:
            return None
        means = self._final.mean(axis=1)
        if np.isnan(means).all():
            return None
        best = int(np.nanargmax(means))
        return Best(best, float(means[best]))
