"""Results without training, which depend only on the configuration and the seed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.experiments.experiment import Experiment
from arlbench.experiments.folder import SweepFolder
from arlbench.population import MemberResult, PopulationProgress

#: Rates above this diverge halfway.
DIVERGING_RATE = 0.05

PROBLEM = Problem(
    EnvSpec("gymnax", "CartPole-v1", n_envs=4),
    n_total_timesteps=3000,
    n_eval_steps=3,
    n_eval_episodes=4,
)


def make_experiment(
    n_configs: int = 4, n_seeds: int = 3, problem: Problem = PROBLEM, **changes: Any
) -> Experiment:
    """Three evaluations of four episodes; the last configuration diverges.

    Args:
        n_configs: Number of configurations.
        n_seeds: Number of seeds, from 7 on.
        problem: The problem of the experiment.
        **changes: Other fields of the experiment or of the problem.
    """
    configs = [{"learning_rate": 10.0 ** (-5 + 3 * i / n_configs)} for i in range(n_configs - 1)]
    diverging = {"learning_rate": 0.1, "buffer_batch_size": 256}
    fields = {"configs": (*configs, diverging), "seeds": tuple(range(7, 7 + n_seeds))}
    own = {"configs", "seeds", "origin", "versions", "format_version"}
    fields |= {name: value for name, value in changes.items() if name in own}
    of_problem = {name: value for name, value in changes.items() if name not in own}
    return Experiment(problem.replace(**of_problem), **fields)


def result_of(experiment: Experiment, config_index: int, seed_index: int) -> MemberResult:
    """The result of a training; its wall-clock time is different each time."""
    config, seed = experiment.configs[config_index], experiment.seeds[seed_index]
    problem = experiment.problem
    rng = np.random.default_rng([config_index, seed])
    steps = rng.random((problem.n_eval_steps, problem.n_eval_episodes))
    returns = np.cumsum(steps, axis=0) - np.log10(config["learning_rate"])
    diverged = config["learning_rate"] > DIVERGING_RATE
    interval = problem.n_total_timesteps // problem.n_eval_steps
    timesteps = np.arange(1, problem.n_eval_steps + 1) * interval
    if diverged:
        returns[1:] = np.nan
    return MemberResult(
        config_index=config_index,
        seed_index=seed_index,
        status="diverged" if diverged else "finished",
        returns=returns.astype(np.float32),
        timesteps=timesteps,
        diverged_at=int(timesteps[1]) - 8 if diverged else None,
        divergence="Learning became non-finite." if diverged else "",
        train_seconds=time.perf_counter(),
        compile_seconds=0.0,
        statistics=None,
        params=None,
        parts=None,
    )


def fill(
    path: Path,
    experiment: Experiment,
    members: Iterable[tuple[int, int]] | None = None,
    members_a_part: int = 2,
) -> None:
    """Keeps trainings in a folder, by default all missing ones, with this many in each part."""
    with SweepFolder(path, experiment, members_a_part=members_a_part) as storage:
        for member in storage.missing() if members is None else members:
            storage.add(result_of(storage.experiment, *member))


class FakeResult:
    """The parts of a population's result that an experiment reads."""

    compile_seconds = 1.5
    wall_seconds = 2.5


def fake_train(pause: float = 0.0, order: int = 1) -> Callable[..., FakeResult]:
    """A stand-in for ``train_population``: this many seconds for each member, in either order."""

    def train(
        problem: Problem,
        configs: Any,
        seeds: Any,
        *,
        members: Any,
        on_member: Callable[[MemberResult], None],
        on_progress: Callable[[PopulationProgress], bool | None],
        **_: Any,
    ) -> FakeResult:
        experiment = Experiment(problem, configs, seeds)
        steps = problem.n_total_timesteps
        for done, member in enumerate(list(members)[::order]):
            at = (done, len(members), done * steps, len(members) * steps)
            if on_progress(PopulationProgress(*at, 0, 1, False, {})):
                break
            time.sleep(pause)
            on_member(result_of(experiment, *member))
        return FakeResult()

    return train
