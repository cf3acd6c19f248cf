"""Objectives: functions that turn the returns of a trial into one number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arlbench.core.checks import known_names
from arlbench.core.registering import same_function
from arlbench.errors import ArlbenchError, ConfigurationError

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


def register_objective(name: str, objective: Objective | None = None) -> Any:
    """Registers your own objective for the studies of this process.

    Args:
        name: Its name.
        objective: The function; None returns a decorator.

    Returns:
        The function, or the decorator.

    Raises:
        ConfigurationError: If the name is taken by another function.
    """
    if objective is None:
        return lambda decorated: register_objective(name, decorated)
    if name in _OBJECTIVES and not same_function(_OBJECTIVES[name], objective):
        raise ConfigurationError(
            f"An objective named '{name}' is already registered; choose another name."
        )
    _OBJECTIVES[name] = objective
    return objective


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
    """The number that a study maximises.

    It is ``-inf`` if an evaluation was not reached, or if the objective is not finite.

    Raises:
        ConfigurationError: If the objective raises an error, or returns something else.
    """
    if not np.isfinite(returns).all():
        return -math.inf
    try:
        value = float(_OBJECTIVES[objective](returns))
    except ArlbenchError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"The objective '{objective}' raised {type(error).__name__} ({error}); correct it so "
            "that it returns one number, and continue the study."
        ) from error
    if not math.isfinite(value):
        return -math.inf
    return -value if minimise else value
