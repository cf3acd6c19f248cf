"""Trains the seeds of a run; each saves its state while it trains."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple

from arlbench.core.algorithms.measured import Seconds
from arlbench.errors import DivergenceError, EnvironmentFaultError
from arlbench.experiments.owned_folder import resume_command
from arlbench.experiments.run_folder import RunFolder
from arlbench.experiments.training import ExperimentProgress, train_missing
from arlbench.population import train_population

Status = Literal["finished", "interrupted", "diverged"]


class RunResult(NamedTuple):
    """The results of a run.

    Attributes:
        status: How it ended.
        final_returns: The mean return of each seed's last evaluation, if it had one.
        timesteps: Environment steps trained, summed over seeds.
        seconds: Time taken, summed over seeds, including earlier calls.
        seconds_now: The part of this time that belongs to this call.
        wall_seconds: Time from the start of this call to its last result.
    """

    status: Status
    final_returns: dict[int, float]
    timesteps: int
    seconds: Seconds
    seconds_now: Seconds
    wall_seconds: float


def train_run(
    run: RunFolder,
    *,
    on_progress: Callable[[ExperimentProgress], bool | None],
    on_notice: Callable[[str], None],
) -> RunResult:
    """Trains every seed of a run, or the rest of it, on every core.

    Args:
        run: The run to train, which keeps the results.
        on_progress: Called between segments; if it returns True, each seed saves its state and
            stops.
        on_notice: Called with sentences for the user.

    Raises:
        DivergenceError: If learning became non-finite in a seed. The others stop; seeds
            that have ended are kept.
        CheckpointError: If a checkpoint from which to continue exists but cannot be read.
        EnvironmentFaultError: If an environment that steps in Python fails; every seed has
            saved its state.
    """
    for note in run.prepare() if run.reopened else ():
        on_notice(note)
    _, before = run.totals()
    try:
        outcome = train_missing(
            run,
            memory_limit_gib=run.settings.memory_limit_gib,
            on_progress=lambda progress: run.divergence() is not None or on_progress(progress),
            on_notice=on_notice,
            # On every kind of device, a seed equals the single run, bit for bit.
            train=functools.partial(train_population, placement="sequential"),
        )
    except EnvironmentFaultError:
        run.settle()
        run.write_summary(run.summarise("interrupted"))
        on_notice(_how_to_continue(run))
        raise
    diverged = run.divergence()
    status: Status = "diverged" if diverged else outcome.status
    if status != "finished":
        run.settle()
    run.write_summary(run.summarise(status))
    if diverged:
        raise DivergenceError(diverged[0], state=None, result=None, timesteps=diverged[1])
    timesteps, seconds = run.totals()
    now = Seconds(*(after - earlier for after, earlier in zip(seconds, before, strict=True)))
    return RunResult(status, run.final_returns, timesteps, seconds, now, outcome.wall_seconds)


def _how_to_continue(run: RunFolder) -> str:
    """What to do after an environment has failed."""
    saved = any(run.newest_checkpoint(run.settings, seed) for seed in run.settings.seeds)
    what = "The training so far is saved" if saved else "The training was too short to be saved"
    how = "continue" if saved else "begin it again"
    command = resume_command("train", run.path)
    return f"{what}; once the environment is fixed, {how} with: {command}"
