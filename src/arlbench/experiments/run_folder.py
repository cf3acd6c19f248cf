"""The folder of a run, as a storage for training."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from arlbench.core import checkpoints
from arlbench.core.algorithms.measured import Seconds
from arlbench.core.checks import positive_whole
from arlbench.errors import ConfigurationError, RunFolderError
from arlbench.experiments import version_1_runs
from arlbench.experiments.rows import rows_of
from arlbench.experiments.run_settings import RunSettings
from arlbench.experiments.run_writer import RunWriter
from arlbench.experiments.storage import Storage
from arlbench.population.members import MemberId, MemberProgress, MemberResult, PopulationProgress
from arlbench.population.saving import MemberSaving, read_position

if TYPE_CHECKING:
    import pyarrow as pa

    from arlbench.core.algorithms.algorithm import Algorithm


class Saving(NamedTuple):
    """When the seeds of a run save their state.

    Attributes:
        every_seconds: Seconds between two checkpoints; 0 saves only when stopped.
        keep: Checkpoints to keep of each seed.
    """

    every_seconds: float = 60.0
    keep: int = 2

    @classmethod
    def checked(cls, every_seconds: float, keep: int) -> Saving:
        """Makes the value from a user's settings, after checking them.

        Raises:
            ConfigurationError: If a setting is impossible.
        """
        if not every_seconds >= 0:
            raise ConfigurationError(
                f"checkpoint_every must be 0 or more seconds, not {every_seconds}."
            )
        return cls(every_seconds, positive_whole("keep", keep))


class Standing(NamedTuple):
    """The progress of a seed's training.

    Attributes:
        status: Whether it has ended, and how.
        returns: Returns of its evaluations so far, float32 ``[n_done, n_eval_episodes]``.
        timesteps: Environment steps done.
        seconds: Time taken, as far as it was saved.
        diverged_at: Environment steps after which learning was found to be non-finite.
        divergence: The same in a sentence.
    """

    status: Literal["unfinished", "finished", "diverged"]
    returns: np.ndarray
    timesteps: int = 0
    seconds: Seconds = Seconds()
    diverged_at: int | None = None
    divergence: str = ""


class RunFolder(RunWriter, Storage):
    """A run: one configuration with some seeds, each of which saves its state.

    Args:
        path: The folder. If it exists already, it must be empty or hold the run to continue.
        settings: What to train; None takes the settings of the run in the folder.
        saving: When the seeds save their state.

    Raises:
        RunFolderError: If the folder cannot be used, or another process works on it.
    """

    def __init__(
        self, path: str | Path, settings: RunSettings | None = None, saving: Saving | None = None
    ) -> None:
        super().__init__(path, settings)
        self.experiment = self.settings.experiment
        self._saving = saving or Saving()

    # What the run is, and how far it has come.

    @functools.cached_property
    def algorithm(self) -> Algorithm:
        """The algorithm, bound to its own environments."""
        return self.settings.make_algorithm()

    @functools.cached_property
    def evaluation_timesteps(self) -> np.ndarray:
        """Environment steps at each evaluation, int64 ``[n_eval_steps]``."""
        plan = self.algorithm.plan(self.settings.lengths)
        return np.asarray(plan.evaluate_after, np.int64) * int(plan.steps_per_iteration)

    @functools.cached_property
    def standings(self) -> dict[int, Standing]:
        """The progress of each seed."""
        ended = self.ended_seeds(self.settings, self.algorithm.acting_parts[0])
        returns = self.read_evaluations()
        seconds = (self.read_summary() or {}).get("seconds_by_seed", {})
        none_yet = np.zeros((0, self.settings.problem.n_eval_episodes), np.float32)
        standings = dict.fromkeys(self.settings.seeds, Standing("unfinished", none_yet))
        for seed in ended:
            standings[seed] = Standing(
                "finished",
                returns.get(seed, none_yet),
                int(self.evaluation_timesteps[-1]),
                Seconds(**seconds.get(str(seed), {})),
            )
        return standings

    def is_finished(self) -> bool:
        """Whether nothing is left to train.

        Raises:
            RunFolderError: If the run diverged, because it would do so again.
        """
        status = (self.read_summary() or {}).get("status")
        if status == "diverged":
            raise RunFolderError(
                f"The run in {self.path} ended because learning became non-finite, which would "
                "happen again; start a new one with a lower learning rate."
            )
        return status == "finished"

    # The interface of a storage.

    def missing(self) -> list[MemberId]:
        """The seeds that have not ended, in order."""
        return [MemberId(0, self.settings.seeds.index(seed)) for seed in self._unfinished()]

    def saving(self) -> dict[MemberId, MemberSaving]:
        """Each seed saves itself in its own folder."""
        folders = map(self.checkpoints_of, self._unfinished())
        return {
            member: MemberSaving(folder, *self._saving)
            for member, folder in zip(self.missing(), folders, strict=True)
        }

    def keep_parts(self) -> tuple[str, ...]:
        """The parts that acting needs."""
        return self.algorithm.acting_parts

    def init_options(self) -> Mapping[str, Any]:
        """Allocates as much as one training run needs."""
        return self.algorithm.init_options(self.settings.lengths.n_total_timesteps)

    def on_progress(self, progress: PopulationProgress) -> None:
        """Writes evaluations as they are made."""
        seeds = self.settings.seeds
        grown = [
            self._take(seeds[member.seed_index], of_seed)
            for member, of_seed in progress.members.items()
        ]
        if any(grown):
            self._write_returns()

    def add(self, result: MemberResult) -> None:
        """Keeps the results of a seed that has ended, and its agent unless it has diverged."""
        seed = self.settings.seeds[result.seed_index]
        reached = ~np.isnan(result.returns).all(axis=1)
        diverged = result.diverged_at is not None
        self.standings[seed] = Standing(
            result.status,
            result.returns[reached],
            int(result.diverged_at if result.diverged_at is not None else result.timesteps[-1]),
            Seconds(result.train_seconds, result.compile_seconds),
            result.diverged_at,
            result.divergence,
        )
        self._write_returns()
        if not diverged:
            self._write_parts(seed, result.parts or {})
            self.write_summary(self.summarise("training"))

    def rows(self) -> pa.Table:
        """Every evaluation so far, including those of seeds that have not ended."""
        # Imported here, because training needs it only for other kinds of storage.
        from arlbench.experiments.table import table_of  # noqa: PLC0415

        return table_of(self.experiment, self._results())

    def evaluations(self) -> list[dict[str, Any]]:
        """The same rows as mappings."""
        return [row for result in self._results() for row in rows_of(self.experiment, result)]

    def flush(self) -> None:
        """Does nothing, because everything is written immediately."""

    # Continuing, and keeping the agents of seeds that were stopped.

    def prepare(self) -> tuple[str, ...]:
        """Reads the progress of each seed, so that training can continue.

        Returns:
            Sentences for the user, such as about settings that have changed since the run began.

        Raises:
            CheckpointError: If a checkpoint is damaged, or does not belong to this run.
        """
        notes = self._move_version_1()
        unfinished = self._unfinished()
        for seed in unfinished:
            self._read_standing(seed)
        if not any(standing.timesteps for standing in self.standings.values()):
            notes = (
                *notes,
                "The run has not saved a checkpoint yet: it starts from its first step.",
            )
        for seed in unfinished:
            # Next to later evaluations, these could be mistaken for the parameters at the end.
            self.remove_parts(seed)
        return notes

    def read_saved(self) -> None:
        """Takes what is saved as the progress of each seed that has not ended."""
        none_yet = np.zeros((0, self.settings.problem.n_eval_episodes), np.float32)
        for seed in self._unfinished():
            self.standings[seed] = Standing("unfinished", none_yet)
            self._read_standing(seed)

    def settle(self) -> None:
        """Keeps the agents of seeds that were stopped, as they are in their checkpoints."""
        template = self.algorithm.checkpoint_template()
        wanted = {name: template[name] for name in self.algorithm.acting_parts}
        for seed in self._unfinished():
            newest = checkpoints.newest_in(self.checkpoints_of(seed))
            if newest is not None:
                parts, manifest = checkpoints.read_checkpoint(newest[0], wanted)
                seconds = Seconds(**manifest.info["info"]["seconds"])
                self.standings[seed] = self.standings[seed]._replace(seconds=seconds)
                self._write_parts(seed, parts)
        self._write_returns()

    def summarise(self, status: str) -> dict[str, Any]:
        """The content of the summary, as JSON values."""
        final = self.final_returns
        timesteps, seconds = self.totals()
        return {
            "status": status,
            "final_return_by_seed": {str(seed): value for seed, value in final.items()},
            "final_return_mean": float(np.mean(list(final.values()))) if final else None,
            "timesteps": timesteps,
            "timesteps_per_second": round(timesteps / max(seconds.training, 1e-9), 1),
            "compile_seconds": round(seconds.compiling, 3),
            "train_seconds": round(seconds.training, 3),
            "seconds_by_seed": {
                str(seed): {name: round(time, 3) for name, time in s.seconds._asdict().items()}
                for seed, s in self.standings.items()
                if s.status != "unfinished"
            },
        }

    @property
    def final_returns(self) -> dict[int, float]:
        """The mean return of each seed's last evaluation, for seeds that were evaluated."""
        return {seed: float(r[-1].mean()) for seed, r in self.returns.items() if len(r)}

    @property
    def returns(self) -> dict[int, np.ndarray]:
        """The returns of each seed so far, ``[n_evaluations, n_eval_episodes]``."""
        return {seed: standing.returns for seed, standing in self.standings.items()}

    def totals(self) -> tuple[int, Seconds]:
        """Environment steps trained and the time taken, summed over seeds."""
        standings = list(self.standings.values())
        seconds = sum((standing.seconds for standing in standings), Seconds())
        return sum(standing.timesteps for standing in standings), seconds

    def divergence(self) -> tuple[str, int] | None:
        """A sentence about a seed that has diverged, and its step; None if none has."""
        for standing in self.standings.values():
            if standing.diverged_at is not None:
                return standing.divergence, standing.diverged_at
        return None

    def _unfinished(self) -> list[int]:
        return [seed for seed, s in self.standings.items() if s.status == "unfinished"]

    def _take(self, seed: int, progress: MemberProgress) -> bool:
        """Updates the progress of a seed, and returns whether it has been evaluated since."""
        before = self.standings[seed]
        if before.status != "unfinished":
            return False
        grown = len(progress.eval_rewards) > len(before.returns)
        returns = progress.eval_rewards if grown else before.returns
        self.standings[seed] = before._replace(returns=returns, timesteps=progress.timesteps)
        return grown

    def _read_standing(self, seed: int) -> None:
        """Reads the progress of a seed from its newest checkpoint, if it has one."""
        folder = self.checkpoints_of(seed)
        if checkpoints.newest_in(folder) is not None:
            (training, seconds), _ = read_position(folder, self.algorithm)
            self.standings[seed] = Standing(
                "unfinished", training.eval_rewards, training.timesteps, seconds
            )

    def _move_version_1(self) -> tuple[str, ...]:
        """For a run of version 1, gives the unfinished seed its own checkpoint."""
        for seed in self._unfinished():
            own, newest = self.checkpoints_of(seed), self.newest_checkpoint(self.settings, seed)
            if newest is not None and newest.parent != own:
                n_episodes = self.settings.problem.n_eval_episodes
                return version_1_runs.move_checkpoint(newest, own, seed, n_episodes, self.algorithm)
        return ()

    def _results(self) -> list[MemberResult]:
        return [self._result(index, s) for index, s in enumerate(self.standings.values())]

    def _result(self, index: int, standing: Standing) -> MemberResult:
        return MemberResult(
            config_index=0,
            seed_index=index,
            status=standing.status,  # type: ignore[arg-type]  # rows may be of unfinished seeds
            returns=standing.returns,
            timesteps=self.evaluation_timesteps[: len(standing.returns)],
            diverged_at=standing.diverged_at,
            divergence=standing.divergence,
            train_seconds=standing.seconds.training,
            compile_seconds=standing.seconds.compiling,
            statistics=None,
            params=None,
            parts=None,
        )

    def _write_returns(self) -> None:
        self.write_evaluations(self.returns, self.evaluation_timesteps)

    def _write_parts(self, seed: int, parts: Mapping[str, Any]) -> None:
        # The first part is written last, because it is useless without the others.
        for name in reversed(self.algorithm.acting_parts):
            if name in parts:
                self.write_part(seed, name, parts[name])
