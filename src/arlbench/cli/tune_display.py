"""The output of ``arlbench tune`` for people."""

from __future__ import annotations

import contextlib
import math
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.markup import escape

from arlbench.cli import results, tables, train_command, tune_objective
from arlbench.cli.display import (
    Speed,
    bar_of_training,
    folder_and_note,
    heading,
    notice,
    remove_bar,
    return_text,
)
from arlbench.cli.searching import listing, searched
from arlbench.cli.sweep_display import value_text
from arlbench.core.algorithms.declarations import without_extended
from arlbench.core.text_values import count
from arlbench.errors import EnvironmentFaultError, TunerError
from arlbench.experiments.owned_folder import resume_command
from arlbench.report.numbers import together, written
from arlbench.tuning.best import final_test_return, lost_in_test
from arlbench.tuning.incumbents import ranked
from arlbench.tuning.tuners import name_of, short_name

if TYPE_CHECKING:
    from arlbench.population import PopulationProgress
    from arlbench.tuning.loop import StudyOutcome, StudyProgress
    from arlbench.tuning.reading import LoadedStudy
    from arlbench.tuning.space import Space
    from arlbench.tuning.trials import Result, Trial

_console = Console(stderr=True, highlight=False)

#: Trials in the closing table.
_N_SHOWN = 5

#: Hyperparameters whose importance is shown.
_N_IMPORTANT = 5


def header(arguments: Mapping[str, Any], space: Space) -> None:
    """Prints what is about to be tuned, and where it is searched."""
    problem, tuner = arguments["problem"], arguments["tuner"]
    name = short_name(tuner if isinstance(tuner, str) else name_of(tuner))
    spec = problem.env_spec
    repeats = f", {count(arguments['repeats'], 'repeat')}" if "repeats" in arguments else ""
    heading(
        f"[bold]{name}[/] tunes [bold]{problem.algorithm_class.title}[/] on "
        f"[bold]{escape(spec.name)}[/] ({spec.framework}), "
        f"{count(len(arguments['seeds']), 'seed')} per trial, "
        f"{problem.n_total_timesteps:,} steps at most, {count(spec.n_envs, 'environment')}{repeats}"
        f"{escape(tune_objective.aim(arguments))}"
    )
    published = without_extended(problem.algorithm_class.hyperparameters())
    where = searched(space.names, space.words, published)
    _console.print(f"searching {where}", markup=False, soft_wrap=True)
    folder_and_note(arguments["folder"], spec)


def nothing_left(folder: Path) -> None:
    """Says that a study had been finished before it was continued."""
    notice(f"The study in {folder} is finished; nothing is left to train.")


@contextlib.contextmanager
def progress_bar(
    shown: bool, place: Callable[[], str] = lambda: ""
) -> Iterator[Callable[[StudyProgress], None]]:
    """A live bar over the trials; yields the function that updates it.

    If nothing has updated it, nothing remains of it.

    Args:
        shown: Whether the bar is shown.
        place: The place of the study among others, in words.
    """
    progress = bar_of_training(shown)
    task = progress.add_task("compiling", total=None, speed="", latest="")
    speed = Speed()
    updated = False

    def show(study: StudyProgress) -> None:
        nonlocal updated
        updated = True
        population = study.population
        progress.update(
            task,
            total=population.total_timesteps if study.testing else study.trials_total,
            completed=population.timesteps if study.testing else _trials_done(study),
            description=f"{place()}{_description(study)}",
            # The study continues after a round of trials, so the speed is never that of the end.
            speed="" if study.testing else speed.text(study.timesteps, study.timesteps + 1),
            latest=_latest(study),
        )

    with progress:
        yield show
        if not updated:
            remove_bar(progress)


@contextlib.contextmanager
def replay_bar(shown: bool) -> Iterator[Callable[[PopulationProgress], None]]:
    """A live bar over a schedule that is trained again; yields the function that updates it."""
    progress = bar_of_training(shown)
    task = progress.add_task("compiling", total=None, speed="", latest="")
    speed = Speed()

    def show(population: PopulationProgress) -> None:
        progress.update(
            task,
            total=population.total_timesteps,
            completed=population.timesteps,
            description="replay",
            speed=speed.text(population.timesteps, population.total_timesteps),
        )

    with progress:
        yield show


