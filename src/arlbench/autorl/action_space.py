"""Hyperparameters as gymnasium actions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from ConfigSpace import (
    CategoricalHyperparameter,
    ConfigurationSpace,
    UniformIntegerHyperparameter,
)
from gymnasium import spaces

from arlbench.core.checks import as_python, known_names
from arlbench.errors import ConfigurationError


class Choice(spaces.Space):
    """One of several values, represented by the value itself and not by its index."""

    def __init__(self, values: Sequence[Any], seed: int | None = None) -> None:
        super().__init__(None, None, seed)
        self.values = tuple(values)

    def sample(self, mask: Any = None, probability: Any = None) -> Any:
        return self.values[int(self.np_random.integers(len(self.values)))]

    def contains(self, x: Any) -> bool:
        # In Python, 1 equals True.
        return any(
            type(as_python(x)) is type(value) and as_python(x) == value for value in self.values
        )

    @property
    def is_np_flattenable(self) -> bool:
        return False

    def __repr__(self) -> str:
        return f"Choice({', '.join(map(repr, self.values))})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choice) and self.values == other.values

    __hash__ = None  # type: ignore[assignment]  # like gymnasium's own spaces


class LogBox(spaces.Box):
    """A positive number, sampled uniformly on a logarithmic scale."""

    def sample(self, mask: Any = None, probability: Any = None) -> Any:
        low, high = np.log(self.low), np.log(self.high)
        exponent = self.np_random.uniform(low, high)
        return np.clip(np.exp(exponent), self.low, self.high).astype(self.dtype)


class HyperparameterSpace(spaces.Dict):
    """Changes to hyperparameters, by name; those that an action leaves out keep their values.

    The ranges are suggestions for searching; ``step`` accepts every possible value.
    """

    def __init__(self, config_space: ConfigurationSpace, seed: int | None = None) -> None:
        self.config_space = config_space
        super().__init__({name: _space_of(config_space[name]) for name in config_space}, seed=seed)

    def sample(self, mask: Any = None, probability: Any = None) -> dict[str, Any]:
        """A random value for every active hyperparameter."""
        values = {name: space.sample() for name, space in self.spaces.items()}
        without_effect = inactive(self.config_space, values)
        return {name: value for name, value in values.items() if name not in without_effect}

    def contains(self, x: Any) -> bool:
        if not isinstance(x, Mapping) or not x.keys() <= self.spaces.keys():
            return False
        return all(_holds(self.spaces[name], as_python(value)) for name, value in x.items())


def _space_of(hyperparameter: Any) -> spaces.Space:
    if isinstance(hyperparameter, CategoricalHyperparameter):
        return Choice([as_python(value) for value in hyperparameter.choices])
    lower, upper = hyperparameter.lower, hyperparameter.upper
    whole = isinstance(hyperparameter, UniformIntegerHyperparameter)
    box = LogBox if hyperparameter.log else spaces.Box
    return box(lower, upper, (), np.int64 if whole else np.float64)


def _holds(space: spaces.Space, value: Any) -> bool:
    """Whether a plain value is in the space of a hyperparameter."""
    if isinstance(space, Choice):
        return space.contains(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    whole_if_wanted = isinstance(value, int) or not np.issubdtype(space.dtype, np.integer)
    return is_number and whole_if_wanted and space.contains(np.asarray(value, space.dtype))


def inactive(config_space: ConfigurationSpace, values: Mapping[str, Any]) -> list[str]:
    """Names of hyperparameters whose condition is not met at these values, in order.

    Conditions on hyperparameters without a value here are ignored.
    """
    conditions: Sequence[Any] = config_space.conditions
    return sorted(
        condition.child.name
        for condition in conditions
        if condition.parent.name in values and not condition.satisfied_by_value(dict(values))
    )


def changes(
    action: Any,
    config_space: ConfigurationSpace,
    current: Mapping[str, Any],
    architecture: Collection[str] = (),
    hyperparameters: Collection[str] = (),
) -> dict[str, Any]:
    """The values that an action gives, without those that the other values make inactive.

    Args:
        action: A configuration, or a mapping of some hyperparameters.
        config_space: The hyperparameters.
        current: Values of all hyperparameters before the action.
        architecture: Names of architecture choices, which actions cannot change.
        hyperparameters: Names of all hyperparameters, also of those that ``config_space`` does not
            contain because they belong to the extended space.

    Raises:
        ConfigurationError: If a name is unknown, or belongs to an architecture choice or to the
            extended space.
    """
    if not isinstance(action, Mapping):
        raise ConfigurationError(
            f"An action must be a Configuration or a mapping, not a {type(action).__name__}."
        )
    plain = {str(name): as_python(value) for name, value in dict(action).items()}
    given = {name: value for name, value in plain.items() if value is not None}
    for name in given:
        if name in architecture:
            raise ConfigurationError(
                f"{name} is an architecture choice, which stays the same while a learner learns; "
                "give it in the setting nas_config."
            )
        if name in hyperparameters and name not in config_space:
            raise ConfigurationError(
                f"{name} belongs to the extended space, and these actions are those of the "
                "published one; add the setting extended=True."
            )
    known_names(given, config_space, "hyperparameter")
    without_effect = inactive(config_space, {**current, **given})
    return {name: value for name, value in given.items() if name not in without_effect}
