"""The learning curve of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import matplotlib
import numpy as np

from arlbench.report.figures import png_of
from arlbench.report.statistics import spread, spread_name

matplotlib.use("Agg")

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

_COLOR = "#1f6feb"


#: A row of a storage, with ``seed``, ``timesteps`` and ``return_mean``.
Row = Mapping[str, Any]


def curves_of(rows: Iterable[Row]) -> dict[int, dict[int, float]]:
    """For each seed, the mean return by environment steps.

    Args:
        rows: The rows of one configuration.
    """
    curves: dict[int, dict[int, float]] = {}
    for row in rows:
        if row.get("return_mean") is not None:
            curves.setdefault(row["seed"], {})[row["timesteps"]] = row["return_mean"]
    return curves


def draw(rows: Iterable[Row], title: str, n_eval_episodes: int) -> bytes | None:
    """The curve of each seed and their mean, as a PNG file; None if nothing was evaluated.

    Args:
        rows: The rows of one configuration.
        title: The algorithm and the environment.
        n_eval_episodes: Episodes of each evaluation.
    """
    curves = curves_of(rows)
    if not curves:
        return None
    figure = Figure(figsize=(7.2, 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    _draw_curves(axes, curves)
    _fit_to_returns(axes, curves)
    seeds = "1 seed" if len(curves) == 1 else f"{len(curves)} seeds"
    axes.set_title(f"{title}, {seeds}", loc="left", fontsize=11)
    axes.set_xlabel("environment steps")
    axes.set_ylabel(f"return (mean of {n_eval_episodes} episodes)")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return png_of(figure)


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
    # The seeds of a stopped run have different lengths, so the mean ends with the shortest curve.
    common = sorted(set.intersection(*(set(curve) for curve in curves.values())))
    if not common:
        return
    mean, low, high = spread(np.array([[c[t] for t in common] for c in curves.values()]))
    axes.plot(common, mean, color=_COLOR, lw=2.2, label=f"mean of {len(curves)} seeds")
    axes.fill_between(
        common, low, high, color=_COLOR, alpha=0.15, lw=0, label=spread_name(len(curves))
    )
    axes.plot([], [], color=_COLOR, lw=1, alpha=0.35, label="each seed")
    axes.legend(frameon=False)


def _fit_to_returns(axes: Any, curves: dict[int, dict[int, float]]) -> None:
    """Scales the axis to the returns; the interval of few seeds may reach far beyond them."""
    returns = [value for curve in curves.values() for value in curve.values()]
    low, high = min(returns), max(returns)
    margin = 0.06 * (high - low or 1.0)
    axes.set_ylim(low - margin, high + margin)
