"""Training one member in this process, exactly as a single run is trained."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from arlbench.core import checkpoints
from arlbench.core.algorithms.algorithm import Algorithm, TrainingProgress, UpdateStatistic
from arlbench.core.algorithms.checkpointing import collect
from arlbench.core.stopwatch import process_clock
from arlbench.errors import DivergenceError
from arlbench.population.members import MemberResult, MemberTask
from arlbench.population.warming import warm

#: Takes environment steps done by the member; it stops early where this returns True.
OnSteps = Callable[[int], bool]


#: In which order programs are compiled ahead; None where they are not.
Ahead = Literal["forwards", "backwards"] | None


class Seconds(NamedTuple):
    """Time that a member took."""

    training: float
    compiling: float


class Outcome(NamedTuple):
    """How the training of a member went.

    Attributes:
        eval_rewards: Returns of the evaluations that it got to, ``[n, n_eval_episodes]``.
        diverged_at: When it was found to be non-finite, if it was.
        statistics: Of its updates, if they are tracked.
    """

    eval_rewards: np.ndarray
    diverged_at: int | None
    statistics: Mapping[str, UpdateStatistic] | None


def train_member(task: MemberTask, on_steps: OnSteps, ahead: Ahead = None) -> MemberResult | None:
    """Trains a member; None where ``on_steps`` stopped it before its end.

    Args:
        task: What to do.
        on_steps: Told now and then how far it is.
        ahead: In which order to compile programs that other processes need too; None
            where there are none, and each is compiled when it is needed.
    """
    clock = process_clock()
    begin, compiled_before = time.perf_counter(), clock.seconds
    algorithm = task.recipe.make()
    # What calls the host is kept on no disk, so every process has to compile it anyway.
    if ahead is not None and not algorithm.uses_host:
        warm(algorithm, task.capacity, task.schedule.n_eval_episodes, ahead == "backwards")
    state = state_of(algorithm, task)
    stopped, statistics = False, None

    def on_progress(progress: TrainingProgress) -> bool:
        nonlocal stopped, statistics
        statistics = progress.statistics
        at_end = len(progress.eval_rewards) == task.schedule.n_eval_steps
        stopped = on_steps(progress.timesteps) and not at_end
        return stopped

    diverged_at = None
    schedule = task.schedule
    try:
        state, result = algorithm.train(
            *state,
            schedule.n_total_timesteps,
            schedule.n_eval_steps,
            schedule.n_eval_episodes,
            schedule_timesteps=schedule.schedule_timesteps,
            on_progress=on_progress,
        )
    except DivergenceError as error:
        state, result, diverged_at = error.state, error.result, error.timesteps
    if stopped:
        return None
    compiling = clock.seconds - compiled_before
    seconds = Seconds(max(time.perf_counter() - begin - compiling, 0.0), compiling)
    outcome = Outcome(np.asarray(result.eval_rewards), diverged_at, statistics)
    return member_result(task, algorithm, lambda: state, outcome, seconds)


def state_of(algorithm: Algorithm, task: MemberTask) -> Any:
    """What a member begins with, or goes on from."""
    if task.parts is not None:
        return algorithm.restore(checkpoints.on_device(task.parts))
    return algorithm.init(jax.random.key(task.seed), capacity=task.capacity)  # type: ignore[call-arg]


def member_result(
    task: MemberTask,
    algorithm: Algorithm,
    take_state: Callable[[], Any],
    outcome: Outcome,
    seconds: Seconds,
) -> MemberResult:
    """What came of a member.

    Args:
        task: What it was to do.
        algorithm: Its algorithm.
        take_state: Gives its state in the end; not called where nothing of it is kept.
        outcome: How it went.
        seconds: Time that it took.
    """
    schedule = task.schedule
    state = take_state() if task.keep_params or task.keep_state else None
    interval = task.total_timesteps // schedule.n_eval_steps
    returns = np.full((schedule.n_eval_steps, schedule.n_eval_episodes), np.nan, np.float32)
    returns[: len(outcome.eval_rewards)] = outcome.eval_rewards
    return MemberResult(
        config_index=task.id.config_index,
        seed_index=task.id.seed_index,
        status="finished" if outcome.diverged_at is None else "diverged",
        returns=returns,
        timesteps=interval * np.arange(1, schedule.n_eval_steps + 1),
        diverged_at=outcome.diverged_at,
        train_seconds=seconds.training,
        compile_seconds=seconds.compiling,
        statistics=outcome.statistics,
        params=collect(algorithm, state, ["params"])["params"] if task.keep_params else None,
        parts=collect(algorithm, state) if task.keep_state else None,
    )
