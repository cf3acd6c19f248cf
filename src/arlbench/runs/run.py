"""Training over seeds, saved as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from arlbench.core.algorithms.algorithm import TrainingProgress
from arlbench.core.algorithms.dqn import DQN, DQNState
from arlbench.errors import DivergenceError
from arlbench.runs.folder import RunFolder
from arlbench.runs.settings import RunSettings
from arlbench.runs.stopwatch import CompilationClock

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
        compile_seconds: Time spent on tracing and compiling.
        train_seconds: The rest of the training's time, evaluations included.
    """

    status: Status
    returns: dict[int, np.ndarray]
    timesteps: int
    interval: int
    compile_seconds: float
    train_seconds: float


#: Called between segments; the run stops where it returns True.
OnRunProgress = Callable[[RunProgress], bool]


class Run:
    """One run: every seed in turn, each saved when it is done."""

    def __init__(
        self, settings: RunSettings, folder: RunFolder, on_progress: OnRunProgress
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._on_progress = on_progress
        self._algorithm: DQN = settings.make_algorithm()
        self._returns: dict[int, np.ndarray] = {}
        self._timesteps_before = 0
        self._timesteps = 0
        self._stopped = False

    def train(self) -> RunResult:
        """Trains every seed, or until ``on_progress`` wants to stop.

        Raises:
            DivergenceError: If learning became non-finite; all that came before is saved.
        """
        clock = CompilationClock()
        begin = time.perf_counter()
        self._folder.write_settings(self._settings)
        status: Status = "finished"
        try:
            for index, seed in enumerate(self._settings.seeds):
                self._train_seed(index, seed)
                if self._stopped:
                    status = "interrupted"
                    break
        except DivergenceError:
            self._folder.write_summary(summarise(self._result("diverged", clock, begin)))
            raise
        result = self._result(status, clock, begin)
        self._folder.write_summary(summarise(result))
        return result

    def _train_seed(self, index: int, seed: int) -> None:
        settings = self._settings
        state = self._algorithm.init(jax.random.key(seed), capacity=settings.capacity)

        def on_progress(progress: TrainingProgress) -> bool:
            self._timesteps = self._timesteps_before + progress.timesteps
            if len(progress.eval_rewards) > len(self._returns.get(seed, ())):
                self._save_returns(seed, progress.eval_rewards)
            self._stopped = self._on_progress(RunProgress(index, progress))
            return self._stopped

        try:
            trained, result = self._algorithm.train(
                *state,
                settings.n_total_timesteps,
                settings.n_eval_steps,
                settings.n_eval_episodes,
                on_progress=on_progress,
            )
        except DivergenceError as error:
            self._save_returns(seed, np.asarray(error.result.eval_rewards))
            raise
        self._save_returns(seed, np.asarray(result.eval_rewards))
        self._save_params(seed, trained)
        self._timesteps_before = self._timesteps

    def _save_returns(self, seed: int, returns: np.ndarray) -> None:
        self._returns[seed] = returns
        self._folder.write_evaluations(self._returns, self._interval)

    def _save_params(self, seed: int, state: DQNState) -> None:
        self._folder.write_params(seed, state.runner_state.train_state.params)

    @property
    def _interval(self) -> int:
        settings = self._settings
        return self._algorithm.evaluation_interval(
            settings.n_total_timesteps, settings.n_eval_steps
        )

    def _result(self, status: Status, clock: CompilationClock, begin: float) -> RunResult:
        seconds = time.perf_counter() - begin
        return RunResult(
            status,
            self._returns,
            self._timesteps,
            self._interval,
            clock.seconds,
            max(seconds - clock.seconds, 0.0),
        )


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
        "timesteps_per_second": round(result.timesteps / max(result.train_seconds, 1e-9), 1),
        "compile_seconds": round(result.compile_seconds, 3),
        "train_seconds": round(result.train_seconds, 3),
    }
