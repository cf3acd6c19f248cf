"""A training run with everything that its callers need to know about it, even if it diverged."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from arlbench.core.algorithms.algorithm import (
    Algorithm,
    OnProgress,
    TrainingProgress,
    UpdateStatistic,
)
from arlbench.core.algorithms.harness.plan import Lengths
from arlbench.core.stopwatch import process_clock
from arlbench.errors import DivergenceError


class Seconds(NamedTuple):
    """The time that a training run took, in seconds.

    Attributes:
        training: Time for training and evaluations.
        compiling: Time for tracing and compiling.
    """

    training: float = 0.0
    compiling: float = 0.0

    def __add__(self, other: tuple[Any, ...]) -> Seconds:
        return Seconds(*(a + b for a, b in zip(self, other, strict=True)))


class TrainingOutcome(NamedTuple):
    """The outcome of a training run.

    Attributes:
        state: The algorithm's state at the end.
        result: The training result that ``train`` returned with the state.
        returns: Undiscounted returns, float32 ``[n_eval_steps, n_eval_episodes]``; NaN for
            evaluations that were not reached.
        timesteps: Environment steps of the training at each evaluation, int64
            ``[n_eval_steps]``.
        done_timesteps: Environment steps trained.
        diverged_at: Environment steps after which learning was found to be non-finite;
            None if it was not.
        divergence: The error message; empty if learning did not diverge.
        stopped: Whether ``on_progress`` stopped it before its last evaluation.
        seconds: The time that it took.
        statistics: Statistics of its updates, by name; None if they are not tracked.
    """

    state: Any
    result: Any
    returns: np.ndarray
    timesteps: np.ndarray
    done_timesteps: int
    diverged_at: int | None
    divergence: str
    stopped: bool
    seconds: Seconds
    statistics: Mapping[str, UpdateStatistic] | None


def train_measured(
    algorithm: Algorithm,
    state: tuple[Any, Any],
    lengths: Lengths,
    *,
    timesteps_before: int | None = None,
    progress: TrainingProgress | None = None,
    on_progress: OnProgress | None = None,
) -> TrainingOutcome:
    """Trains; a divergence is reported in the outcome instead of raised as an error.

    The arguments are those of :meth:`Algorithm.train`, and its other errors are raised. It
    cannot be used inside ``jax.jit``.
    """
    watch = _Watch(lengths.n_eval_steps, on_progress)
    clock = process_clock()
    begin, compiled_before = time.perf_counter(), clock.seconds
    plan = algorithm.plan_of(state, lengths, timesteps_before, progress)
    diverged_at, divergence = None, ""
    try:
        state, result = algorithm.train(
            *state,
            *lengths,
            on_progress=watch,
            progress=progress,
            timesteps_before=timesteps_before,
        )
    except DivergenceError as error:
        state, result = error.state, error.result
        diverged_at, divergence = error.timesteps, str(error)
    elapsed, compiling = time.perf_counter() - begin, clock.seconds - compiled_before
    eval_rewards = np.asarray(result.eval_rewards)
    done = watch.timesteps if watch.stopped else plan.total_timesteps
    return TrainingOutcome(
        state=state,
        result=result,
        returns=with_missing(eval_rewards, lengths),
        timesteps=plan.evaluate_after * plan.steps_per_iteration,
        done_timesteps=done if diverged_at is None else diverged_at,
        diverged_at=diverged_at,
        divergence=divergence,
        stopped=watch.stopped,
        seconds=Seconds(max(elapsed - compiling, 0.0), compiling),
        statistics=watch.statistics,
    )


def with_missing(eval_rewards: np.ndarray, lengths: Lengths) -> np.ndarray:
    """Returns ``[n_eval_steps, n_eval_episodes]``, with NaN for missing evaluations."""
    whole = np.full((lengths.n_eval_steps, lengths.n_eval_episodes), np.nan, np.float32)
    whole[: len(eval_rewards)] = eval_rewards
    return whole


class _Watch:
    """Passes progress on, and remembers what the outcome needs."""

    def __init__(self, n_eval_steps: int, on_progress: OnProgress | None) -> None:
        self._n_eval_steps = n_eval_steps
        self._on_progress = on_progress
        self.stopped = False
        self.timesteps = 0
        self.statistics: Mapping[str, UpdateStatistic] | None = None

    def __call__(self, progress: TrainingProgress) -> bool:
        self.statistics, self.timesteps = progress.statistics, progress.timesteps
        wants_to_stop = self._on_progress is not None and bool(self._on_progress(progress))
        at_end = len(progress.eval_rewards) == self._n_eval_steps
        self.stopped = wants_to_stop and not at_end
        return wants_to_stop
