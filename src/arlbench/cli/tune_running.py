"""Prepares and runs the studies of ``arlbench tune``, and reports their results.

Everything is checked, and the folder opened, before anything is shown.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import typer

from arlbench.cli.tune_summary import summarise, summarise_kept
from arlbench.errors import ConfigurationError
from arlbench.report.numbers import finite_or_none

if TYPE_CHECKING:
    from arlbench.cli.stopping import StoppableWork
    from arlbench.tuning.loop import StudyOutcome
    from arlbench.tuning.preparing import OpenStudy
    from arlbench.tuning.reading import LoadedStudy
    from arlbench.tuning.replaying import PreparedReplay


class Job(NamedTuple):
    """A study, and how much to print about it.

    Attributes:
        folder: Its folder.
        n_test_seeds: The number of seeds of the test; None keeps the seeds of the study.
        limits: Arguments of the study that are not part of its definition.
        quiet: Whether only errors are printed.
        as_json: Whether the results are printed as JSON.
    """

    folder: Path
    n_test_seeds: int | None
    limits: dict[str, Any]
    quiet: bool
    as_json: bool

    @property
    def talkative(self) -> bool:
        """Whether progress and results are printed for people."""
        return not (self.quiet or self.as_json)


def run(job: Job, arguments: dict[str, Any]) -> None:
    """Runs a study or its repeats, and reports the results."""
    arguments = {**arguments, **job.limits, "folder": job.folder}
    if job.n_test_seeds is not None:
        arguments["test_seeds"] = seeds_of_test(arguments["seeds"], job.n_test_seeds)
    if "repeats" in arguments:
        _run_repeats(job, arguments)
    else:
        _run_one(job, arguments)


def seeds_of_test(seeds: tuple[int, ...], count: int) -> tuple[int, ...]:
    """The test seeds, which follow the tuning seeds."""
    from arlbench.tuning.preparing import FIRST_TEST_SEED

    if not isinstance(count, int) or count < 0:
        raise ConfigurationError(f"--test-seeds must be a whole number of 0 or more, not {count}.")
    first = max(FIRST_TEST_SEED, max(seeds) + 1)
    return tuple(range(first, first + count))


def _run_one(job: Job, arguments: dict[str, Any]) -> None:
    from arlbench.cli import tune_display, tune_pictures
    from arlbench.tuning.folder import is_study
    from arlbench.tuning.preparing import prepare
    from arlbench.tuning.reading import load

    continued = is_study(job.folder)
    with prepare(**arguments) as prepared, prepared.opened() as study:
        if job.talkative:
            tune_display.header(arguments, prepared.space)
        with tune_display.continuable(job.folder, not job.quiet):
            outcome, work = _work(job, study)
        if outcome is None:
            _stopped(job, work, lambda: summarise_kept(job.folder, "interrupted"), at_once=True)
        if outcome.status == "interrupted":
            kept = outcome if outcome.results else None
            _stopped(job, work, lambda: summarise(kept) if kept else None, at_once=False)
    if continued and not outcome.trained_anything and not job.quiet:
        tune_display.nothing_left(job.folder)
    pictures = tune_pictures.draw(load(outcome.folder), outcome.folder)
    if job.talkative:
        tune_display.closing(outcome, pictures)
    if job.as_json:
        typer.echo(json.dumps(summarise(outcome)))


def _run_repeats(job: Job, arguments: dict[str, Any]) -> None:
    """Runs the repeats of a study, and reports them together."""
    from arlbench.cli import tune_display, tune_repeats
    from arlbench.tuning.preparing_repeats import prepare_repeats
    from arlbench.tuning.repeats import is_repeated

    continued = is_repeated(job.folder)
    with prepare_repeats(**arguments) as prepared, prepared.opened() as study:
        if job.talkative:
            tune_display.header(arguments, prepared.first.space)
        with tune_display.continuable(job.folder, not job.quiet):
            outcome, work = tune_repeats.work(study, job.quiet, job.talkative)
        if outcome is None or outcome.status == "interrupted":
            left = outcome is None
            _stopped(job, work, lambda: tune_repeats.summarise_kept(job.folder), at_once=left)
    if continued and not outcome.trained_anything and not job.quiet:
        tune_display.nothing_left(job.folder)
    summary = tune_repeats.close(outcome, job.talkative)
    if job.as_json:
        repeats = [summarise(each) for each in outcome.outcomes]
        typer.echo(json.dumps({**summary, "repeats": repeats}))


def _work(job: Job, study: OpenStudy) -> tuple[StudyOutcome | None, StoppableWork[StudyOutcome]]:
    """Runs in a thread and shows progress; the outcome is None if the thread did not stop."""
    from arlbench.cli import display, tune_display
    from arlbench.cli.stopping import StoppableWork
    from arlbench.tuning.loop import Callbacks

    with tune_display.progress_bar(shown=job.talkative) as show:
        calls = Callbacks(
            lambda progress: show(progress) or work.wants_to_stop(),
            None if job.quiet else display.notice,
        )
        work = StoppableWork(lambda: study.run(calls))
        work.start()
        outcome = work.finish()
    return outcome, work


def _stopped(
    job: Job,
    work: StoppableWork[Any],
    kept: Callable[[], dict[str, Any] | None],
    at_once: bool,
) -> NoReturn:
    from arlbench.cli import tune_display

    if not job.quiet:
        tune_display.interrupted(job.folder)
    if job.as_json and (summary := kept()) is not None:
        typer.echo(json.dumps(summary))
    work.leave(at_once)


def _first_fresh_seed(study: LoadedStudy) -> int:
    """The first seed after all of tuning and of the test."""
    from arlbench.tuning.preparing import FIRST_TEST_SEED

    of_test = [seed for test in study.tests.values() for seed in test.seeds]
    used = (*study.settings.seeds, *(study.budget.test_seeds or ()), *of_test)
    return max(FIRST_TEST_SEED, max(used) + 1)


def train_again(
    folder: Path,
    seeds: tuple[int | None, int],
    memory_limit: float | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Trains the best schedule of a study again.

    Args:
        folder: The folder of the study.
        seeds: The first of the new seeds (None takes the first after all that the study used), and
            how many.
        memory_limit: The memory limit of each member, in GiB; None takes that of the study.
        quiet: Whether only errors are printed.
        as_json: Whether the results are printed as JSON.
    """
    from arlbench.cli import display, tune_display
    from arlbench.cli.stopping import StoppableWork
    from arlbench.experiments.experiment import seed_range
    from arlbench.tuning.best import final_returns
    from arlbench.tuning.reading import load
    from arlbench.tuning.replaying import prepare_replay

    first, count = seeds
    fresh = seed_range(_first_fresh_seed(load(folder)) if first is None else first, count)
    prepared = prepare_replay(folder, fresh, memory_limit_gib=memory_limit)
    ended: dict[int, float] = {}
    with tune_display.replay_bar(shown=not (quiet or as_json)) as show:
        work = StoppableWork(
            lambda: prepared.run(
                lambda progress: show(progress) or work.wants_to_stop(),
                None if quiet else display.notice,
                on_seed=ended.__setitem__,
            )
        )
        work.start()
        retrained = work.finish()
    if retrained is None:
        if as_json:
            typer.echo(json.dumps(_replay_as_json(prepared, "interrupted", ended, math.nan)))
        work.leave(at_once=True)
    final = final_returns(prepared.study.results[prepared.number], retrained)
    value, settings = prepared.study.objective_of(retrained.returns), prepared.study.settings
    if not (quiet or as_json):
        tune_display.replayed(retrained.number, final, settings.objective_text, value)
    if as_json:
        returns = dict(zip(fresh, map(float, final), strict=True))
        typer.echo(json.dumps(_replay_as_json(prepared, "finished", returns, value)))


def _replay_as_json(
    prepared: PreparedReplay, status: str, final: Mapping[int, float], value: float
) -> dict[str, Any]:
    """What is known about a replay, as JSON values.

    Args:
        prepared: The replay.
        status: Whether it finished or was interrupted.
        final: The final return of each seed that has ended; NaN if learning diverged.
        value: The value of the objective; NaN if it is not known.
    """
    settings = prepared.study.settings
    return {
        "status": status,
        "number": prepared.number,
        "final_returns": {
            str(seed): finite_or_none(final[seed]) for seed in prepared.seeds if seed in final
        },
        "objective": settings.objective,
        "minimise": settings.minimise,
        "objective_value": finite_or_none(value),
    }