def replayed(number: int, final: np.ndarray, objective: str, value: float) -> None:
    """Prints what a trial that was trained again has reached.

    Args:
        number: Its number.
        final: Its final returns, ``[n_seeds]``.
        objective: The objective in words; empty if it is the final return, maximised.
        value: Its value; NaN if it is not known.
    """
    known = final[~np.isnan(final)]
    if len(known):
        results.say([f"trial {number}, trained again: final return {return_text(known)}"])
    if objective and not math.isnan(value):
        results.say([f"objective ({objective}): {written(value)}"])
    if lost := len(final) - len(known):
        results.say([_without_return(number, lost, len(final))])


def _trials_done(study: StudyProgress) -> float:
    """Trials that have ended, plus the fractions of those in flight that are done."""
    members = study.population.members.values()
    under_way = sum(m.timesteps / max(m.total_timesteps, 1) for m in members)
    n_members = max(study.population.members_total, 1)
    in_call = study.in_flight * n_members / max(n_members - study.population.members_done, 1)
    share = (under_way - study.population.members_done) / n_members
    return study.trials_done + max(share, 0.0) * in_call


def _description(study: StudyProgress) -> str:
    if study.testing:
        return "test seeds"
    of_all = "" if study.trials_total is None else f"/{study.trials_total}"
    position = f", {study.position}" if study.position else ""
    return f"{study.trials_done}{of_all} trials, {study.in_flight} in flight{position}"


def _latest(study: StudyProgress) -> str:
    best = study.incumbent
    if best is None:
        return ""
    low, high = best.returns[:, -1].min(), best.returns[:, -1].max()
    mean, lowest, highest = together(_mean(best), low, high)
    return f"best trial {best.number}: {mean} ({lowest} to {highest})"


def closing(outcome: StudyOutcome, pictures: Sequence[Path]) -> None:
    """Prints the best trials, one column each, their cost, the gap to other seeds, and pictures."""
    from arlbench.tuning.reading import load

    study = load(outcome.folder)
    width = results.width()
    if study.incumbents:
        results.say([*best_table(study, width), *importance_lines(study, width)])
    else:
        results.say([tune_objective.without_result([study])])
    results.say(summary(study, outcome))
    if pictures:
        results.say([f"drawn: {listing([picture.name for picture in pictures])}"])
    command = train_command.of_best(study)
    if command is not None:
        full = study.settings.problem.n_total_timesteps
        results.say([heading_of_command(study.incumbents[-1].trial, full), f"  {command}"])


def heading_of_command(best: Trial, full: int) -> str:
    """What the command for a trial does; it always trains all ``full`` environment steps."""
    longer = "" if best.fidelity == full else f", up to step {full:,},"
    return f"to train trial {best.number} again{longer} and keep its agents:"


def best_table(study: LoadedStudy, width: int) -> list[str]:
    """Lines with the best trials, one column each: returns, fidelity, and varied hyperparameters.

    The objective comes first, unless it is the final return, maximised.

    Args:
        study: The study, as read from its folder.
        width: Characters of a line; fewer trials are shown if it is narrow.
    """
    shown = ranked(study.results.values())[:_N_SHOWN]
    names = dict.fromkeys(name for result in shown for name in result.trial.config)
    rows = [
        ("best trials", *(f"trial {result.number}" for result in shown)),
        *tune_objective.row(study, shown),
        ("tuning return", *(written(_mean(result)) for result in shown)),
        ("test return", *(_test_text(study, result) for result in shown)),
        ("timesteps", *(f"{result.trial.fidelity:,}" for result in shown)),
        *((name, *(_value(result, name) for result in shown)) for name in names),
    ]
    n_columns = tables.fitting(rows, width)
    return tables.lines([row[:n_columns] for row in rows], range(1, n_columns))


