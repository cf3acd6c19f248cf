"""Means over seeds, with a confidence interval or, for few seeds, their range."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

_CONFIDENCE = 0.95

#: With fewer samples an interval would be too wide to be useful, so their range is shown.
LEAST_FOR_INTERVAL = 4


class MeanInterval(NamedTuple):
    """A mean and its 95 % confidence interval.

    Attributes:
        mean: The mean, ``[...]``.
        low: Lower end; NaN if there is only one sample.
        high: Upper end.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def mean_interval(samples: np.ndarray) -> MeanInterval:
    """Student's t interval of the mean over the first axis, ``[n, ...]``.

    To judge an algorithm, the samples must be seeds: episodes of one agent are independent
    evidence about this agent's return, but not about how the algorithm learns.
    """
    n = samples.shape[0]
    mean = samples.mean(axis=0)
    if n < 2:
        nothing = np.full_like(mean, np.nan)
        return MeanInterval(mean, nothing, nothing)
    half = stdtrit(n - 1, 0.5 + _CONFIDENCE / 2) * samples.std(axis=0, ddof=1) / np.sqrt(n)
    return MeanInterval(mean, mean - half, mean + half)


def spread(samples: np.ndarray) -> MeanInterval:
    """The mean over the first axis ``[n, ...]`` with its interval, or the range of a few samples.

    Both ends are NaN if there is only one sample.
    """
    if not 1 < samples.shape[0] < LEAST_FOR_INTERVAL:
        return mean_interval(samples)
    return MeanInterval(samples.mean(axis=0), samples.min(axis=0), samples.max(axis=0))


def spread_name(n: int, noun: str = "seeds") -> str:
    """The name of the spread of ``n`` samples: an interval or a range."""
    return f"range of {noun}" if 1 < n < LEAST_FOR_INTERVAL else "95 % interval"
