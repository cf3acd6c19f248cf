"""What one hyperparameter explains of the returns of a sweep."""

from __future__ import annotations

from typing import Any

import numpy as np

from arlbench.report.sweep_results import Hyperparameter

#: With fewer configurations an average says nothing that the points do not.
LEAST_FOR_TREND = 16

# Fewer different values than this lie side by side.
_FEW = 7

# Standard deviation of the kernel, as a share of the axis, for one point; it falls with
# the fifth root of their number, as is best for a smooth curve (Silverman 1986).
_BANDWIDTH = 0.35

# Points at which a local average is drawn, and the most that it is made of.
_N_DRAWN, _MOST = 60, 2000


def is_strip(hyperparameter: Hyperparameter) -> bool:
    """Whether its values lie in no order, or are few and were chosen, not drawn from a range."""
    if hyperparameter.scale == "choice":
        return True
    values = hyperparameter.values[hyperparameter.counts].tolist()
    different = set(values)
    # What is drawn hardly repeats and has many digits, however few configurations there are.
    are_chosen = 2 * len(different) <= len(values) or all(map(_is_round, different))
    return len(different) < _FEW and are_chosen


def _is_round(value: float) -> bool:
    return float(f"{value:.2g}") == value


def is_log(hyperparameter: Hyperparameter) -> bool:
    """Searched by orders of magnitude, or evidently chosen so."""
    values = hyperparameter.values[hyperparameter.counts].astype(float)
    if values.min() <= 0:
        return False
    return hyperparameter.scale == "log" or float(np.median(values)) < 0.1 * values.max()


def options_of(hyperparameter: Hyperparameter) -> list[Any]:
    """Its different values in order."""
    return sorted(set(hyperparameter.values.tolist()))


def local_average(
    hyperparameter: Hyperparameter, returns: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    """The average return near each value, by a Gaussian kernel (Nadaraya 1964; Watson 1964).

    Args:
        hyperparameter: Of each configuration, ``[n_configs]``.
        returns: ``[n_configs]``, NaN where there is none.

    Returns:
        Values and averages, ``[n_points]`` each; for separate values the places
        0, 1, … of those that occur. None where there are too few configurations.
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
    """How much of the variance of the returns its local average foretells.

    Each return is foretold from all others, so what only chance explains counts as 0.
    """
    x, y = _points(hyperparameter, returns)
    if len(x) < LEAST_FOR_TREND or np.ptp(y) == 0:
        return 0.0
    distance = x[:, None] - x
    weights = (distance == 0) * 1.0 if is_strip(hyperparameter) else _kernel(distance, x)
    np.fill_diagonal(weights, 0.0)
    # A trace of all others, for a value that occurs once.
    weights += 1e-9 * (1 - np.eye(len(x)))
    foretold = weights @ y / weights.sum(axis=1)
    return max(0.0, float(1 - ((y - foretold) ** 2).sum() / ((y - y.mean()) ** 2).sum()))


def _points(hyperparameter: Hyperparameter, returns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the configurations that count lie on the axis, and their returns."""
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
