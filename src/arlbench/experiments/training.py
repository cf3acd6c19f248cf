"""Training what is missing of an experiment, kept as it ends."""

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


class Best(NamedTuple):
    """The best configuration so far, of those that ended with every seed.

    Attributes:
        config: Its index.
        mean_return: Over its seeds, of the last evaluation.
    """

    config: int
    mean_return: float


class ExperimentProgress(NamedTuple):
    """Where an experiment stands.

    Attributes:
        members_done: Members that have ended, also in earlier calls.
        members_total: Of the whole experiment.
        population: What the present call does.
        best: None if no configuration has ended with every seed, or if there is only one.
    """

    members_done: int
    members_total: int
    population: PopulationProgress
    best: Best | None


class ExperimentOutcome(NamedTuple):
    """What one call did.

    Attributes:
        status: Whether anything is left to train.
        members_trained: Members that ended in this call.
        compile_seconds: Time that compilation took, added up over processes.
        wall_seconds: From the first compilation to the last result.
    """

    status: Literal["finished", "interrupted"]
    members_trained: int = 0
    compile_seconds: float = 0.0
    wall_seconds: float = 0.0


def check(experiment: Experiment, memory_limit_gib: float) -> None:
    """Makes the environment and every algorithm, before anything is written.

    Raises:
        ArlbenchError: If there is no such environment, the algorithm cannot learn in it,
            no configuration would learn anything, or a training does not fit in memory.
    """
    problem, timesteps = version_1.lengths(experiment)
    algorithms = [
        problem.make_algorithm(config, memory_limit_gib=memory_limit_gib)
        for config in experiment.configs
    ]
    totals = timesteps or [problem.n_total_timesteps] * len(algorithms)
    _require_learning(algorithms, totals)
    problem.algorithm_class.shared_init_options(algorithms, totals)


def _require_learning(algorithms: Sequence[Algorithm], totals: Sequence[int]) -> None:
    """Raises if no configuration learns anything; some may be too short."""
    errors = []
    for algorithm, total in zip(algorithms, totals, strict=True):
        try:
            algorithm.check_length(total)
        except ConfigurationError as error:
            errors.append(error)
        else:
            return
    of_several = "No configuration would learn anything; the first: " if len(errors) > 1 else ""
    raise ConfigurationError(f"{of_several}{errors[0]}") from None


def train_missing(
    storage: Storage,
    *,
    memory_limit_gib: float = 4.0,
    on_progress: Callable[[ExperimentProgress], bool | None] | None = None,
    on_notice: Callable[[str], None] | None = None,
    train: Callable[..., PopulationResult] = train_population,
) -> ExperimentOutcome:
    """Trains all that is missing in a storage, which keeps each member when it ends.

    Args:
        storage: Knows the experiment and what it has of it.
        memory_limit_gib: For each member; as many train at a time as there are cores.
        on_progress: Called now and then; training stops if it returns True.
        on_notice: Takes sentences for the user.
        train: What trains them.

    Raises:
        StorageError: If a result cannot be kept; what was kept before is whole.
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
    """Mean final returns of the configurations, as their seeds end."""

    def __init__(self, storage: Storage) -> None:
        experiment = storage.experiment
        index_of_seed = {seed: index for index, seed in enumerate(experiment.seeds)}
        # NaN if a member has not ended, or diverged: such a configuration is not the best.
        self._final = np.full((len(experiment.configs), len(experiment.seeds)), np.nan)
        if len(experiment.configs) == 1:
            return
        rows = storage.rows().select(["config", "seed", "evaluation", "return_mean"])
        for row in rows.to_pylist():
            is_last = row["evaluation"] == experiment.problem.n_eval_steps
            if is_last and row["return_mean"] is not None:
                self._final[row["config"], index_of_seed[row["seed"]]] = row["return_mean"]

    def add(self, result: MemberResult) -> None:
        """Takes in a member that has ended."""
        self._final[result.id] = result.returns[-1].mean(dtype=np.float64)

    @property
    def best(self) -> Best | None:
        """None if no configuration has ended with every seed, or if there is only one."""
        if len(self._final) == 1:
            return None
        means = self._final.mean(axis=1)
        if np.isnan(means).all():
            return None
        best = int(np.nanargmax(means))
        return Best(best, float(means[best]))
