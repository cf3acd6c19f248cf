"""The output of ``arlbench train`` for people: progress and notes, and then the results."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from arlbench.cli import results, tables, time_limits
from arlbench.experiments.owned_folder import resume_command
from arlbench.report.numbers import together, written
from arlbench.report.statistics import LEAST_FOR_INTERVAL, spread

if TYPE_CHECKING:
    from arlbench.core.environments import EnvSpec
    from arlbench.experiments.run import RunResult
    from arlbench.experiments.run_folder import RunFolder
    from arlbench.experiments.training import ExperimentProgress
    from arlbench.population.members import MemberProgress

_console = Console(stderr=True, highlight=False)

#: How often per second the progress bar is drawn.
_REFRESH = 4

# If seeds train at the same time, they take less than this fraction of the sum of their times.
_TOGETHER = 0.9


def header(run: RunFolder) -> None:
    """Prints what is about to be trained, and what differs from the defaults."""
    problem, seeds = run.settings.problem, run.settings.seeds
    span = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]}-{seeds[-1]}"
    heading(
        f"[bold]{problem.algorithm_class.title}[/] on [bold]{escape(problem.env_spec.name)}[/] "
        f"({problem.env_spec.framework}), {problem.n_total_timesteps:,} steps, "
        f"{problem.env_spec.n_envs} environments, {span}"
    )
    changed = {
        name: value
        for name, value in run.experiment.configs[0].items()
        if value != problem.declarations[name].default
    }
    if changed:
        words = " ".join(f"{name}={value}" for name, value in changed.items())
        heading(f"[dim]different from the defaults: {escape(words)}[/]")
    network = f"network: {run.algorithm.describe_agent()}"
    _console.print(network, style="dim", markup=False, soft_wrap=True)
    folder_and_note(run.path, problem.env_spec)


def heading(text: str) -> None:
    """Prints a line with markup, which is broken between words in a terminal and not in a file."""
    _console.print(text, soft_wrap=not _console.is_terminal)


def folder_and_note(folder: Path, spec: EnvSpec) -> None:
    """Prints the folder, and a note if episodes of the environment may never end."""
    _console.print(f"folder: {folder}", style="dim", markup=False, soft_wrap=True)
    if sentence := time_limits.note_on(spec):
        notice(sentence)


def bar_of_training(shown: bool) -> Progress:
    """A bar with the fields ``speed`` and ``latest``, which each of its tasks sets."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[speed]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[latest]}", markup=False),
        console=_console,
        refresh_per_second=_REFRESH,
        disable=not shown,
    )


def remove_bar(progress: Progress) -> None:
    """Ends a bar that is shown, and leaves nothing of it, not even an empty line."""
    if not progress.disable:
        progress.live.transient = True
        progress.live.stop()
        # Otherwise its own end would print an empty line into a file.
        progress.disable = True


@contextlib.contextmanager
def progress_bar(
    seeds: Sequence[int], shown: bool
) -> Iterator[Callable[[ExperimentProgress], None]]:
    """A live bar over all seeds, or one bar for each while they train at the same time.

    Yields the function that updates it.
    """
    progress = bar_of_training(shown)
    bars = SeedBars(seeds, progress)
    with progress:
        yield bars.show


class SeedBars:
    """One bar for the run while its seeds train one after another, otherwise one for each.

    Args:
        seeds: The seeds of the run.
        progress: Draws the bars.
    """

    def __init__(self, seeds: Sequence[int], progress: Progress) -> None:
        self._seeds = seeds
        self._progress = progress
        self._of_run = self._add("compiling", visible=True)
        self._of_seed: dict[int, TaskID] = {}
        self._speeds: dict[TaskID, Speed] = {}

    def show(self, experiment: ExperimentProgress) -> None:
        """Updates the bars."""
        members = {m.seed_index: p for m, p in experiment.population.members.items()}
        under_way = [i for i, p in members.items() if p.timesteps < p.total_timesteps]
        if self._of_seed or len(under_way) > 1:
            self._show_each(members)
        elif members:
            self._show_one(experiment, members, under_way[0] if under_way else max(members))

    def _show_one(
        self, experiment: ExperimentProgress, members: dict[int, MemberProgress], index: int
    ) -> None:
        ended_before = experiment.members_total - experiment.population.members_total
        total = members[index].total_timesteps
        self._update(
            self._of_run,
            f"seed {self._seeds[index]} ({index + 1}/{len(self._seeds)})",
            ended_before * total + experiment.population.timesteps,
            len(self._seeds) * total,
            members[index],
        )

    def _show_each(self, members: dict[int, MemberProgress]) -> None:
        self._progress.update(self._of_run, visible=False)
        for index in sorted(members):
            if index not in self._of_seed:
                self._of_seed[index] = self._add("", visible=True)
            of_seed = members[index]
            self._update(
                self._of_seed[index],
                f"seed {self._seeds[index]} ({index + 1}/{len(self._seeds)})",
                of_seed.timesteps,
                of_seed.total_timesteps,
                of_seed,
            )

    def _add(self, description: str, visible: bool) -> TaskID:
        return self._progress.add_task(
            description, total=None, visible=visible, speed="", latest=""
        )

    def _update(
        self, task: TaskID, description: str, done: int, total: int, latest: MemberProgress
    ) -> None:
        returns = latest.eval_rewards
        self._progress.update(
            task,
            description=description,
            completed=done,
            total=total,
            speed=self._speeds.setdefault(task, Speed()).text(done, total),
            latest=f"return {written(returns[-1].mean())}" if len(returns) else "",
        )


