"""Pictures of a study: its incumbent, all its trials and, for a population, who copied whom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import matplotlib
import numpy as np

from arlbench.report.figures import png_of

matplotlib.use("Agg")

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

#: Colours.
FAINT, LINE, BEST, TEST = "#b6c2d1", "#1f6feb", "#d9480f", "#2b8a3e"

#: How far the last best return is held beyond the end, so that what the last trial found is seen.
HELD = 1.03

# The largest number of hyperparameters that are drawn, each in its own panel.
_MOST_PANELS = 20


class DrawnTrial(NamedTuple):
    """A trial that has ended; trials are in the order in which the tuner was told of them.

    Attributes:
        number: The trial's number.
        spent: Environment steps of all trials up to this one.
        timesteps: Environment steps before each evaluation, ``[n_evaluations]``.
        returns: Mean returns, ``[n_seeds, n_evaluations]``; NaN if not reached.
        is_incumbent: Whether it was the best when it was told.
        test: The mean final return over the seeds of the test; NaN if not tested.
        parent: The trial whose network it took; None if it began at step 0.
        begins: Environment steps, from step 0, at which its own training begins.
        config: The hyperparameters that are varied and active.
    """

    number: int
    spent: int
    timesteps: np.ndarray
    returns: np.ndarray
    is_incumbent: bool
    test: float
    parent: int | None
    begins: int
    config: Mapping[str, Any]

    @property
    def final(self) -> float:
        """The mean over seeds of the last evaluation; NaN if one did not reach it."""
        return float(self.returns[:, -1].mean())

    @property
    def ends(self) -> int:
        """Environment steps, from step 0, at which it ends."""
        return int(self.timesteps[-1])


def draw(trials: Sequence[DrawnTrial], title: str) -> dict[str, bytes]:
    """The pictures as PNG files, by name.

    Returns:
        ``incumbent`` and ``trials``, unless no trial has been the best; ``lineage`` and
        ``schedules`` as well if some continued others under other hyperparameters.
    """
    if not any(trial.is_incumbent for trial in trials):
        return {}
    figures = {"incumbent": draw_incumbent(trials), "trials": draw_trials(trials)}
    if evolves(trials):
        figures |= {"lineage": draw_lineage(trials), "schedules": draw_schedules(trials)}
    for figure in figures.values():
        figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    return {name: png_of(figure) for name, figure in figures.items()}


def evolves(trials: Sequence[DrawnTrial]) -> bool:
    """Whether a trial continues another one under other hyperparameters."""
    config = {trial.number: dict(trial.config) for trial in trials}
    pairs = ((t, config.get(t.parent)) for t in trials if t.parent is not None)
    return any(before is not None and before != dict(t.config) for t, before in pairs)


def draw_incumbent(trials: Sequence[DrawnTrial]) -> Figure:
    """The best return so far against the environment steps spent, with the range of seeds."""
    figure, panel = new_figure()
    best = [trial for trial in trials if trial.is_incumbent]
    spent = np.array([*(trial.spent for trial in best), trials[-1].spent * HELD])
    finals = np.stack([trial.returns[:, -1] for trial in best])
    mean, low, high = (_held(f(finals, axis=1)) for f in (np.mean, np.min, np.max))
    panel.fill_between(spent, low, high, step="post", color=LINE, alpha=0.15, lw=0)
    panel.step(spent, mean, where="post", color=LINE, label="tuning seeds: mean and range")
    tested = [trial for trial in best if not math.isnan(trial.test)]
    if tested:
        panel.plot(
            [trial.spent for trial in tested],
            [trial.test for trial in tested],
            "o", color=TEST, label="test seeds: mean",
        )  # fmt: skip
    panel.set_xlabel("environment steps of all trials")
    panel.set_ylabel("final return of the best trial so far")
    # Without the title, a curve that falls where trials become longer would look like a mistake.
    is_one_length = len({trial.ends for trial in best}) == 1
    title = None if is_one_length else "a longer trial replaces any shorter one"
    panel.legend(fontsize=8, frameon=False, title=title, title_fontsize=8, alignment="left")
    return figure


def draw_trials(trials: Sequence[DrawnTrial]) -> Figure:
    """The mean return of each trial against its environment steps; the best one stands out."""
    figure, panel = new_figure()
    best = [trial for trial in trials if trial.is_incumbent][-1]
    for trial in trials:
        panel.plot(trial.timesteps, trial.returns.mean(axis=0), color=FAINT, lw=0.8)
        panel.plot(trial.ends, trial.final, ".", color=FAINT, ms=4)
    panel.plot(best.timesteps, best.returns.mean(axis=0), color=BEST, lw=1.8)
    panel.plot(best.ends, best.final, "o", color=BEST, label=f"trial {best.number}")
    panel.set_xlabel("environment steps of a trial")
    panel.set_ylabel("return, mean over seeds")
    panel.legend(fontsize=8, frameon=False)
    return figure


def draw_lineage(trials: Sequence[DrawnTrial]) -> Figure:
    """Who took whose network: each trial at its end, joined to the trial it came from."""
    figure, panel = new_figure()
    by_number = {trial.number: trial for trial in trials}
    ancestors = {trial.number for trial in lineage(trials)}
    for trial in trials:
        parent = by_number.get(trial.parent) if trial.parent is not None else None
        if parent is not None:
            is_best = {trial.number, parent.number} <= ancestors
            style: dict[str, Any] = (
                {"color": BEST, "lw": 1.8, "zorder": 3} if is_best else {"color": FAINT}
            )
            panel.plot([parent.ends, trial.ends], [parent.final, trial.final], **style)
    ends, finals = [t.ends for t in trials], [t.final for t in trials]
    panel.scatter(ends, finals, s=12, color=LINE, zorder=3)
    panel.set_xlabel("environment steps")
    panel.set_ylabel("return, mean over seeds")
    panel.legend(handles=_kinds_of_lines(), fontsize=8, frameon=False)
    return figure


def _kinds_of_lines() -> list[Line2D]:
    """The two kinds of lines of an evolution, for a legend."""
    return [
        Line2D([], [], color=BEST, lw=1.8, label="the best trial and those it comes from"),
        Line2D([], [], color=FAINT, label="other trials"),
    ]


def draw_schedules(trials: Sequence[DrawnTrial]) -> Figure:
    """Each hyperparameter of the members against their environment steps, the best in colour."""
    names = list(dict.fromkeys(name for trial in trials for name in trial.config))[:_MOST_PANELS]
    n_columns = min(len(names), 3)
    n_rows = math.ceil(len(names) / n_columns)
    figure = Figure(figsize=(3.2 * n_columns, 0.5 + 1.8 * n_rows), dpi=150, layout="constrained")
    panels = figure.subplots(n_rows, n_columns, squeeze=False)
    ancestors = {trial.number for trial in lineage(trials)}
    for panel, name in zip(panels.flat, names, strict=False):
        _draw_schedule(panel, name, trials, ancestors)
    for panel in panels.flat[len(names) :]:
        panel.set_visible(False)
    figure.legend(
        handles=_kinds_of_lines(), loc="outside lower left", ncols=2, fontsize=8, frameon=False
    )
    return figure


def lineage(trials: Sequence[DrawnTrial]) -> list[DrawnTrial]:
    """The last best trial and those from which its network comes, the first one first."""
    by_number = {trial.number: trial for trial in trials}
    best: list[DrawnTrial] = [[trial for trial in trials if trial.is_incumbent][-1]]
    while best[0].parent is not None and best[0].parent in by_number:
        best.insert(0, by_number[best[0].parent])
    return best


def _draw_schedule(
    panel: Any, name: str, trials: Sequence[DrawnTrial], ancestors: set[int]
) -> None:
    having = [trial for trial in trials if name in trial.config]
    values = [trial.config[name] for trial in having]
    is_number = all(type(value) in {int, float} for value in values)
    options = [] if is_number else sorted(set(map(str, values)))
    for trial, value in zip(having, values, strict=True):
        y = value if is_number else options.index(str(value))
        chosen = trial.number in ancestors
        style: dict[str, Any] = {"color": BEST, "lw": 2.2, "zorder": 3} if chosen else {"lw": 0.8}
        panel.plot([trial.begins, trial.ends], [y, y], **{"color": FAINT, **style})
    positive = is_number and min(values) > 0
    if positive and max(values) > 20 * min(values):
        panel.set_yscale("log")
    if not is_number:
        panel.set_yticks(range(len(options)), options)
    panel.set_title(name, fontsize=9, loc="left")
    _plain(panel)


def _held(values: np.ndarray) -> np.ndarray:
    """The values with the last one repeated, to be drawn up to the end."""
    return np.append(values, values[-1])


def new_figure() -> tuple[Figure, Any]:
    """A figure and its only panel."""
    figure = Figure(figsize=(6.4, 4.0), dpi=150, layout="constrained")
    panel = figure.subplots()
    _plain(panel)
    return figure, panel


def _plain(panel: Any) -> None:
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.tick_params(labelsize=8, length=2.5)
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(axis="y", alpha=0.25)
