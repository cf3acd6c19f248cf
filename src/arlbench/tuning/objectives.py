"""Objectives: functions that turn the returns of a trial into one number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arlbench.core.checks import known_names
from arlbench.errors import ConfigurationError

#: Turns finite mean returns ``[n_seeds, n_evaluations]`` into one number.
Objective = Callable[[np.ndarray], float]


def final(returns: np.ndarray) -> float:
    """The mean over seeds of the last evaluation."""
    return float(returns[:, -1].mean())


def best(returns: np.ndarray) -> float:
    """The mean over seeds of the best evaluation."""
    return float(returns.max(axis=1).mean())


def area(returns: np.ndarray) -> float:
    """The mean over seeds and evaluations: the area under the curve, divided by its length."""
    return float(returns.mean())


_OBJECTIVES: dict[str, Objective] = {"final": final, "best": best, "area": area}


def register_objective(name: str, objective: Objective) -> None:
    """Registers your own objective for the studies of this process."""
    _OBJECTIVES[name] = objective


def check_objective(name: Any) -> str:
    """The name of an objective, checked.

    Raises:
        ConfigurationError: If it is unknown, or several are given.
    """
    several = isinstance(name, Sequence) and not isinstance(name, str)
    if several or "," in str(name):
        raise ConfigurationError(
            "A study has one objective; give one of "
            f"{', '.join(_OBJECTIVES)}, or register one that combines several."
        )
    known_names([name], _OBJECTIVES, "objective")
    return str(name)


def score_of(returns: np.ndarray, objective: str, minimise: bool) -> float:
    """The number that a study maximises; ``-inf`` if an evaluation was not reached."""
    if not np.isfinite(returns).all():
        return -np.inf
    value = _OBJECTIVES[objective](returns)
    return -value if minimise else value
