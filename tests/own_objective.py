"""Objectives as a user writes them."""

from __future__ import annotations

import numpy as np


def lowest(returns: np.ndarray) -> float:
    """The last return of the worst seed."""
    return float(returns[:, -1].min())


#: Not a function.
NOTHING = 3
