"""Means over seeds, with an honest interval."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

_CONFIDENCE = 0.95


class MeanInterval(NamedTuple):
    """A mean and its 95 % confidence interval.

    Attributes:
        mean: ``[...]``.
        low: Lower end; NaN if there is only one sample.
        high: Upper end.
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def mean_interval(samples: np.ndarray) -> MeanInterval:
    """Student's t interval of the mean over the first axis, ``[n, ...]``.

    The samples are seeds if it is about an algorithm: episodes of one agent are not
    independent evidence of how the algorithm learns, only of what this agent earns.
    """
    n = samples.shape[0]
    mean = samples.mean(axis=0)
    if n < 2:
        nothing = np.full_like(mean, np.nan)
        return MeanInterval(mean, nothing, nothing)
    half = stdtrit(n - 1, 0.5 + _CONFIDENCE / 2) * samples.std(axis=0, ddof=1) / np.sqrt(n)
    return MeanInterval(mean, mean - half, mean + half)
