"""The learning curve of a run."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np

from arlbench.report.statistics import mean_interval

matplotlib.use("Agg")

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

if TYPE_CHECKING:
    import pyarrow as pa

_COLOR = "#1f6feb"


def curves_of(rows: pa.Table) -> dict[int, dict[int, float]]:
    """For each seed the mean return by environment steps.

    Args:
        rows: Of one configuration, as a storage gives them.
    """
    curves: dict[int, dict[int, float]] = {}
    for row in rows.select(["seed", "timesteps", "return_mean"]).to_pylist():
        if row["return_mean"] is not None:
            curves.setdefault(row["seed"], {})[row["timesteps"]] = row["return_mean"]
    return curves


def draw(rows: pa.Table) -> bytes | None:
    """The curve of each seed and their mean, as a PNG file; None if nothing was evaluated.

    Args:
        rows: Of one configuration, as a storage gives them.
    """
    curves = curves_of(rows)
    if not curves:
        return None
    figure = Figure(figsize=(7.2, 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    _draw_curves(axes, curves)
    _fit_to_returns(axes, curves)
    axes.set_title(_title(rows, len(curves)), loc="left", fontsize=11)
    axes.set_xlabel("environment steps")
    n_episodes = max(len(r) for r in rows.column("episode_returns").to_pylist() if r is not None)
    axes.set_ylabel(f"return (mean of {n_episodes} episodes)")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()


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


def _title(rows: pa.Table, n_seeds: int) -> str:
    seeds = "1 seed" if n_seeds == 1 else f"{n_seeds} seeds"
    metadata = rows.schema.metadata
    algorithm, environment = (metadata[name].decode() for name in (b"algorithm", b"environment"))
    return f"{algorithm} on {environment}, {seeds}"
