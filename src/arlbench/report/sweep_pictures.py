"""Two pictures of a sweep: the effect of each hyperparameter, and how the best ones learn."""

from __future__ import annotations

import math
from typing import Any

import matplotlib
import numpy as np

from arlbench.report.figures import png_of
from arlbench.report.numbers import together, written
from arlbench.report.statistics import LEAST_FOR_INTERVAL, spread, spread_name
from arlbench.report.sweep_results import (
    Hyperparameter,
    Rank,
    SweepResults,
    ranking,
)
from arlbench.report.trends import (
    LEAST_FOR_TREND,
    explained_share,
    is_log,
    is_strip,
    local_average,
    options_of,
)

matplotlib.use("Agg")

from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator, NullLocator

_POINT, _BEST, _TREND, _FAINT, _BAD = "#6ea8fe", "#d9480f", "#1b3a6b", "#8b949e", "#c92a2a"
_SUBTLE = "#57606a"
_HIGHLIGHTS = ("#1f6feb", "#d9480f", "#2b8a3e")
_N_BEST = len(_HIGHLIGHTS)

# The t-interval of a few seeds is wider than the picture, so the seeds themselves are drawn.
_LEAST_FOR_BAND = 5


def draw(results: SweepResults) -> dict[str, bytes]:
    """The pictures as PNG files, by name: ``landscape`` and ``curves``.

    Returns:
        An empty mapping if no training reached an evaluation; only the curves if nothing varies
        or no configuration has ended with every seed.
    """
    if np.isnan(results.returns).all():
        return {}
    drawings = {"curves": draw_curves}
    if results.varied and not np.isnan(results.final.mean(axis=1)).all():
        drawings = {"landscape": draw_landscape, **drawings}
    return {name: png_of(drawing(results)) for name, drawing in drawings.items()}


def draw_landscape(results: SweepResults) -> Figure:
    """Final return against each hyperparameter that varies, one panel for each."""
    panels_of = _most_telling_first(results)
    n_columns = min(len(panels_of), max(2, math.ceil(math.sqrt(len(panels_of) * 1.2))))
    n_rows = math.ceil(len(panels_of) / n_columns)
    size = max(5.6, 2.7 * n_columns), max(3.6, 0.6 + 2.35 * n_rows)
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    # Space for the lines of the title, above the panels.
    figure.get_layout_engine().set(rect=(0, 0, 1, 1 - 0.62 / size[1]))  # type: ignore[union-attr, call-arg]
    panels = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False)
    mean = results.final.mean(axis=1)
    best = [rank.row for rank in _best(results)]
    diverged = np.array(results.diverged.any(axis=1))
    limits = _limits(mean)
    for panel, (name, hyperparameter) in zip(panels.flat, panels_of.items(), strict=False):
        _draw_panel(panel, name, hyperparameter, mean, best)
        _mark_diverged(panel, hyperparameter, diverged, limits[0])
        panel.set_ylim(*limits)
    for panel in panels.flat[len(panels_of) :]:
        panel.set_visible(False)
    for panel in panels[:, 0]:
        panel.set_ylabel("final return", fontsize=9)
    for text, size_of, color, inches in (
        (_title(results), 11.5, "black", 0.1),
        (_explanation(results), 8.5, _SUBTLE, 0.36),
    ):
        figure.text(
            0.01, 1 - inches / size[1], text, ha="left", va="top", fontsize=size_of, color=color
        )
    return figure


def _draw_panel(
    panel: Any, name: str, hyperparameter: Hyperparameter, mean: np.ndarray, best: list[int]
) -> None:
    shown = hyperparameter.counts & ~np.isnan(mean)
    x = _positions(panel, hyperparameter)
    chosen = [i for i in best if hyperparameter.counts[i]]
    size = 22 if len(mean) <= 100 else 10
    panel.scatter(x[shown], mean[shown], s=size, color=_POINT, alpha=0.65, lw=0, zorder=2)
    _draw_trend(panel, hyperparameter, mean)
    panel.scatter(
        x[chosen], mean[chosen], s=34, color=_BEST, edgecolor="white", lw=0.7, zorder=4,
        clip_on=False,
    )  # fmt: skip
    panel.set_title(name, fontsize=9.5, loc="left")
    panel.tick_params(labelsize=8, length=2.5)
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(axis="y", alpha=0.25)


def _positions(panel: Any, hyperparameter: Hyperparameter) -> np.ndarray:
    """Sets up the axis, and returns the position of each configuration on it, ``[n_configs]``."""
    values = hyperparameter.values
    if is_strip(hyperparameter):
        options = options_of(hyperparameter)
        place = np.array([options.index(value) for value in values.tolist()], float)
        panel.set_xticks(range(len(options)), [_text(option) for option in options])
        panel.set_xlim(-0.6, len(options) - 0.4)
        alone = np.bincount(place.astype(int))[place.astype(int)] == 1
        return np.where(alone, place, place + _spread(len(values)))
    if is_log(hyperparameter):
        panel.set_xscale("log")
        panel.xaxis.set_minor_locator(NullLocator())
    else:
        panel.xaxis.set_major_locator(MaxNLocator(4))
        if np.abs(values).max() >= 1000:
            panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    return values.astype(float)


def _draw_trend(panel: Any, hyperparameter: Hyperparameter, mean: np.ndarray) -> None:
    """Draws the local average, or for separate values the average of each value."""
    trend = local_average(hyperparameter, mean)
    if trend is None:
        return
    if is_strip(hyperparameter):
        for place, average in zip(*trend, strict=True):
            panel.plot([place - 0.32, place + 0.32], [average] * 2, color=_TREND, lw=2, zorder=3)
    else:
        panel.plot(*trend, color=_TREND, lw=2, zorder=3)


