"""What ``arlbench train`` shows a person."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from arlbench.core.algorithms.dqn import DQN, networks
from arlbench.report.statistics import mean_interval
from arlbench.runs.run import RunProgress, RunResult, final_returns
from arlbench.runs.settings import RunSettings

_console = Console(stderr=True, highlight=False)

#: Times a second that the progress bar is drawn.
_REFRESH = 4


def header(settings: RunSettings, folder: Path) -> None:
    """What is about to be trained, and what differs from the defaults."""
    seeds = settings.seeds
    span = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]}-{seeds[-1]}"
    _console.print(
        f"[bold]DQN[/] on [bold]{settings.env_spec.name}[/] ({settings.env_spec.framework}), "
        f"{settings.n_total_timesteps:,} steps, {settings.env_spec.n_envs} environments, {span}"
    )
    defaults = {**DQN.get_hpo_config_space(), **DQN.get_nas_config_space()}
    changed = {
        name: value
        for name, value in {**settings.hpo_config, **settings.nas_config}.items()
        if value != defaults[name].default_value
    }
    if changed:
        words = " ".join(f"{name}={value}" for name, value in changed.items())
        _console.print(f"[dim]beside the defaults: {words}[/]")
    network = networks.describe(settings.make_algorithm().structure.agent.network)
    _console.print(f"[dim]network: {network}[/]", soft_wrap=True)
    _console.print(f"[dim]folder: {folder}[/]")


def bar_of_training(shown: bool) -> Progress:
    """A bar with the speed and a last word; its tasks have fields of these names."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[speed]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[latest]}"),
        console=_console,
        refresh_per_second=_REFRESH,
        disable=not shown,
    )


@contextlib.contextmanager
def progress_bar(settings: RunSettings, shown: bool) -> Iterator[Callable[[RunProgress], None]]:
    """A live bar over all seeds; yields the function that moves it."""
    progress = bar_of_training(shown)
    n_seeds = len(settings.seeds)
    task = progress.add_task("compiling", total=None, speed="", latest="")
    speed = Speed()

    def show(run: RunProgress) -> None:
        training = run.training
        done = run.seed_index * training.total_timesteps + training.timesteps
        latest = ""
        if len(training.eval_rewards):
            latest = f"return {training.eval_rewards[-1].mean():.1f}"
        progress.update(
            task,
            total=n_seeds * training.total_timesteps,
            completed=done,
            description=f"seed {settings.seeds[run.seed_index]} ({run.seed_index + 1}/{n_seeds})",
            speed=speed.text(done),
            latest=latest,
        )

    with progress:
        yield show


class Speed:
    """Environment steps per second over the last few calls."""

    _WINDOW = 12

    def __init__(self) -> None:
        self._seen: list[tuple[float, int]] = []

    def text(self, timesteps: int) -> str:
        self._seen = [*self._seen[-self._WINDOW :], (time.perf_counter(), timesteps)]
        (begin, before), (now, after) = self._seen[0], self._seen[-1]
        return f"{(after - before) / (now - begin):,.0f} steps/s" if now > begin else ""


def closing_table(result: RunResult, start_up: float, folder: Path) -> None:
    """Return over seeds, and where the time went."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("final return", _return_text(result))
    table.add_row("start-up", f"{start_up:.1f} s")
    table.add_row("compilation", f"{result.elapsed.compiling:.1f} s")
    per_second = result.timesteps / max(result.elapsed.training, 1e-9)
    table.add_row(
        "training", f"{result.elapsed.training:.1f} s ({per_second:,.0f} steps/s with evaluations)"
    )
    table.add_row("saved in", str(folder))
    _console.print(table)


def _return_text(result: RunResult) -> str:
    final = np.array(list(final_returns(result).values()))
    if not len(final):
        return "none yet"
    mean, low, high = mean_interval(final)
    if len(final) == 1:
        return f"{mean:.1f} (one seed, no interval)"
    return f"{mean:.1f}, 95 % interval {low:.1f} to {high:.1f} over {len(final)} seeds"


def interrupted(folder: Path) -> None:
    """Says that the run was stopped, and how it goes on."""
    _console.print(f"stopped; go on with: arlbench train --resume {folder}", soft_wrap=True)


def notice(sentence: str) -> None:
    """One sentence about something that the user did not ask for."""
    _console.print(f"note: {sentence}", style="yellow", markup=False, soft_wrap=True)