def importance_lines(study: LoadedStudy, width: int) -> list[str]:
    """Lines about how important the hyperparameters were; empty if that is not known."""
    from arlbench.errors import MissingExtraError

    try:
        found = study.importance()
    except MissingExtraError:
        return []
    if found is None:
        return []
    shares = list(found.shares.items())
    named = [f"{name} {share:.0%}" for name, share in shares[:_N_IMPORTANT]]
    others = sum(share for _, share in shares[_N_IMPORTANT:])
    rest = [f"others {others:.0%}"] if len(shares) > _N_IMPORTANT else []
    text = (
        f"importance ({found.n_trials} trials of {found.fidelity:,} timesteps): "
        f"{', '.join(named + rest)}"
    )
    return textwrap.wrap(text, max(width, 40), subsequent_indent="  ", break_on_hyphens=False)


def summary(study: LoadedStudy, outcome: StudyOutcome) -> Iterator[str]:
    """Sentences about the incumbent's gap, failures, and costs."""
    best = study.incumbents[-1] if study.incumbents else None
    if best is not None:
        yield from _about_test(study, best)
    diverged = sum(result.status == "diverged" for result in outcome.results)
    if diverged and best is not None:
        yield f"{count(diverged, 'trial')} diverged and counted as the worst"
    whole = outcome.timesteps_restarted(len(study.settings.seeds))
    cost = f"{count(len(outcome.results), 'trial')}, {outcome.timesteps:,} environment steps"
    if outcome.timesteps < whole and any(r.trial.continues is not None for r in outcome.results):
        share = outcome.timesteps / whole
        cost += f" ({share:.0%} of {whole:,} if none had continued another)"
    yield f"{cost} in {outcome.seconds:.1f} s; the tuner took {outcome.tuner_seconds:.1f} s of that"
    if outcome.ended_by is not None:
        yield f"the search was ended by {end_of_search(study, outcome.ended_by)}"
    restarted = sum(result.restarted for result in outcome.results)
    if restarted and not study.settings.restart:
        yield f"{count(restarted, 'trial')} restarted from step 0, because states were removed"
    yield f"saved in {outcome.folder}"


def end_of_search(study: LoadedStudy, ended_by: str) -> str:
    """What ended the search of a study, in words."""
    budget = study.budget
    if ended_by == "trials":
        return f"the limit of {count(budget.trials or 0, 'trial')}"
    if ended_by == "timesteps":
        return f"the limit of {budget.timesteps:,} environment steps"
    if ended_by == "seconds":
        return f"the limit of {budget.seconds:g} seconds of work"
    return "its tuner, which had no further trial to propose"


def _about_test(study: LoadedStudy, best: Result) -> Iterator[str]:
    """Sentences about the incumbent with the seeds of the test."""
    test_return = final_test_return(best, study.tests.get(best.number))
    lost, n = lost_in_test(study)
    if not math.isnan(test_return):
        tuned, tested, gap = together(_mean(best), test_return, _mean(best) - test_return)
        yield (
            f"trial {best.number} returns {tuned} with its tuning seeds and {tested} with "
            f"{count(n - lost, 'other seed')}: a gap of {gap}"
        )
    if lost:
        yield _without_return(best.number, lost, n)


def _without_return(number: int, lost: int, n: int) -> str:
    """A sentence about new seeds with which a trial has no final return."""
    return f"trial {number} has no final return with {lost} of {n} new seeds: learning diverged"


def _mean(result: Result) -> float:
    return float(result.returns[:, -1].mean())


def _test_text(study: LoadedStudy, result: Result) -> str:
    test_return = final_test_return(result, study.tests.get(result.number))
    return "-" if math.isnan(test_return) else written(test_return)


def _value(result: Result, name: str) -> str:
    config = result.trial.config
    return value_text(config[name]) if name in config else "-"


@contextlib.contextmanager
def continuable(folder: Path, shown: bool) -> Iterator[None]:
    """Says how to continue if the user's environment or tuner ends the study with an error."""
    try:
        yield
    except (EnvironmentFaultError, TunerError):
        begun = any((folder / name).exists() for name in ("study.json", "repeats.json"))
        if shown and begun:
            command = resume_command("tune", folder)
            notice(f"once this is corrected, continue the study with: {command}")
        raise


def interrupted(folder: Path) -> None:
    """Says that the study was stopped, and how to continue it."""
    command = resume_command("tune", folder)
    _console.print(f"stopped; continue with: {command}", soft_wrap=True, markup=False)
