"""Objectives: functions that turn the returns of a trial into one number."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from arlbench.core.checks import known_names
from arlbench.core.own_classes import own_function
from arlbench.core.registering import same_function
from arlbench.core.tracebacks import raised_at
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

    Such an objective turns the returns of a trial of :func:`arlbench.tuning.tune` into a number.
    :func:`arlbench.autorl.register_objective` has the same name, but registers objectives of
    ``AutoRLEnv`` and ``run_arlbench``.

    A function in a module need not be registered; give it itself, or ``"MODULE:FUNCTION"``.

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


def name_of_objective(given: Any) -> Any:
    """The name under which a study records an objective, given the function or its name.

    Raises:
        ConfigurationError: If other processes could not find the function under its name.
    """
    if not callable(given):
        return given
    for name, known in _OBJECTIVES.items():
        if known is given:
            return name
    # Objects that can be called, such as those of functools.partial, have no such name.
    own_name = getattr(given, "__qualname__", None)
    whole_name = f"{getattr(given, '__module__', None)}:{own_name}"
    with contextlib.suppress(ConfigurationError):
        if own_name and _function(whole_name) is given:
            return whole_name
    raise ConfigurationError(
        f"The objective {own_name or given!r} is not a function of a module, so a study that is "
        "continued could not find it; define it with def outside other functions, or register it "
        "with register_objective."
    )


def check_objective(name: Any) -> str:
    """The name of an objective, or ``MODULE:FUNCTION``, checked.

    Raises:
        ConfigurationError: If it is unknown or cannot be imported, or several are given.
    """
    several = isinstance(name, Sequence) and not isinstance(name, str)
    if several or "," in str(name):
        raise ConfigurationError(
            "A study has one objective; give one of "
            f"{', '.join(_OBJECTIVES)}, or a function of your own that combines several "
            "(MODULE:FUNCTION)."
        )
    _function(name)
    return str(name)


def objective_text(name: str, minimise: bool) -> str:
    """An objective in words; empty for the final return, maximised, which returns show anyway."""
    if minimise:
        return f"{name}, minimised"
    return "" if name == "final" else name


def _function(name: Any) -> Objective:
    """The objective with a registered name, or the function that ``MODULE:FUNCTION`` names."""
    if not isinstance(name, str) or ":" not in name:
        known_names([name], _OBJECTIVES, "objective", own="MODULE:FUNCTION")
        return _OBJECTIVES[name]
    found = own_function("objective", name)
    if not callable(found) or inspect.isclass(found):
        raise ConfigurationError(
            f"'{name}' is not an objective; name a function that takes returns [seeds, "
            "evaluations] and returns one number."
        )
    return found  # type: ignore[no-any-return]


def score_of(returns: np.ndarray, objective: str, minimise: bool) -> float:
    """The number that a study maximises.

    It is ``-inf`` if an evaluation was not reached, or if the objective is not finite.

    Raises:
        ConfigurationError: If the objective raises an error, or returns something else.
    """
    if not np.isfinite(returns).all():
        return -math.inf
    try:
        value = float(_function(objective)(returns))
    except ArlbenchError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"The objective '{objective}' raised {type(error).__name__} ({error})"
            f"{raised_at(error)}; correct it so that it returns one number, and continue the study."
        ) from error
    if not math.isfinite(value):
        return -math.inf
    return -value if minimise else value
