"""Training what is missing of a sweep, kept as it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.environments import evaluation_spec, make_env_from_spec
from arlbench.population import (
    MemberResult,
    PopulationProgress,
    PopulationResult,
    train_population,
)
from arlbench.sweeps.design import SweepDesign
from arlbench.sweeps.space import split
from arlbench.sweeps.store import SweepStore, read_table


class Best(NamedTuple):
    """The best configuration so far, of those that ended with every seed.

    Attributes:
        config: Its index.
        mean_return: Over its seeds, of the last evaluation.
    """

    config: int
    mean_return: float


class SweepProgress(NamedTuple):
    """Where a sweep stands.

    Attributes:
        members_done: Trainings that have ended, also in earlier calls.
        members_total: Of the whole sweep.
        population: What the present call does.
        best: None where no configuration has ended with every seed.
    """

    members_done: int
    members_total: int
    population: PopulationProgress
    best: Best | None


class SweepOutcome(NamedTuple):
    """What one call did.

    Attributes:
        status: Whether anything is left to train.
        members_trained: Trainings that ended in this call.
        compile_seconds: Time that compilation took, added up over processes.
        wall_seconds: From the first compilation to the last result.
    """

    status: Literal["finished", "interrupted"]
    members_trained: int = 0
    compile_seconds: float = 0.0
    wall_seconds: float = 0.0


def check(design: SweepDesign, memory_limit_gib: float) -> None:
    """Makes the environment and the largest configuration, before anything is written.

    Raises:
        ArlbenchError: If there is no such environment, DQN cannot learn in it, or a
            training does not fit in memory.
    """
    largest = max(design.configs, key=lambda config: config["buffer_size"])
    hpo_config, nas_config = split(largest)
    specs = design.env_spec, design.eval_env_spec or evaluation_spec(design.env_spec)
    env, eval_env = (make_env_from_spec(spec) for spec in specs)
    algorithm = DQN(
        hpo_config,
        env,
        eval_env,
        cnn_policy=design.env_spec.cnn_policy,
        nas_config=nas_config,
        memory_limit_gib=memory_limit_gib,
    )
    interval = algorithm.forecast.evaluation_interval(design.n_total_timesteps, design.n_eval_steps)
    algorithm.forecast.rows(size=min(largest["buffer_size"], interval * design.n_eval_steps))


def train_missing(
    store: SweepStore,
    *,
    memory_limit_gib: float = 4.0,
    on_progress: Callable[[SweepProgress], bool | None] | None = None,
    train: Callable[..., PopulationResult] = train_population,
) -> SweepOutcome:
    """Trains all that is missing in a store, and keeps each training when it ends.

    Args:
        store: The sweep's folder.
        memory_limit_gib: For each training; as many train at a time as there are cores.
        on_progress: Called now and then; the sweep stops where it returns True.
        train: What trains them.

    Raises:
        SweepStoreError: If the folder cannot be written; what was kept is whole.
    """
    design, missing = store.design, store.missing()
    if not missing:
        return SweepOutcome("finished")
    kept_before = design.n_members - len(missing)
    standing = _Standing(store)

    def keep(result: MemberResult) -> None:
        store.add(result)
        standing.add(result)

    def report(population: PopulationProgress) -> bool:
        done = kept_before + population.members_done
        progress = SweepProgress(done, design.n_members, population, standing.best)
        return bool(on_progress and on_progress(progress))

    try:
        result = train(
            design.env_spec,
            design.configs,
            design.seeds,
            n_total_timesteps=design.n_total_timesteps,
            n_eval_steps=design.n_eval_steps,
            n_eval_episodes=design.n_eval_episodes,
            eval_env_spec=design.eval_env_spec,
            members=missing,
            memory_limit_gib=memory_limit_gib,
            on_member=keep,
            on_progress=report,
        )
    finally:
        store.flush()
    left = len(store.missing())
    return SweepOutcome(
        "interrupted" if left else "finished",
        len(missing) - left,
        result.compile_seconds,
        result.wall_seconds,
    )


class _Standing:
    """Mean final returns of the configurations, as their seeds end."""

    def __init__(self, store: SweepStore) -> None:
        design = store.design
        self._index_of_seed = {seed: index for index, seed in enumerate(design.seeds)}
        # NaN where a training has not ended, or diverged: such a configuration is not best.
        self._final = np.full((len(design.configs), len(design.seeds)), np.nan)
        table = read_table(store.path).select(["config", "seed", "evaluation", "return_mean"])
        for row in table.to_pylist():
            if row["evaluation"] == design.n_eval_steps and row["return_mean"] is not None:
                seed_index = self._index_of_seed[row["seed"]]
                self._final[row["config"], seed_index] = row["return_mean"]

    def add(self, result: MemberResult) -> None:
        """Takes in a training that has ended."""
        self._final[result.config_index, result.seed_index] = result.returns[-1].mean(
            dtype=np.float64
        )

    @property
    def best(self) -> Best | None:
        """None where no configuration has ended with every seed."""
        means = self._final.mean(axis=1)
        if np.isnan(means).all():
            return None
        best = int(np.nanargmax(means))
        return Best(best, float(means[best]))
