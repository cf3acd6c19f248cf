"""The learning curve of a run."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from arlbench.report.statistics import mean_interval

matplotlib.use("Agg")

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

_COLOR = "#1f6feb"


def read_evaluations(folder: Path) -> dict[int, dict[int, float]]:
    """For each seed the mean return by environment steps, from ``evaluations.csv``."""
    episodes: dict[int, dict[int, list[float]]] = {}
    with (folder / "evaluations.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            by_timesteps = episodes.setdefault(int(row["seed"]), {})
            by_timesteps.setdefault(int(row["timesteps"]), []).append(float(row["episode_return"]))
    return {
        seed: {timesteps: float(np.mean(r)) for timesteps, r in by_timesteps.items()}
        for seed, by_timesteps in episodes.items()
    }


def draw(folder: Path) -> Path | None:
    """Draws ``learning_curve.png`` into a run's folder; None where nothing was evaluated.

    Raises:
        OSError: If it cannot be written; the picture before it stays.
    """
    curves = read_evaluations(folder)
    if not curves:
        return None
    settings = json.loads((folder / "settings.json").read_text())
    figure = Figure(figsize=(7.2, 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    _draw_curves(axes, curves)
    _fit_to_returns(axes, curves)
    axes.set_title(_title(settings, len(curves)), loc="left", fontsize=11)
    axes.set_xlabel("environment steps")
    axes.set_ylabel(f"return (mean of {settings['n_eval_episodes']} episodes)")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    path = folder / "learning_curve.png"
    temporary = folder / "learning_curve.png.part"
    try:
        figure.savefig(temporary, format="png")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _draw_curves(axes: Any, curves: dict[int, dict[int, float]]) -> None:
    several = len(curves) > 1
    for seed, curve in curves.items():
        label = None if several else f"seed {seed}"
        axes.plot(
            list(curve), list(curve.values()), color=_COLOR, lw=1 if several else 2,
            alpha=0.35 if several else 1, label=label,
        )  # fmt: skip
    if not several:
        axes.legend(frameon=False)
        return
    # A run that was stopped has seeds of different lengths; the mean is over all of them.
    common = sorted(set.intersection(*(set(curve) for curve in curves.values())))
    if not common:
        return
    mean, low, high = mean_interval(np.array([[c[t] for t in common] for c in curves.values()]))
    axes.plot(common, mean, color=_COLOR, lw=2.2, label=f"mean of {len(curves)} seeds")
    axes.fill_between(common, low, high, color=_COLOR, alpha=0.15, lw=0, label="95 % interval")
    axes.plot([], [], color=_COLOR, lw=1, alpha=0.35, label="each seed")
    axes.legend(frameon=False)


def _fit_to_returns(axes: Any, curves: dict[int, dict[int, float]]) -> None:
    """Scales to the returns themselves; an interval of few seeds may reach far beyond."""
    returns = [value for curve in curves.values() for value in curve.values()]
    low, high = min(returns), max(returns)
    margin = 0.06 * (high - low or 1.0)
    axes.set_ylim(low - margin, high + margin)


def _title(settings: dict[str, Any], n_seeds: int) -> str:
    seeds = "1 seed" if n_seeds == 1 else f"{n_seeds} seeds"
    return f"DQN on {settings['env_spec']['name']}, {seeds}"
