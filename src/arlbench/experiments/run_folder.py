"""The folder of a run as a storage: one process trains in it, each file is whole or absent.

What the files are, :mod:`arlbench.experiments.run_files` says.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from arlbench.core import checkpoints, files
from arlbench.core.algorithms.checkpointing import collect
from arlbench.core.algorithms.measured import Seconds
from arlbench.core.checks import positive_whole
from arlbench.errors import ConfigurationError, RunFolderError
from arlbench.experiments import version_1_runs
from arlbench.experiments.run_files import (
    EVALUATION_COLUMNS,
    EVALUATIONS,
    SETTINGS,
    SUMMARY,
    RunFiles,
    named_leaves,
)
from arlbench.experiments.run_settings import RunSettings
from arlbench.experiments.storage import Storage
from arlbench.population.members import MemberId, MemberProgress, MemberResult, PopulationProgress
from arlbench.population.saving import MemberSaving, read_position

if TYPE_CHECKING:
    import pyarrow as pa

    from arlbench.core.algorithms.algorithm import Algorithm

_LOCK = "run.lock"

# A result goes before a checkpoint if there is no room for both: what is being written
# alongside may have taken the room, and is removed if it fails. So long it is tried again.
_WAIT_FOR_ROOM_SECONDS, _ATTEMPTS = 0.2, 10


class Saving(NamedTuple):
    """When the seeds of a run save where they stand.

    Attributes:
        every_seconds: Time between two checkpoints; 0 saves only when stopped.
        keep: Checkpoints to keep of each seed.
    """

    every_seconds: float = 60.0
    keep: int = 2

    @classmethod
    def checked(cls, every_seconds: float, keep: int) -> Saving:
        """The same from what a user gave.

        Raises:
            ConfigurationError: If it is impossible.
        """
        if not every_seconds >= 0:
            raise ConfigurationError(
                f"checkpoint_every must be 0 or more seconds, not {every_seconds}."
            )
        return cls(every_seconds, positive_whole("keep", keep))


class Standing(NamedTuple):
    """Where the training of a seed stands.

    Attributes:
        status: Whether it has ended, and how.
        returns: Of its evaluations so far, float32 ``[n_done, n_eval_episodes]``.
        timesteps: Environment steps done.
        seconds: Time that it took, as far as it was kept.
        diverged_at: Environment steps after which learning was found to be non-finite.
        divergence: The same in a sentence.
    """

    status: Literal["unfinished", "finished", "diverged"]
    returns: np.ndarray
    timesteps: int
    seconds: Seconds = Seconds(0.0, 0.0)
    diverged_at: int | None = None
    divergence: str = ""


class RunFolder(RunFiles, Storage):
    """The folder of one run, held by one process.

    Attributes:
        settings: What it trains.
        saving_options: When its seeds save where they stand.
    """

    def __init__(self, path: Path, settings: RunSettings | None = None) -> None:
        """Creates the folder of a new run.

        Args:
            path: The folder, which may exist if it is empty.
            settings: What to train; None takes those of the run in the folder.

        Raises:
            RunFolderError: If it cannot be used, or another process works on it.
        """
        super().__init__(path)
        self.saving_options = Saving()
        if settings is None:
            self._require_run()
        else:
            self._make()
        self._hold()
        try:
            if settings is None:
                settings = self.read_settings()
                self._remove_leftovers()
            else:
                self._write(SETTINGS, settings.to_json())
        except BaseException:
            self._lock.release()
            raise
        self.settings = settings
        self.experiment = settings.experiment

    @classmethod
    def reopen(cls, path: Path) -> RunFolder:
        """Opens the folder of a run that was begun earlier.

        Raises:
            RunFolderError: If it holds no run, or if another process works on it.
        """
        return cls(path)

    def close(self) -> None:
        """Lets others work on it."""
        self._lock.release()

    def flush(self) -> None:
        """Everything is written as soon as it comes."""

    # What training asks of a storage.

    def missing(self) -> list[MemberId]:
        """The seeds that have not ended, in order."""
        return [
            MemberId(0, index)
            for index, standing in self.standings.items()
            if standing.status == "unfinished"
        ]

    def saving(self) -> dict[MemberId, MemberSaving]:
        """Each seed saves itself in a folder of its own."""
        seeds = self.settings.seeds
        return {
            member: MemberSaving(
                self.checkpoints_of(seeds[member.seed_index]), *self.saving_options
            )
            for member in self.missing()
        }

    def keep_parts(self) -> tuple[str, ...]:
        """What acting needs."""
        return self.algorithm.acting_parts

    def init_options(self) -> Mapping[str, Any]:
        """As much room as one of its trainings needs."""
        return self.algorithm.init_options(self.settings.lengths.n_total_timesteps)

    def on_progress(self, progress: PopulationProgress) -> None:
        """Writes evaluations as they come."""
        grown = [
            self._take(member.seed_index, of_seed) for member, of_seed in progress.members.items()
        ]
        if any(grown):
            self.write_evaluations()

    def _take(self, index: int, progress: MemberProgress) -> bool:
        """Takes in where a seed stands; whether it has been evaluated since."""
        before = self.standings[index]
        if before.status != "unfinished":
            return False
        n_before, n_done = len(before.returns), len(progress.eval_rewards)
        returns = progress.eval_rewards if n_done > n_before else before.returns
        self.standings[index] = before._replace(returns=returns, timesteps=progress.timesteps)
        return n_done > n_before

    def add(self, result: MemberResult) -> None:
        """Keeps a seed that has ended; its parameters too if it has not diverged."""
        reached = ~np.isnan(result.returns).all(axis=1)
        diverged = result.status == "diverged"
        index = result.seed_index
        self.standings[index] = Standing(
            result.status,
            result.returns[reached],
            int(result.diverged_at or 0) if diverged else int(result.timesteps[-1]),
            Seconds(result.train_seconds, result.compile_seconds),
            result.diverged_at,
            result.divergence,
        )
        self.write_evaluations()
        if not diverged:
            self._write_parts(self.settings.seeds[index], result.parts or {})
        if self.missing():
            self.write_summary("training")

    def rows(self) -> pa.Table:
        """Every evaluation so far, those of seeds that have not ended included."""
        from arlbench.experiments.table import in_order, table_of

        results = [self._result(index) for index in self.standings]
        return in_order(table_of(self.experiment, results))

    def _result(self, index: int) -> MemberResult:
        standing = self.standings[index]
        return MemberResult(
            config_index=0,
            seed_index=index,
            status=standing.status,  # type: ignore[arg-type]  # rows may say that it has not ended
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

    # What is known of the run.

    @functools.cached_property
    def algorithm(self) -> Algorithm[Any, Any, Any]:
        """What trains, bound to environments of its own."""
        return self.settings.make_algorithm()

    @functools.cached_property
    def evaluation_timesteps(self) -> np.ndarray:
        """Environment steps at each evaluation, int64 ``[n_eval_steps]``."""
        plan = self.algorithm.plan(self.settings.lengths)
        return np.asarray(plan.evaluate_after, np.int64) * int(plan.steps_per_iteration)

    @functools.cached_property
    def standings(self) -> dict[int, Standing]:
        """Where each seed stands, by its index."""
        settings = self.settings
        ended, returns = self.ended_seeds(settings), self.read_evaluations()
        seconds = (self.read_summary() or {}).get("seconds_by_seed", {})
        none_yet = np.zeros((0, settings.problem.n_eval_episodes), np.float32)
        return {
            index: Standing(
                "finished",
                returns.get(seed, none_yet),
                int(self.evaluation_timesteps[-1]),
                Seconds(**seconds.get(str(seed), {"training": 0.0, "compiling": 0.0})),
            )
            if seed in ended
            else Standing("unfinished", none_yet, 0)
            for index, seed in enumerate(settings.seeds)
        }

    def is_finished(self) -> bool:
        """Whether nothing is left to train.

        Raises:
            RunFolderError: If the run diverged, because it would do so again.
        """
        status = (self.read_summary() or {}).get("status")
        if status == "diverged":
            raise RunFolderError(
                f"The run in {self.path} ended because learning became non-finite, and would do so "
                "again; begin a new one with a lower learning_rate."
            )
        return status == "finished"

    # Continuing, and what stays of seeds that were stopped.

    def prepare(self) -> tuple[str, ...]:
        """Finds where each seed stood, before anything is changed.

        Returns:
            Sentences about what is not as it was.

        Raises:
            CheckpointError: If a checkpoint is damaged, or does not belong to this run.
        """
        notes = self._move_version_1()
        left = self.missing()
        for member in left:
            self._read_standing(member.seed_index)
        begun = len(left) < len(self.settings.seeds) or any(s.timesteps for s in self._left())
        if not begun:
            notes = (*notes, "There is no checkpoint yet: the run begins at its first step.")
        # What they were when stopped could later be taken for what they are in the end.
        for member in left:
            for path in self.path.glob(f"*-seed-{self.settings.seeds[member.seed_index]}.npz"):
                files.remove(path)
        return notes

    def settle(self) -> None:
        """Keeps of seeds that were stopped the returns and parts of their checkpoints."""
        names = self.algorithm.acting_parts
        for member in self.missing():
            state = self._read_standing(member.seed_index)
            if state is not None:
                seed = self.settings.seeds[member.seed_index]
                self._write_parts(seed, collect(self.algorithm, state, names))
        self.write_evaluations()

    def _left(self) -> list[Standing]:
        return [self.standings[member.seed_index] for member in self.missing()]

    def _read_standing(self, index: int) -> Any:
        """Finds where a seed's newest checkpoint stands; its state, None if there is none."""
        folder = self.checkpoints_of(self.settings.seeds[index])
        if checkpoints.newest_in(folder) is None:
            return None
        (training, seconds), _ = read_position(folder, self.algorithm)
        standing = self.standings[index]
        self.standings[index] = standing._replace(
            returns=max(training.eval_rewards, standing.returns, key=len),
            timesteps=max(training.timesteps, standing.timesteps),
            seconds=seconds,
        )
        return training.state

    def _move_version_1(self) -> tuple[str, ...]:
        """Gives a seed in which a run of version 1 stood a checkpoint of its own."""
        for member in self.missing():
            seed = self.settings.seeds[member.seed_index]
            own, newest = self.checkpoints_of(seed), self.newest_checkpoint(self.settings, seed)
            if newest is not None and newest.parent != own:
                n_episodes = self.settings.problem.n_eval_episodes
                return version_1_runs.move_checkpoint(
                    newest, own, seed, n_episodes, self.algorithm
                )
        return ()

    # Writing.

    def write_evaluations(self) -> None:
        """Writes all returns so far."""
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(EVALUATION_COLUMNS)
        for index, standing in self.standings.items():
            seed = self.settings.seeds[index]
            for i, returns in enumerate(standing.returns):
                timesteps = int(self.evaluation_timesteps[i])
                writer.writerows(
                    (seed, i + 1, timesteps, episode, float(value))
                    for episode, value in enumerate(returns)
                )
        self._write(EVALUATIONS, text.getvalue())

    def write_summary(self, status: str) -> None:
        """Writes the closing numbers."""
        self._write(SUMMARY, json.dumps(self.summarise(status), indent=2) + "\n")

    def write_part(self, seed: int, name: str, tree: Any) -> None:
        """Writes a part of one seed's state, leaves named by their path in the tree."""
        leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(tree).items()}
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **leaves)
        self._write(self.part_file(seed, name).name, content.getvalue())

    def _write_parts(self, seed: int, parts: Mapping[str, Any]) -> None:
        # The first one last: without the others it is of no use.
        for name in reversed([name for name in self.algorithm.acting_parts if name in parts]):
            self.write_part(seed, name, parts[name])

    def summarise(self, status: str) -> dict[str, Any]:
        """The closing numbers, as JSON values."""
        standings = {self.settings.seeds[i]: s for i, s in self.standings.items()}
        final = {
            str(seed): float(s.returns[-1].mean()) for seed, s in standings.items() if len(s.returns)
        }
        timesteps, seconds = self.totals()
        return {
            "status": status,
            "final_return_by_seed": final,
            "final_return_mean": float(np.mean(list(final.values()))) if final else None,
            "timesteps": timesteps,
            "timesteps_per_second": round(timesteps / max(seconds.training, 1e-9), 1),
            "compile_seconds": round(seconds.compiling, 3),
            "train_seconds": round(seconds.training, 3),
            "seconds_by_seed": {
                str(seed): {name: round(t, 3) for name, t in s.seconds._asdict().items()}
                for seed, s in standings.items()
                if s.status != "unfinished"
            },
        }

    def totals(self) -> tuple[int, Seconds]:
        """Environment steps trained and the time that it took, over all seeds."""
        standings = self.standings.values()
        training, compiling = (
            sum(times) for times in zip(*(s.seconds for s in standings), strict=True)
        )
        return sum(s.timesteps for s in standings), Seconds(training, compiling)

    def _write(self, name: str, content: str | bytes) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                files.write(self.path / name, content)
                return
            except OSError as error:
                if attempt == _ATTEMPTS:
                    raise _unwritable(self.path, error) from error
                time.sleep(_WAIT_FOR_ROOM_SECONDS)

    # The folder.

    def _require_run(self) -> None:
        if not (self.path / SETTINGS).is_file():
            raise RunFolderError(
                f"There is no run in {self.path}: it has no settings.json. Give --resume the "
                "folder that a training printed."
            )

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            occupied = any(self.path.iterdir())
        except OSError as error:
            raise _unwritable(self.path, error) from error
        if occupied:
            raise RunFolderError(
                f"The folder {self.path} already holds something; choose another --out, remove it, "
                f"or continue its run with --resume {self.path}."
            )

    def _hold(self) -> None:
        if not os.access(self.path, os.W_OK):
            raise RunFolderError(f"The folder {self.path} cannot be written; choose another --out.")
        try:
            self._lock = files.hold(self.path / _LOCK)
        except BlockingIOError:
            raise RunFolderError(
                f"Another process is training in {self.path}; wait for it."
            ) from None
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _remove_leftovers(self) -> None:
        files.remove_leftovers(self.path)
        files.remove_leftovers(self.checkpoints)
        version_1_runs.remove_leftovers(self.path)


def _unwritable(path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(
        f"The folder {path} cannot be written ({error.strerror}); choose another --out."
    )
