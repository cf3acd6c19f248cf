"""What ``arlbench sweep`` shows a person."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from arlbench.cli.display import Speed, bar_of_training
from arlbench.experiments.experiment import Experiment
from arlbench.experiments.training import ExperimentOutcome, ExperimentProgress
from arlbench.report.sweep_results import SweepResults, ranking

_console = Console(stderr=True, highlight=False)

#: Configurations in the closing table.
_N_SHOWN = 5


def header(experiment: Experiment, n_missing: int, folder: Path) -> None:
    """What is about to be trained."""
    problem = experiment.problem
    env_spec = problem.env_spec
    _console.print(
        f"[bold]{problem.algorithm_class.title}[/] on [bold]{env_spec.name}[/] "
        f"({env_spec.framework}), {count(len(experiment.configs), 'configuration')} with "
        f"{count(len(experiment.seeds), 'seed')}, {problem.n_total_timesteps:,} steps each, "
        f"{count(env_spec.n_envs, 'environment')}"
    )
    if env_spec.cnn_policy:
        _console.print("[dim]network: convolutional[/]")
    if 0 < n_missing < experiment.n_members:
        _console.print(
            f"[dim]continues: {n_missing} of {experiment.n_members} trainings are missing[/]"
        )
    _console.print(f"[dim]folder: {folder}[/]", soft_wrap=True)


@contextlib.contextmanager
def progress_bar(shown: bool) -> Iterator[Callable[[ExperimentProgress], None]]:
    """A live bar over all trainings; yields the function that moves it."""
    progress = bar_of_training(shown)
    task = progress.add_task("compiling", total=None, speed="", latest="")
    speed = Speed()

    def show(experiment: ExperimentProgress) -> None:
        population = experiment.population
        done = f"{experiment.members_done}/{experiment.members_total} trainings"
        best = experiment.best
        latest = f"best {best.mean_return:.1f} (config {best.config})" if best else ""
        progress.update(
            task,
            total=population.total_timesteps,
            completed=population.timesteps,
            description=f"{done}, compiling" if population.compiling else done,
            speed=speed.text(population.timesteps),
            latest=latest,
        )

    with progress:
        yield show


def closing_table(results: SweepResults, outcome: ExperimentOutcome, pictures: list[Path]) -> None:
    """The best configurations, a column each, and how long it took."""
    _console.print(best_table(results))
    if len(results.configs) > _N_SHOWN:
        _console.print(
            f"[dim]The best of {len(results.configs)} are also the luckiest: train them with new "
            "seeds to know their return.[/]",
            soft_wrap=True,
        )
    if outcome.members_trained:
        _console.print(
            f"{count(outcome.members_trained, 'training')} in {outcome.wall_seconds:.1f} s; "
            f"compilation {outcome.compile_seconds:.1f} s, added up over processes"
        )
    if pictures:
        names = " and ".join(picture.name for picture in pictures)
        _console.print(f"drawn: {names} in {pictures[0].parent}", soft_wrap=True)


def best_table(results: SweepResults) -> Table:
    """The best configurations, a column each: return, interval, and what varied."""
    shown = [rank for rank in ranking(results)[:_N_SHOWN] if not math.isnan(rank.mean)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("best configurations", no_wrap=True)
    for rank in shown:
        table.add_column(f"config {rank.config}", justify="right")
    table.add_row("[bold]final return[/]", *(f"[bold]{rank.mean:.1f}[/]" for rank in shown))
    if len(results.seeds) > 1:
        table.add_row("95 % interval", *(f"± {rank.high - rank.mean:.1f}" for rank in shown))
    for name, hyperparameter in results.varied.items():
        cells = (
            value_text(hyperparameter.values[rank.row]) if hyperparameter.counts[rank.row] else "-"
            for rank in shown
        )
        table.add_row(name, *cells)
    return table


def interrupted(n_kept: int, n_members: int, command: str) -> None:
    """Says that the sweep was stopped, and how to continue it."""
    kept = f"{n_kept} of {n_members} trainings are kept"
    _console.print(f"stopped, {kept}; continue with: {command}", soft_wrap=True, markup=False)


def value_text(value: Any) -> str:
    """A hyperparameter's value for people: four digits are enough."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def count(n: int, noun: str) -> str:
    """A number with its noun, such as ``1 seed`` or ``3 seeds``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
