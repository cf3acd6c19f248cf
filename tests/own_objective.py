"""Objectives as a user writes them."""

from __future__ import annotations

import numpy as np


def lowest(returns: np.ndarray) -> float:
    """The last return of the worst seed."""
    return float(returns[:, -1].min())


#: Not a function.
NOTHING = 3


def regret(returns: np.ndarray) -> float:
    """What the last return lacks to 100; smaller is better."""
    return float(100 - returns[:, -1].mean())


def nowhere_finite(returns: np.ndarray) -> float:
    """Is never a number."""
    return float("nan")
