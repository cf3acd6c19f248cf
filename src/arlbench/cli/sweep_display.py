"""The output of ``arlbench sweep`` for people."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from arlbench.cli import results, tables
from arlbench.cli.display import Speed, bar_of_training, folder_and_note, heading
from arlbench.cli.searching import searched
from arlbench.core.algorithms.declarations import without_extended
from arlbench.core.text_values import count
from arlbench.experiments.experiment import Experiment
from arlbench.experiments.owned_folder import resume_command
from arlbench.experiments.training import ExperimentOutcome, ExperimentProgress
from arlbench.report.numbers import together, written
from arlbench.report.statistics import LEAST_FOR_INTERVAL, spread_name
from arlbench.report.sweep_results import Rank, SweepResults, ranking

if TYPE_CHECKING:
    from arlbench.core.algorithms.algorithm import Algorithm
    from arlbench.experiments.sampler import Sampler

_console = Console(stderr=True, highlight=False)

#: Configurations in the closing table.
_N_SHOWN = 5


def search(sampler: Sampler, algorithm: type[Algorithm]) -> None:
    """Prints what the sweep searches."""
    published = without_extended(algorithm.hyperparameters())
    where = searched(sampler.searched, sampler.words, published)
    _console.print(f"searching {where}", markup=False, soft_wrap=True)


def header(experiment: Experiment, n_missing: int, folder: Path) -> None:
    """Prints what is about to be trained."""
    problem = experiment.problem
    env_spec = problem.env_spec
    heading(
        f"[bold]{problem.algorithm_class.title}[/] on [bold]{escape(env_spec.name)}[/] "
        f"({env_spec.framework}), {count(len(experiment.configs), 'configuration')} with "
        f"{count(len(experiment.seeds), 'seed')}, {problem.n_total_timesteps:,} steps each, "
        f"{count(env_spec.n_envs, 'environment')}"
    )
    if env_spec.cnn_policy:
        _console.print("[dim]network: convolutional[/]")
    if 0 < n_missing < experiment.n_members:
        _console.print(
            f"[dim]continues: {n_missing} of {experiment.n_members} training runs are missing[/]"
        )
    folder_and_note(folder, env_spec)


@contextlib.contextmanager
def progress_bar(shown: bool) -> Iterator[Callable[[ExperimentProgress], None]]:
    """A live bar over all training runs; yields the function that updates it."""
    progress = bar_of_training(shown)
    task = progress.add_task("compiling", total=None, speed="", latest="")
    speed = Speed()

    def show(experiment: ExperimentProgress) -> None:
        population = experiment.population
        done = f"{experiment.members_done}/{experiment.members_total}"
        best = experiment.best
        latest = f"best {written(best.mean_return)} (config {best.config})" if best else ""
        progress.update(
            task,
            total=population.total_timesteps,
            completed=population.timesteps,
            description=f"{done} compiling" if population.compiling else f"{done} training runs",
            speed=speed.text(population.timesteps, population.total_timesteps),
            latest=latest,
        )

    with progress:
        yield show


def closing_table(found: SweepResults, outcome: ExperimentOutcome, pictures: list[Path]) -> None:
    """Prints the best configurations, one column each, and how long it took."""
    title, *lines = best_table(found, results.width())
    results.say([title], "bold")
    results.say(lines)
    if len(found.configs) > _N_SHOWN:
        advice = (
            f"The best of {len(found.configs)} owe a part of their returns to luck; train them "
            "with new seeds to measure what they return on average."
        )
        results.say([advice], "dim")
    if outcome.members_trained:
        cost = (
            f"{count(outcome.members_trained, 'training run')} in {outcome.wall_seconds:.1f} s; "
            f"compilation {outcome.compile_seconds:.1f} s, summed over processes"
        )
        results.say([cost])
    if pictures:
        names = " and ".join(picture.name for picture in pictures)
        results.say([f"drawn: {names} in {pictures[0].parent}"])


def best_table(found: SweepResults, width: int) -> list[str]:
    """Lines with the best configurations, one column each: return, spread, and what varied.

    Args:
        found: The training runs that have ended.
        width: Characters in a line; fewer configurations are shown if it is narrow.
    """
    shown = [rank for rank in ranking(found)[:_N_SHOWN] if not math.isnan(rank.mean)]
    rows = [
        ("best configurations", *(f"config {rank.config}" for rank in shown)),
        ("final return", *(written(rank.mean) for rank in shown)),
        *_spread_rows(shown, len(found.seeds)),
        *(
            (name, *(value_text(h.values[r.row]) if h.counts[r.row] else "-" for r in shown))
            for name, h in found.varied.items()
        ),
    ]
    n_columns = tables.fitting(rows, width)
    return tables.lines([row[:n_columns] for row in rows], range(1, n_columns))


def _spread_rows(shown: Sequence[Rank], n_seeds: int) -> list[tuple[str, ...]]:
    if n_seeds == 1:
        return []
    if n_seeds >= LEAST_FOR_INTERVAL:
        halves = [together(rank.high - rank.mean, rank.mean)[0] for rank in shown]
        return [(spread_name(n_seeds), *(f"± {half}" for half in halves))]
    return [
        ("lowest seed", *(written(rank.low) for rank in shown)),
        ("highest seed", *(written(rank.high) for rank in shown)),
    ]


def interrupted(n_kept: int, n_members: int, folder: Path) -> None:
    """Says that the sweep was stopped, and how to continue it."""
    command = resume_command("sweep", folder)
    kept = f"{n_kept} of {n_members} training runs are kept"
    _console.print(f"stopped, {kept}; continue with: {command}", soft_wrap=True, markup=False)


def value_text(value: Any) -> str:
    """A hyperparameter's value for people: four digits are enough."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
