"""Trains one member in this process, exactly like a single run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax

from arlbench.core import checkpoints
from arlbench.core.algorithms.algorithm import Algorithm, TrainingProgress
from arlbench.core.algorithms.harness.structure import State
from arlbench.core.algorithms.measured import Seconds, TrainingOutcome, train_measured
from arlbench.core.algorithms.state_parts import collect
from arlbench.errors import EnvironmentFaultError
from arlbench.population import handover
from arlbench.population.members import MemberProgress, MemberResult, MemberTask
from arlbench.population.saving import MemberCheckpoints, Position
from arlbench.population.seconds import Stopwatch
from arlbench.population.warming import warm

#: The order in which programs are compiled in advance; None compiles nothing in advance.
Ahead = Literal["forwards", "backwards"] | None


class Listener(NamedTuple):
    """The functions that are called while a member trains.

    Attributes:
        on_progress: Receives the progress between segments; if it returns True, the member
            stops.
        on_notice: Receives sentences for the user.
    """

    on_progress: Callable[[MemberProgress], bool]
    on_notice: Callable[[str], None]


def train_member(task: MemberTask, listener: Listener, ahead: Ahead = None) -> MemberResult | None:
    """Trains a member; None if ``listener`` stopped it before its end.

    Args:
        task: The member's task.
        listener: Receives progress and notices.
        ahead: The order in which to compile programs that other processes need too; None
            compiles each program when it is needed.

    Raises:
        CheckpointError: If the checkpoint from which it should continue is damaged.
        EnvironmentFaultError: If an environment that steps in Python fails; a member with
            ``saving`` has then saved itself.
    """
    watch = Stopwatch()
    algorithm = task.make_algorithm()
    # Programs that call the host are not kept on disk, so every process must compile them anyway.
    if ahead is not None and not algorithm.uses_host:
        warm(algorithm, task.init_options, task.lengths.n_eval_episodes, ahead == "backwards")
    saved = MemberCheckpoints(task.saving, algorithm, listener.on_notice)
    position = saved.load()
    before = Seconds() if position is None else position.seconds

    def on_progress(progress: TrainingProgress) -> bool:
        wants_to_stop = listener.on_progress(MemberProgress(*progress[1:4]))
        save = saved.save_now if wants_to_stop else saved.save_if_due
        save(lambda: Position(progress, before + watch.seconds))
        return wants_to_stop

    try:
        outcome = train_measured(
            algorithm,
            state_of(algorithm, task, listener.on_notice)
            if position is None
            else position.training.state,
            task.lengths,
            timesteps_before=task.timesteps_before,
            progress=None if position is None else position.training,
            on_progress=on_progress,
        )
    except EnvironmentFaultError:
        saved.save_after_fault()
        raise
    finally:
        saved.close()
    if not outcome.stopped and outcome.diverged_at is None:
        handover.left(task.handover, algorithm, outcome.state)
    seconds = before + watch.seconds
    result = None if outcome.stopped else member_result(task, algorithm, outcome, seconds)
    # The next member can reuse its environments.
    algorithm.release(outcome.state)
    return result


def state_of(algorithm: Algorithm, task: MemberTask, on_notice: Callable[[str], None]) -> State:
    """The state with which a member starts or from which it continues.

    Raises:
        CheckpointError: If the state is in a folder and cannot be read.
    """
    if (state := handover.received(task.handover, algorithm, on_notice)) is not None:
        return state
    if task.parts is not None:
        return algorithm.restore(checkpoints.on_device(task.parts))
    return algorithm.init(jax.random.key(task.seed), **task.init_options)


def member_result(
    task: MemberTask,
    algorithm: Algorithm,
    outcome: TrainingOutcome,
    seconds: Seconds,
) -> MemberResult:
    """The result of a member.

    Args:
        task: The member's task.
        algorithm: Its algorithm.
        outcome: The outcome of its training; the state may be None if nothing of it is kept.
        seconds: The time that it took in total.
    """
    keeping = task.keeping
    params = collect(algorithm, outcome.state, ["params"])["params"] if keeping.params else None
    parts = None
    if keeping.state or keeping.parts:
        parts = collect(algorithm, outcome.state, None if keeping.state else keeping.parts)
    return MemberResult(
        config_index=task.id.config_index,
        seed_index=task.id.seed_index,
        status="finished" if outcome.diverged_at is None else "diverged",
        returns=outcome.returns,
        timesteps=outcome.timesteps,
        diverged_at=outcome.diverged_at,
        divergence=outcome.divergence,
        train_seconds=seconds.training,
        compile_seconds=seconds.compiling,
        statistics=outcome.statistics,
        params=params,
        parts=parts,
    )
