"""A Gaussian process of a quantity that drifts with time, small enough for a population."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

# All combinations are tried, and the most likely one is used. Inputs lie in the unit cube, and
# observations have mean 0 and deviation 1.
_LENGTHS = (0.1, 0.2, 0.4, 0.8, 1.6)
_FORGETTING = (0.01, 0.1, 0.3)
_NOISE = (1e-3, 1e-2, 1e-1, 0.5)


class Drift(NamedTuple):
    """The assumptions of the process.

    Attributes:
        length: The distance over which values at one time are similar.
        forgetting: The share that is forgotten from one time to the next, between 0 and 1.
        noise: Variance of the observations.
    """

    length: float
    forgetting: float
    noise: float


class Observations(NamedTuple):
    """Observations of the quantity.

    Attributes:
        at: Points of the unit cube, ``[n, d]``.
        time: The time of each, ``[n]``.
        values: The value of each, ``[n]``.
    """

    at: np.ndarray
    time: np.ndarray
    values: np.ndarray


def covariance(one: Observations, other: Observations, drift: Drift) -> np.ndarray:
    """Squared exponential that decays in time (Bogunovic et al. 2016), ``[n_one, n_other]``.

    ``exp(-|x - x'|^2 / (2 l^2)) (1 - e)^(|t - t'| / 2)``.
    """
    squares = ((one.at[:, None] - other.at[None]) ** 2).sum(axis=-1)
    apart = np.abs(one.time[:, None] - other.time[None])
    return np.exp(-squares / (2 * drift.length**2)) * (1 - drift.forgetting) ** (apart / 2)


def log_likelihood(known: Observations, drift: Drift) -> float:
    """The log-likelihood of the observations under the assumptions, up to a constant."""
    k = covariance(known, known, drift) + drift.noise * np.eye(len(known.values))
    factor = np.linalg.cholesky(k)
    white = np.linalg.solve(factor, known.values)
    return float(-0.5 * white @ white - np.log(np.diag(factor)).sum())


def most_likely(known: Observations) -> Drift:
    """The assumptions in a grid under which the observations are most likely."""
    grid = [Drift(*each) for each in itertools.product(_LENGTHS, _FORGETTING, _NOISE)]
    return max(grid, key=lambda drift: log_likelihood(known, drift))


def predicted(
    known: Observations, wanted: Observations, drift: Drift
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation at points and times, ``[n_wanted]`` each."""
    k = covariance(known, known, drift) + drift.noise * np.eye(len(known.values))
    across = covariance(known, wanted, drift)
    solved = np.linalg.solve(k, across)
    variance = 1.0 - (across * solved).sum(axis=0)
    return solved.T @ known.values, np.sqrt(np.maximum(variance, 1e-12))


def standardised(values: np.ndarray) -> np.ndarray:
    """The values with mean 0 and deviation 1; zeros if they are all equal."""
    deviation = values.std()
    return (values - values.mean()) / deviation if deviation > 0 else np.zeros_like(values)
