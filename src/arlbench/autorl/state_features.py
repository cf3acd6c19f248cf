"""Features of the learner after a step of a schedule: pure functions of the step's result.

A new one takes three lines::

    @register_state_feature("best_return")
    def best_return(result: StepResult) -> float:
        return result.returns.max()
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from gymnasium import spaces

from arlbench.autorl.config import AutoRLConfig
from arlbench.autorl.step_result import StepResult
from arlbench.core.checks import known_names
from arlbench.core.registering import blamed_on, same_function
from arlbench.errors import ConfigurationError

Value = Callable[[StepResult], Any]
Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class StateFeature:
    """A part of an observation.

    Attributes:
        name: Its name.
        value: Computes its value after a step, with the shape below.
        shape: Its shape, or a function that computes the shape from the settings.
        low: Its lower bound.
        high: Its upper bound.
        statistics: Whether it needs ``StepResult.statistics``, or which of them it needs.
    """

    name: str
    value: Value
    shape: Shape | Callable[[AutoRLConfig], Shape] = ()
    low: float = -np.inf
    high: float = np.inf
    statistics: bool | tuple[str, ...] = False

    @property
    def statistics_needed(self) -> tuple[str, ...]:
        """The names of the statistics that it needs, as far as they are known."""
        return () if isinstance(self.statistics, bool) else tuple(self.statistics)

    def space(self, config: AutoRLConfig) -> spaces.Box:
        """The space of its values."""
        return spaces.Box(self.low, self.high, self._shape(config), np.float32)

    def of(self, result: StepResult, config: AutoRLConfig) -> np.ndarray:
        """Its value after a step, float32; 0 for values that a divergence made non-finite."""
        with blamed_on(f"the state feature '{self.name}'"):
            value = np.nan_to_num(np.asarray(self.value(result), np.float32), posinf=0, neginf=0)
        shape = self._shape(config)
        if value.size > np.prod(shape, dtype=int):
            raise ConfigurationError(
                f"The state feature '{self.name}' returned the shape {value.shape}, but was "
                f"registered with {shape}; make them equal."
            )
        # Shorter values, such as a history that has just begun, are filled up.
        filled = np.zeros(shape, np.float32)
        filled.reshape(-1)[: value.size] = value.reshape(-1)
        return np.clip(filled, self.low, self.high)

    def _shape(self, config: AutoRLConfig) -> Shape:
        return self.shape(config) if callable(self.shape) else self.shape


_features: dict[str, StateFeature] = {}


def register_state_feature(name: str, **further: Any) -> Callable[[Value], Value]:
    """Makes a function a state feature that configurations can name.

    Args:
        name: Its name.
        **further: Other fields of :class:`StateFeature`, such as ``shape=(2,)``.

    Raises:
        ConfigurationError: If the name is taken.
    """

    def register(value: Value) -> Value:
        taken = name in _features and not same_function(_features[name].value, value)
        if taken or name == STEPS:
            raise ConfigurationError(
                f"A state feature named '{name}' is already registered; choose another name."
            )
        _features[name] = StateFeature(name, value, **further)
        return value

    return register


def find_state_features(names: Iterable[str]) -> tuple[StateFeature, ...]:
    """State features by name.

    Raises:
        ConfigurationError: If one is unknown.
    """
    names = list(names)
    known_names(names, _features, "state feature")
    return tuple(_features[name] for name in names)


#: In every observation: ``[configuration steps, environment steps]`` so far.
STEPS = "steps"


def observation_space(features: Iterable[StateFeature], config: AutoRLConfig) -> spaces.Dict:
    """The space of the observations of steps."""
    steps = spaces.Box(0, np.iinfo(np.int64).max, (2,), np.int64)
    return spaces.Dict({STEPS: steps, **{f.name: f.space(config) for f in features}})


def observation(
    features: Iterable[StateFeature], result: StepResult, config: AutoRLConfig, config_step: int
) -> dict[str, np.ndarray]:
    """The observation after the ``config_step``-th step."""
    steps = np.array([config_step, result.ended_at], np.int64)
    return {STEPS: steps, **{f.name: f.of(result, config) for f in features}}


@register_state_feature("grad_info", shape=(2,), low=0.0, statistics=("grad_norm", "grad_variance"))
def grad_info(result: StepResult) -> list[float]:
    """Means of the gradient's norm and of the variance of its entries, over the step's updates."""
    statistics = result.statistics
    return [statistics["grad_norm"].mean, statistics["grad_variance"].mean]


@register_state_feature("loss_info", shape=(2,), statistics=("loss",))
def loss_info(result: StepResult) -> list[float]:
    """Mean and standard deviation of the loss over the step's updates."""
    return list(result.statistics["loss"])


@register_state_feature("td_error_info", shape=(2,), low=0.0, statistics=("td_error",))
def td_error_info(result: StepResult) -> list[float]:
    """Mean and standard deviation of the batch's mean absolute TD error over the step's updates."""
    return list(result.statistics["td_error"])


@register_state_feature("q_value_info", shape=(2,), statistics=("q_value",))
def q_value_info(result: StepResult) -> list[float]:
    """Mean and standard deviation of the batch's mean value of the actions taken."""
    return list(result.statistics["q_value"])


@register_state_feature("return_history", shape=lambda config: (config.n_steps,))
def return_history(result: StepResult) -> list[float]:
    """Mean return of the last evaluation of each step so far, then zeros, ``[n_steps]``."""
    return [*result.earlier, float(result.curve[-1])]
