"""Trains the configurations of ``arlbench sweep``, and reports their results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from arlbench.report.numbers import finite_or_none

if TYPE_CHECKING:
    from arlbench.cli.stopping import StoppableWork
    from arlbench.experiments.folder import SweepFolder
    from arlbench.experiments.training import ExperimentOutcome
    from arlbench.report.sweep_results import SweepResults


class Job(NamedTuple):
    """A sweep, and how much to print about it.

    Attributes:
        storage: Its open folder.
        memory_limit: The memory limit of each member, in GiB.
        quiet: Whether only errors are printed.
        as_json: Whether the results are printed as JSON.
    """

    storage: SweepFolder
    memory_limit: float
    quiet: bool
    as_json: bool

    @property
    def talkative(self) -> bool:
        """Whether progress and results are printed for people."""
        return not (self.quiet or self.as_json)


def run(job: Job) -> None:
    """Trains what is missing, and reports the results."""
    from arlbench.cli import display, sweep_display
    from arlbench.experiments.training import ExperimentOutcome

    storage = job.storage
    n_missing, n_members = len(storage.missing()), storage.experiment.n_members
    if job.talkative:
        sweep_display.header(storage.experiment, n_missing, storage.path)
        for note in storage.notes:
            display.notice(note)
    if not n_missing and not job.quiet:
        display.notice(f"The sweep in {storage.path} is finished; nothing is left to train.")
    outcome, work = _train(job)
    if outcome is None or outcome.status == "interrupted":
        # Finished training runs are kept, even if the thread is still working.
        storage.flush()
        if not job.quiet:
            kept = n_members - len(storage.missing())
            sweep_display.interrupted(kept, n_members, storage.path)
        if job.as_json:
            trained_now = n_missing - len(storage.missing())
            _print_summary(job, outcome or ExperimentOutcome("interrupted", trained_now))
        work.leave(at_once=outcome is None)
    _close(job, outcome)


def _train(job: Job) -> tuple[ExperimentOutcome | None, StoppableWork[ExperimentOutcome]]:
    """Trains in a thread and shows progress; the outcome is None if the thread did not stop."""
    from arlbench.cli import display, sweep_display
    from arlbench.cli.stopping import StoppableWork
    from arlbench.experiments.training import train_missing

    storage = job.storage
    with sweep_display.progress_bar(shown=job.talkative and storage.missing() != []) as show:
        work = StoppableWork(
            lambda: train_missing(
                storage,
                memory_limit_gib=job.memory_limit,
                on_progress=lambda progress: show(progress) or work.wants_to_stop(),
                on_notice=None if job.quiet else display.notice,
            )
        )
        work.start()
        # Drawing needs slow imports, which run here while the other thread compiles.
        from arlbench.report import sweep_pictures  # noqa: F401

        outcome = work.finish()
    return outcome, work


def _close(job: Job, outcome: ExperimentOutcome) -> None:
    """Draws the pictures and prints the best configurations."""
    from arlbench.cli import pictures, sweep_display
    from arlbench.report import sweep_pictures
    from arlbench.report.sweep_results import results_of

    results = results_of(job.storage.rows())
    if results is None:
        return
    folder = job.storage.path
    drawn = pictures.write(sweep_pictures.draw(results), folder)
    if job.talkative:
        sweep_display.closing_table(results, outcome, drawn)
    if job.as_json:
        typer.echo(json.dumps(summarise(folder, results, outcome)))


def _print_summary(job: Job, outcome: ExperimentOutcome) -> None:
    """Prints the results so far as JSON, if any training run has ended."""
    from arlbench.report.sweep_results import results_of

    results = results_of(job.storage.rows())
    if results is not None:
        typer.echo(json.dumps(summarise(job.storage.path, results, outcome)))


def summarise(folder: Path, results: SweepResults, outcome: ExperimentOutcome) -> dict[str, Any]:
    """The results of a sweep, as JSON values; the best configurations first."""
    from arlbench.report.statistics import spread_name
    from arlbench.report.sweep_results import ranking

    return {
        "folder": str(folder),
        "status": outcome.status,
        "n_configs": len(results.configs),
        "n_seeds": len(results.seeds),
        "diverged": int(results.diverged.sum()),
        "trained_now": outcome.members_trained,
        "compile_seconds": round(outcome.compile_seconds, 3),
        "wall_seconds": round(outcome.wall_seconds, 3),
        "ranking": [
            {
                "config": rank.config,
                "final_return_mean": finite_or_none(rank.mean),
                "interval": [finite_or_none(rank.low), finite_or_none(rank.high)],
                "interval_kind": spread_name(len(results.seeds)),
                "varied": {k: h.values.tolist()[rank.row] for k, h in results.varied.items()},
            }
            for rank in ranking(results)
        ],
    }