class Speed:
    """Measures environment steps per second over the last few calls; at the end, over all."""

    _WINDOW = 12

    def __init__(self) -> None:
        # Seconds and steps of the first call, of the call that reached the end, of the last calls.
        self._first: tuple[float, int] | None = None
        self._end: tuple[float, int] | None = None
        self._seen: list[tuple[float, int]] = []

    def text(self, timesteps: int, total: int) -> str:
        """The speed for people; empty if no progress was seen.

        Args:
            timesteps: Number of timesteps done.
            total: Number of timesteps in total.
        """
        now = (time.perf_counter(), timesteps)
        self._first = self._first or now
        self._seen = [*self._seen[-self._WINDOW :], now]
        if timesteps < total:
            return _per_second(self._seen[0], now)
        self._end = self._end or now
        return _per_second(self._first, self._end)


def _per_second(begin: tuple[float, int], end: tuple[float, int]) -> str:
    seconds, timesteps = end[0] - begin[0], end[1] - begin[1]
    return f"{timesteps / seconds:,.0f} steps/s" if seconds > 0 and timesteps > 0 else ""


def closing_table(result: RunResult, start_up: float, folder: Path, total: int) -> None:
    """Prints the return over seeds, and how the time was spent.

    Args:
        result: The results; those of a run that was stopped are named as such.
        start_up: Seconds before training began.
        folder: The folder of the run.
        total: Environment steps of the whole run, summed over seeds.
    """
    training, compiling = result.seconds
    stopped = result.status == "interrupted"
    returns = return_text(np.array(list(result.final_returns.values())))
    rows = [
        ("return so far" if stopped else "final return", returns),
        *([("stopped at", f"{result.timesteps:,} of {total:,} steps")] if stopped else []),
        ("start-up", f"{start_up:.1f} s"),
        *_times(compiling, training, result.timesteps / max(training, 1e-9)),
    ]
    if result.wall_seconds < _TOGETHER * sum(result.seconds_now):
        clock = f"{result.wall_seconds:.1f} s elapsed; the times above are sums over seeds"
        rows.append(("together", clock))
    rows.append(("saved in", str(folder)))
    results.say(tables.lines(rows))


def stored_results(summary: Mapping[str, Any], folder: Path) -> None:
    """Prints the results of a run that finished in an earlier call.

    Args:
        summary: The content of its summary.
        folder: The folder of the run.
    """
    returns = return_text(np.array(list(summary["final_return_by_seed"].values())))
    compiling, training = summary["compile_seconds"], summary["train_seconds"]
    rows = [
        ("final return", returns),
        *_times(compiling, training, summary["timesteps_per_second"]),
        ("saved in", str(folder)),
    ]
    results.say(tables.lines(rows))


def _times(compiling: float, training: float, per_second: float) -> list[tuple[str, str]]:
    """Rows with the seconds spent, and the environment steps per second of training."""
    speed = f"{per_second:,.0f} steps/s with evaluations"
    return [("compilation", f"{compiling:.1f} s"), ("training", f"{training:.1f} s ({speed})")]


def return_text(final: np.ndarray) -> str:
    """The mean of the seeds' final returns ``[n_seeds]``, with their interval or range."""
    if not len(final):
        return "none yet"
    if len(final) == 1:
        return f"{written(final[0])} (one seed)"
    mean, low, high = together(*spread(final))
    if len(final) < LEAST_FOR_INTERVAL:
        return f"{mean}, from {low} to {high} over {len(final)} seeds"
    return f"{mean}, 95 % interval {low} to {high} over {len(final)} seeds"


def interrupted(folder: Path) -> None:
    """Says that the run was stopped, and how to continue it."""
    command = resume_command("train", folder)
    _console.print(f"stopped; continue with: {command}", soft_wrap=True, markup=False)


def notice(sentence: str) -> None:
    """Prints one sentence about something that the user did not ask for."""
    _console.print(f"note: {sentence}", style="yellow", markup=False, soft_wrap=True)