def _mark_diverged(
    panel: Any, hyperparameter: Hyperparameter, diverged: np.ndarray, bottom: float
) -> None:
    shown = diverged & hyperparameter.counts
    if shown.any():
        x = _positions(panel, hyperparameter)[shown]
        panel.scatter(
            x, np.full(len(x), bottom), marker="x", s=22, color=_BAD, lw=1.1, zorder=4,
            clip_on=False,
        )  # fmt: skip


def draw_curves(results: SweepResults) -> Figure:
    """Mean return of every configuration over time, the best ones with their intervals."""
    figure = Figure(figsize=(8.2, 4.6), dpi=150, layout="constrained")
    axes = figure.subplots()
    mean, low, high = spread(results.returns.swapaxes(0, 1))
    best = _best(results)
    rest = sorted(set(range(len(mean))) - {rank.row for rank in best})
    lines = [np.column_stack([results.timesteps[i], mean[i]]) for i in rest]
    alpha = float(np.clip(25 / max(len(lines), 1), 0.15, 0.6))
    axes.add_collection(LineCollection(lines, colors=_FAINT, linewidths=0.9, alpha=alpha))
    for place, rank in reversed(list(enumerate(best))):
        color, timesteps = _HIGHLIGHTS[place], results.timesteps[rank.row]
        if len(results.seeds) >= _LEAST_FOR_BAND:
            axes.fill_between(
                timesteps, low[rank.row], high[rank.row], color=color, alpha=0.13, lw=0
            )
        else:
            axes.plot(timesteps, results.returns[rank.row].T, color=color, lw=0.8, alpha=0.4)
        axes.plot(
            timesteps,
            mean[rank.row],
            color=color,
            lw=2.2,
            label=_rank_text(rank, len(results.seeds)),
        )
    handles, labels = axes.get_legend_handles_labels()
    if rest:
        handles.append(LineCollection([], colors=_FAINT, linewidths=1.2, alpha=0.6))
        labels.append("the others")
    n_before = len(best)
    axes.legend(
        handles[:n_before][::-1] + handles[n_before:], labels[:n_before][::-1] + labels[n_before:],
        frameon=False, loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=9, borderaxespad=0,
        title=_legend_title(results), title_fontsize=9, alignment="left",
    )  # fmt: skip
    axes.set_xlim(0, results.timesteps.max())
    axes.set_ylim(*_limits(results.returns))
    axes.set_title(_title(results), loc="left", fontsize=11)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("return (mean over seeds)" if len(results.seeds) > 1 else "return")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return figure


def _most_telling_first(results: SweepResults) -> dict[str, Hyperparameter]:
    """The hyperparameters that vary, sorted by how much of the return each explains."""
    mean = results.final.mean(axis=1)
    explained = {name: explained_share(h, mean) for name, h in results.varied.items()}
    names = sorted(results.varied, key=lambda name: -explained[name])
    return {name: results.varied[name] for name in names}


def _best(results: SweepResults) -> list[Rank]:
    """The best few configurations."""
    n_best = min(_N_BEST, max(1, len(results.configs) // 4))
    return [rank for rank in ranking(results)[:n_best] if not math.isnan(rank.mean)]


def _spread(n: int) -> np.ndarray:
    """Sideways offsets that keep points apart, the same each time."""
    golden = (math.sqrt(5) - 1) / 2  # its multiples are spread evenly
    return ((np.arange(1, n + 1) * golden) % 1 - 0.5) * 0.5


def _limits(returns: np.ndarray) -> tuple[float, float]:
    low, high = float(np.nanmin(returns)), float(np.nanmax(returns))
    margin = 0.06 * (high - low or 1.0)
    return low - margin, high + margin


def _text(option: Any) -> str:
    return f"{option:g}" if isinstance(option, float) else str(option)


def _rank_text(rank: Rank, n_seeds: int) -> str:
    text = f"config {rank.config}:"
    if math.isnan(rank.low):
        return f"{text} {written(rank.mean)}"
    mean, low, high, half = together(rank.mean, rank.low, rank.high, rank.high - rank.mean)
    if n_seeds < LEAST_FOR_INTERVAL:
        return f"{text} {mean} ({low} to {high})"
    return f"{text} {mean} ± {half}"


def _legend_title(results: SweepResults) -> str:
    n_seeds = len(results.seeds)
    if n_seeds == 1:
        return "best final return"
    return f"best final return, {spread_name(n_seeds)}" + (
        "" if n_seeds >= _LEAST_FOR_BAND else "\n(thin: each seed)"
    )


def _explanation(results: SweepResults) -> str:
    n_best = len(_best(results))
    orange = f"orange: the best {n_best}" if n_best > 1 else "orange: the best"
    parts = ["a point for each configuration, mean over seeds", orange]
    if len(results.configs) >= LEAST_FOR_TREND:
        parts += ["line: local average", "what explains most comes first"]
    return "; ".join([*parts, *(["cross: diverged"] if results.diverged.any() else [])])


def _title(results: SweepResults) -> str:
    n_configs, n_seeds = len(results.configs), len(results.seeds)
    configs = "1 configuration" if n_configs == 1 else f"{n_configs} configurations"
    seeds = "1 seed" if n_seeds == 1 else f"{n_seeds} seeds"
    return f"{results.algorithm} on {results.environment}: {configs}, {seeds}"
