"""Training over seeds, saved as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from arlbench.core.algorithms.algorithm import TrainingProgress
from arlbench.core.algorithms.dqn import DQN, DQNState
from arlbench.core.stopwatch import CompilationClock
from arlbench.errors import DivergenceError, RunFolderError
from arlbench.runs.folder import RunFolder
from arlbench.runs.saving import Elapsed, RunCheckpoints, RunPosition, Saving, load_position
from arlbench.runs.settings import RunSettings

Status = Literal["finished", "interrupted", "diverged"]


class RunProgress(NamedTuple):
    """Where a run stands.

    Attributes:
        seed_index: Which of the seeds is training, from 0.
        training: Where that training stands.
    """

    seed_index: int
    training: TrainingProgress


class RunResult(NamedTuple):
    """What came of a run.

    Attributes:
        status: How it ended.
        returns: For each seed begun, returns ``[n_evaluations, n_eval_episodes]``.
        timesteps: Environment steps trained, over all seeds.
        interval: Environment steps between two evaluations.
        elapsed: Time that it took, also before it was interrupted.
    """

    status: Status
    returns: dict[int, np.ndarray]
    timesteps: int
    interval: int
    elapsed: Elapsed


#: Called between segments; the run stops where it returns True.
OnRunProgress = Callable[[RunProgress], bool]


def train_run(
    settings: RunSettings,
    folder: RunFolder,
    saving: Saving,
    *,
    on_progress: OnRunProgress,
    on_notice: Callable[[str], None],
    resumed: bool = False,
) -> RunResult:
    """Trains every seed of a run, or what is left of it.

    Args:
        settings: What to train.
        folder: Where to keep what comes of it.
        saving: When to save where it stands.
        on_progress: Called between segments; the run is saved and stops where it
            returns True.
        on_notice: Takes sentences for the user.
        resumed: Go on from the newest checkpoint in the folder.

    Raises:
        DivergenceError: If learning became non-finite; all that came before is saved.
        CheckpointError: If there is a checkpoint to go on from and it cannot be read.
    """
    algorithm = settings.make_algorithm()
    position, notes = load_position(folder, settings, algorithm) if resumed else (None, ())
    for note in notes:
        on_notice(note)
    checkpoints = RunCheckpoints(folder, algorithm, saving, on_notice)
    return Run(settings, folder, algorithm, on_progress, checkpoints).train(position)


class Run:
    """One run: every seed in turn, each saved when it is done."""

    def __init__(
        self,
        settings: RunSettings,
        folder: RunFolder,
        algorithm: DQN,
        on_progress: OnRunProgress,
        checkpoints: RunCheckpoints,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._algorithm = algorithm
        self._on_progress = on_progress
        self._checkpoints = checkpoints
        self._clock = CompilationClock()
        self._begin = time.perf_counter()
        self._elapsed_before = Elapsed()
        self._returns: dict[int, np.ndarray] = {}
        self._timesteps_before = 0
        self._timesteps = 0
        self._stopped = False

    def train(self, position: RunPosition | None = None) -> RunResult:
        """Trains every seed, or until ``on_progress`` wants to stop.

        Args:
            position: Where an earlier run of the same settings stood; it goes on there.

        Raises:
            DivergenceError: If learning became non-finite; all that came before is saved.
        """
        first = 0
        if position is not None:
            first = position.seed_index
            self._returns = dict(position.returns)
            self._elapsed_before = position.elapsed
            self._timesteps_before = first * position.training.total_timesteps
            self._timesteps = self._timesteps_before + position.training.timesteps
        status: Status = "finished"
        try:
            for index in range(first, len(self._settings.seeds)):
                self._train_seed(index, position.training if position else None)
                position = None
                if self._stopped:
                    status = "interrupted"
                    break
        except DivergenceError:
            self._folder.write_summary(summarise(self._result("diverged")))
            raise
        finally:
            self._checkpoints.close()
        result = self._result(status)
        self._folder.write_summary(summarise(result))
        return result

    def _train_seed(self, index: int, earlier: TrainingProgress | None) -> None:
        settings, seed = self._settings, self._settings.seeds[index]
        if earlier is None:
            state = self._algorithm.init(jax.random.key(seed), capacity=settings.capacity)
        else:
            state = earlier.state
        try:
            trained, result = self._algorithm.train(
                *state,
                settings.n_total_timesteps,
                settings.n_eval_steps,
                settings.n_eval_episodes,
                on_progress=lambda progress: self._between_segments(index, progress),
                progress=earlier,
            )
        except DivergenceError as error:
            self._save_returns(seed, np.asarray(error.result.eval_rewards))
            raise
        self._save_returns(seed, np.asarray(result.eval_rewards))
        self._save_params(seed, trained)
        self._timesteps_before = self._timesteps

    def _between_segments(self, index: int, progress: TrainingProgress) -> bool:
        """Saves what is due; whether the training should stop."""
        seed = self._settings.seeds[index]
        self._timesteps = self._timesteps_before + progress.timesteps
        if len(progress.eval_rewards) > len(self._returns.get(seed, ())):
            self._save_returns(seed, progress.eval_rewards)
        self._stopped = self._on_progress(RunProgress(index, progress))
        save = self._checkpoints.save_now if self._stopped else self._checkpoints.save_if_due
        save(RunPosition(index, progress, self._returns, self._elapsed))
        return self._stopped

    def _save_returns(self, seed: int, returns: np.ndarray) -> None:
        self._returns[seed] = returns
        self._keep(lambda: self._folder.write_evaluations(self._returns, self._interval))

    def _save_params(self, seed: int, state: DQNState) -> None:
        runner = state.runner_state
        if self._settings.hpo_config["normalize_observations"]:
            # Before the parameters, which are of no use without.
            self._keep(lambda: self._folder.write_normalizer(seed, runner.normalizer_state))
        self._keep(lambda: self._folder.write_params(seed, runner.train_state.params))

    def _keep(self, write: Callable[[], None]) -> None:
        """Writes a result, which goes before a checkpoint where there is no room for both."""
        try:
            write()
        except RunFolderError:
            # What is being written beside may have taken the room; if it fails it is removed.
            self._checkpoints.close()
            write()

    @property
    def _interval(self) -> int:
        settings = self._settings
        return self._algorithm.forecast.evaluation_interval(
            settings.n_total_timesteps, settings.n_eval_steps
        )

    @property
    def _elapsed(self) -> Elapsed:
        seconds = time.perf_counter() - self._begin
        before, compiling = self._elapsed_before, self._clock.seconds
        training = max(seconds - compiling, 0.0)
        return Elapsed(before.compiling + compiling, before.training + training)

    def _result(self, status: Status) -> RunResult:
        return RunResult(status, self._returns, self._timesteps, self._interval, self._elapsed)


def final_returns(result: RunResult) -> dict[int, float]:
    """The mean return of each seed's last evaluation, for seeds that had one."""
    return {seed: float(r[-1].mean()) for seed, r in result.returns.items() if len(r)}


def summarise(result: RunResult) -> dict[str, Any]:
    """The closing numbers, as JSON values."""
    final = final_returns(result)
    return {
        "status": result.status,
        "final_return_by_seed": {str(seed): value for seed, value in final.items()},
        "final_return_mean": float(np.mean(list(final.values()))) if final else None,
        "timesteps": result.timesteps,
        "timesteps_per_second": round(result.timesteps / max(result.elapsed.training, 1e-9), 1),
        "compile_seconds": round(result.elapsed.compiling, 3),
        "train_seconds": round(result.elapsed.training, 3),
    }
