"""Computes how much of the returns of a sweep one hyperparameter explains."""

from __future__ import annotations

from typing import Any

import numpy as np

from arlbench.report.sweep_results import Hyperparameter

#: With fewer configurations, an average adds nothing to the points.
LEAST_FOR_TREND = 16

# Fewer different values than this are drawn as separate columns.
_FEW = 7

# Standard deviation of the kernel for one point, as a fraction of the axis; it decreases with
# the fifth root of the number of points, which is optimal for a smooth curve (Silverman 1986).
_BANDWIDTH = 0.35

# The number of points at which a local average is drawn, and the largest number of points from
# which it is computed.
_N_DRAWN, _MOST = 60, 2000


def is_strip(hyperparameter: Hyperparameter) -> bool:
    """Whether its values have no order, or are few and were chosen, not drawn from a range."""
    if hyperparameter.scale == "choice":
        return True
    values = hyperparameter.values[hyperparameter.counts].tolist()
    different = set(values)
    # Values drawn from a range rarely repeat and have many digits, even for few configurations.
    are_chosen = 2 * len(different) <= len(values) or all(map(_is_round, different))
    return len(different) < _FEW and are_chosen


def _is_round(value: float) -> bool:
    return float(f"{value:.2g}") == value


def is_log(hyperparameter: Hyperparameter) -> bool:
    """Whether it was searched on a logarithmic scale, or its values were evidently chosen so."""
    values = hyperparameter.values[hyperparameter.counts].astype(float)
    if values.min() <= 0:
        return False
    return hyperparameter.scale == "log" or float(np.median(values)) < 0.1 * values.max()


def options_of(hyperparameter: Hyperparameter) -> list[Any]:
    """Its distinct values in order."""
    return sorted(set(hyperparameter.values.tolist()))


def local_average(
    hyperparameter: Hyperparameter, returns: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """The average return near each value, by a Gaussian kernel (Nadaraya 1964; Watson 1964).

    Args:
        hyperparameter: Its values in each configuration, ``[n_configs]``.
        returns: Returns ``[n_configs]``, NaN if one is missing.

    Returns:
        Values and averages, ``[n_points]`` each; for separate values the positions 0, 1, … of
        those that occur. None if there are too few configurations.
    """
    x, y = _points(hyperparameter, returns)
    if len(x) < LEAST_FOR_TREND:
        return None
    if is_strip(hyperparameter):
        places = np.unique(x)
        return places, np.array([y[x == place].mean() for place in places])
    at = np.linspace(x.min(), x.max(), _N_DRAWN)
    weights = _kernel(at[:, None] - x, x)
    return (np.exp(at) if is_log(hyperparameter) else at), weights @ y / weights.sum(axis=1)


def explained_share(hyperparameter: Hyperparameter, returns: np.ndarray) -> float:
    """How much of the variance of the returns its local average predicts.

    Each return is predicted from all others, so effects of chance count as 0.
    """
    x, y = _points(hyperparameter, returns)
    if len(x) < LEAST_FOR_TREND or np.ptp(y) == 0:
        return 0.0
    distance = x[:, None] - x
    weights = (distance == 0) * 1.0 if is_strip(hyperparameter) else _kernel(distance, x)
    np.fill_diagonal(weights, 0.0)
    # A tiny weight for all others, for values that occur only once.
    weights += 1e-9 * (1 - np.eye(len(x)))
    foretold = weights @ y / weights.sum(axis=1)
    return max(0.0, float(1 - ((y - foretold) ** 2).sum() / ((y - y.mean()) ** 2).sum()))


def _points(hyperparameter: Hyperparameter, returns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The positions on the axis and the returns of the configurations that count."""
    shown = hyperparameter.counts & ~np.isnan(returns)
    shown &= np.arange(len(returns)) % (1 + len(returns) // _MOST) == 0
    values = hyperparameter.values[shown]
    if is_strip(hyperparameter):
        options = options_of(hyperparameter)
        return np.array([options.index(value) for value in values.tolist()], float), returns[shown]
    values = values.astype(float)
    return (np.log(values) if is_log(hyperparameter) else values), returns[shown]


def _kernel(distance: np.ndarray, x: np.ndarray) -> np.ndarray:
    bandwidth = _BANDWIDTH * len(x) ** -0.2 * np.ptp(x)
    return np.exp(-0.5 * (distance / bandwidth) ** 2)
