"""Objectives of a step of a schedule: pure functions of its result.

A new one takes three lines::

    @register_objective("worst_return")
    def worst_return(result: StepResult) -> float:
        return float(result.returns[-1].min())
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.util
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from arlbench.autorl.step_result import StepResult
from arlbench.core.checks import known_names
from arlbench.core.registering import blamed_on, same_function
from arlbench.errors import ConfigurationError, MissingExtraError

Value = Callable[[StepResult], float]

#: Makes a context for each training run. The context yields a function, which is called after the
#: training and returns the number for ``StepResult.measured``.
Meter = Callable[[], contextlib.AbstractContextManager[Callable[[], float]]]


@dataclasses.dataclass(frozen=True)
class Objective:
    """Something to optimise.

    Attributes:
        name: Its name.
        value: Computes its value for a step.
        maximise: Whether higher is better.
        meter: Measures during the training, if the result alone is not enough.
        package: A package that it needs.
        extra: The extra of arlbench that installs this package.
    """

    name: str
    value: Value
    maximise: bool = True
    meter: Meter | None = None
    package: str | None = None
    extra: str | None = None


_objectives: dict[str, Objective] = {}


def register_objective(
    name: str, *, maximise: bool = True, **further: Any
) -> Callable[[Value], Value]:
    """Makes a function an objective that configurations can name.

    Such an objective belongs to ``AutoRLEnv`` and ``run_arlbench``, and is computed from a step's
    result. The function of the same name in ``arlbench.tuning.objectives`` registers objectives of
    studies (``arlbench tune``).

    Args:
        name: Its name.
        maximise: Whether higher is better. It is negated if ``optimize_objectives`` asks for
            the other direction.
        **further: Other fields of :class:`Objective`.

    Raises:
        ConfigurationError: If the name is taken.
    """

    def register(value: Value) -> Value:
        if name in _objectives and not same_function(_objectives[name].value, value):
            raise ConfigurationError(
                f"An objective named '{name}' is already registered; choose another name."
            )
        _objectives[name] = Objective(name, value, maximise, **further)
        return value

    return register


def find_objectives(names: Iterable[str]) -> tuple[Objective, ...]:
    """Objectives by name.

    Raises:
        ConfigurationError: If one is unknown.
        MissingExtraError: If one needs a package that is not installed.
    """
    names = list(names)
    known_names(names, _objectives, "objective")
    found = tuple(_objectives[name] for name in names)
    for objective in found:
        if objective.package and importlib.util.find_spec(objective.package) is None:
            cure = f"arlbench[{objective.extra}]" if objective.extra else objective.package
            raise MissingExtraError(
                f"The objective '{objective.name}' needs {objective.package}; install it with "
                f"pip install '{cure}'."
            )
    return found


def objective_values(
    objectives: Iterable[Objective], result: StepResult, direction: str
) -> dict[str, float]:
    """Values of a step by name, all to be maximised (``"upper"``) or minimised (``"lower"``)."""
    upper = direction == "upper"
    values = {}
    for objective in objectives:
        with blamed_on(f"the objective '{objective.name}'"):
            value = float(objective.value(result))
        values[objective.name] = value if objective.maximise == upper else -value
    return values


@register_objective("reward_mean")
def reward_mean(result: StepResult) -> float:
    """Mean return of the last evaluation."""
    return float(result.returns[-1].mean())


@register_objective("reward_std", maximise=False)
def reward_std(result: StepResult) -> float:
    """Standard deviation of the returns of the last evaluation's episodes."""
    return float(result.returns[-1].std())


@register_objective("reward_auc")
def reward_auc(result: StepResult) -> float:
    """Area under the learning curve of the step, divided by the step's length.

    Each evaluation stands for the interval before it. If a step did not train at all, because
    earlier ones had used up its budget, the value is the mean of its evaluations.
    """
    intervals = np.diff(result.timesteps, prepend=0)
    if (intervals == intervals[0]).all():
        return float(result.curve.mean())
    return float(np.average(result.curve, weights=intervals))


@register_objective("runtime", maximise=False)
def runtime(result: StepResult) -> float:
    """Seconds of the training and its evaluations, without compilation."""
    return result.train_seconds


@contextlib.contextmanager
def _carbon_meter() -> Iterator[Callable[[], float]]:
    """Measures kilograms of CO2 equivalents, without using the network."""
    codecarbon = importlib.import_module("codecarbon")
    # codecarbon prints a message before its own log_level takes effect.
    logging.getLogger("codecarbon").setLevel(logging.ERROR)
    tracker = codecarbon.OfflineEmissionsTracker(
        country_iso_code=os.environ.get("CODECARBON_COUNTRY_ISO_CODE", "DEU"),
        output_methods=[],
        log_level="error",
        allow_multiple_runs=True,
    )
    tracker.start()
    measured: list[float] = []
    try:
        yield lambda: measured[0]
    finally:
        measured.append(float(tracker.stop() or 0.0))


@register_objective(
    "emissions", maximise=False, meter=_carbon_meter, package="codecarbon", extra="emissions"
)
def emissions(result: StepResult) -> float:
    """Kilograms of CO2 equivalents of the training, measured by codecarbon.

    The electricity is assumed to come from the country in ``CODECARBON_COUNTRY_ISO_CODE``,
    such as ``FRA``, or from Germany if this is not set.
    """
    return result.measured["emissions"]
