"""Shared by the examples: their arguments, and the style of their figures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from arlbench.report.statistics import mean_interval

# Colours of Okabe and Ito, for every kind of colour vision; grey is for comparisons.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#6e7781"

LEAST_FOR_BAND = 5

# A title on the right, which says what the lines are.
REMARK: dict[str, Any] = {"loc": "right", "fontsize": 9, "color": GREY}


def arguments(script: str, description: str | None) -> argparse.Namespace:
    """Parses ``--quick`` and ``--out``, the arguments of every example."""
    parser = argparse.ArgumentParser(prog=f"{script}.py", description=description)
    parser.add_argument("--quick", action="store_true", help="a few seconds, to see that it runs")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs", "examples", script),
        metavar="FOLDER",
        help="folder of the figure (default: %(default)s)",
    )
    return parser.parse_args()


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, with a size in inches."""
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def calm(axes: Any, ylabel: str, xlabel: str | None = None) -> None:
    """Labels the axes, and removes distractions from the data."""
    axes.set_ylabel(ylabel)
    if xlabel is not None:
        axes.set_xlabel(xlabel)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)


def count_timesteps(axes: Any) -> None:
    """Shows environment steps on the x-axis, in thousands."""
    axes.set_xlabel("environment steps")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def by_orders_of_magnitude(axes: Any) -> None:
    """Makes the y-axis logarithmic with few labels, such as 3e-4."""
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}".replace("e-0", "e-"))
    axes.yaxis.set_minor_locator(NullLocator())


def draw_seeds(axes: Any, steps: np.ndarray, curves: np.ndarray, color: str, label: str) -> None:
    """Draws the mean of the curves ``[n_seeds, n_evaluations]``, and its uncertainty.

    That is the 95 % interval. For few seeds it would be wider than the picture, so the seeds
    themselves are drawn.
    """
    mean, low, high = mean_interval(curves)
    axes.plot(steps, mean, color=color, lw=2.2, label=label)
    if len(curves) < LEAST_FOR_BAND:
        axes.plot(steps, curves.T, color=color, lw=0.8, alpha=0.4)
        axes.set_title("mean of the seeds, and faintly each", **REMARK)
    else:
        axes.fill_between(steps, low, high, color=color, alpha=0.15, lw=0)
        axes.set_title("mean of the seeds, 95 % interval", **REMARK)


def save(figure: Figure, out: Path, script: str) -> None:
    """Writes the figure and prints its path."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{script}.png"
    figure.savefig(path)
    print(f"\nFigure: {path}")
