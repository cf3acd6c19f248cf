"""Where a study searches: ranges and choices, and when each hyperparameter has an effect."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from arlbench.core.algorithms.declarations import Condition, Declarations
from arlbench.core.checks import known_names
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.experiments.config_spaces import Where, in_texts
from arlbench.experiments.drawing import value_at
from arlbench.experiments.space import (
    Choices,
    Range,
    SearchSpace,
    possible_in,
    search_space,
    with_options,
)

#: A whole configuration by name.
Config = dict[str, Any]


def key_of(config: Mapping[str, Any]) -> tuple[Any, ...]:
    """A whole configuration as a member of sets and a key of mappings."""
    return tuple(config.values())


class Space:
    """The hyperparameters that a study varies.

    Where a hyperparameter has no effect because of the values of others (``tau`` without a
    target network, ``buffer_alpha`` without prioritised sampling), it is *inactive* and has its
    default in a whole configuration. Configurations that have the same effect are thus equal.

    Args:
        problem: The problem to train on.
        words: For each named hyperparameter a value, ``(low, high)`` or a list of choices, or a
            text ``VALUE``, ``LOW..HIGH`` or ``a,b,c``. One that is not named keeps its published
            range, or the value that the problem gives it.
            Alternatively a ConfigSpace space; hyperparameters that are not in it keep their values
            in the problem.

    Attributes:
        problem: The problem to train on, with the options that fit the whole space.
        words: The words as texts.
        varied: Where to search, by name; each parent comes before its dependants.
        fixed: The values of other hyperparameters, by name.
        conditions: For each varied hyperparameter that is not always active, the value that
            another varied one must have.
        note: A sentence about words that are ignored; empty if none are.

    Raises:
        ConfigurationError: If a word is impossible, or nothing is left to search.
    """

    def __init__(self, problem: Problem, words: Where | None = None) -> None:
        problem, self.words = in_texts(problem, words)
        found = _without_effectless(search_space(problem, self.words), problem.declarations)
        if not found.varied:
            raise ConfigurationError(
                "The space is empty: every hyperparameter that has an effect is fixed; give one "
                "of them a range."
            )
        self.problem = with_options(problem, found)
        self.conditions = _conditions(found.varied, problem.declarations)
        names = sorted(found.varied, key=self._depth)
        self.varied = {name: found.varied[name] for name in names}
        self.fixed, self.note = dict(found.fixed), found.note

    @property
    def names(self) -> tuple[str, ...]:
        """The varied hyperparameters."""
        return tuple(self.varied)

    @functools.cached_property
    def _base(self) -> Config:
        return self.problem.resolve(self.fixed)

    def check_combinations(self) -> None:
        """Checks that the space has no impossible configuration.

        Raises:
            ConfigurationError: If some of its values contradict each other.
        """
        self.problem.algorithm_class.check_space(possible_in(self.varied, self.fixed))

    def active(self, config: Mapping[str, Any]) -> tuple[str, ...]:
        """The varied hyperparameters that have an effect in a whole configuration."""
        return tuple(name for name in self.varied if self._is_active(name, config))

    def _depth(self, name: str) -> int:
        condition = self.conditions.get(name)
        return 0 if condition is None else 1 + self._depth(condition.name)

    def _is_active(self, name: str, config: Mapping[str, Any]) -> bool:
        condition = self.conditions.get(name)
        if condition is None:
            return True
        parent, value = condition
        return config[parent] == value and self._is_active(parent, config)

    def contains(self, name: str, value: Any) -> bool:
        """Whether a hyperparameter is varied, and a value is in its range or choices."""
        return name in self.varied and _contains(self.varied[name], value)

    def complete(self, config: Mapping[str, Any]) -> Config:
        """The whole configuration, inactive hyperparameters at their defaults.

        Raises:
            ConfigurationError: If a name is unknown or a value impossible.
        """
        whole = self.problem.resolve({**self.fixed, **config})
        active = set(self.active(whole))
        return {
            name: value if name in active or name not in self.varied else self._base[name]
            for name, value in whole.items()
        }

    def require(self, config: Mapping[str, Any]) -> Config:
        """The whole configuration, if it lies within the space.

        Raises:
            ConfigurationError: If it does not; the message says where.
        """
        known_names(config, self._base, "hyperparameter")
        whole = self.complete(config)
        for name in self.active(whole):
            if not _contains(self.varied[name], whole[name]):
                raise ConfigurationError(
                    f"{name} is {whole[name]!r}, outside {_described(self.varied[name])}"
                )
        # A fixed value may have an effect, and thus be taken, in some configurations only.
        varied = {name: value for name, value in config.items() if name in self.varied}
        for name, value in self.complete(varied).items():
            if name not in self.varied and whole[name] != value:
                raise ConfigurationError(
                    f"{name} is {whole[name]!r}, and the study fixes it at {value!r}"
                )
        return whole

    def choice(self, config: Mapping[str, Any]) -> Config:
        """The varied and active part of a whole configuration, which determines the whole."""
        return {name: config[name] for name in self.active(config)}

    def at(self, point: Sequence[float] | np.ndarray) -> Config:
        """The whole configuration at a point of the unit cube ``[n_varied]``."""
        pairs = zip(self.varied.items(), point, strict=True)
        return self.complete({name: value_at(where, float(u)) for (name, where), u in pairs})

    def point_of(self, config: Mapping[str, Any]) -> np.ndarray:
        """A point of the unit cube at which a whole configuration lies, ``[n_varied]``.

        Each coordinate is the middle of the part that belongs to the value. For an inactive
        hyperparameter this value is its default, or the nearest one in the space.
        """
        pairs = self.varied.items()
        return np.array([_unit(where, config[name]) for name, where in pairs], np.float64)

    def draw(self, rng: np.random.Generator) -> Config:
        """A whole configuration, uniform over the space."""
        return self.at(rng.random(len(self.varied)))


def _without_effectless(space: SearchSpace, declarations: Declarations) -> SearchSpace:
    """The space without the hyperparameters that have no effect in any configuration."""
    varied, notes = dict(space.varied), [space.note] if space.note else []
    while True:
        idle = [name for name in varied if not _may_have_effect(name, varied, space, declarations)]
        if not idle:
            return SearchSpace(varied, space.fixed, " ".join(notes))
        for name in idle:
            del varied[name]


def _may_have_effect(
    name: str, varied: Mapping[str, Any], space: SearchSpace, declarations: Declarations
) -> bool:
    condition = declarations[name].effect_if
    if condition is None:
        return True
    parent, value = condition
    if parent in varied:
        return _contains(varied[parent], value)
    return space.fixed.get(parent, declarations[parent].default) == value


def _conditions(
    varied: Mapping[str, Choices | Range], declarations: Declarations
) -> dict[str, Condition]:
    each = {name: declarations[name].effect_if for name in varied}
    return {name: c for name, c in each.items() if c is not None and c.name in varied}


def _contains(where: Choices | Range, value: Any) -> bool:
    if isinstance(where, Choices):
        return value in where.values
    return bool(where.low <= value <= where.high)


def _described(where: Choices | Range) -> str:
    if isinstance(where, Choices):
        return f"the choices {', '.join(map(str, where.values))}"
    return f"the range {where.low:g}..{where.high:g}"


def _unit(where: Choices | Range, value: Any) -> float:
    """The inverse of ``value_at``: the middle of the part that belongs to the value."""
    if isinstance(where, Choices):
        index = where.values.index(value) if value in where.values else 0
        return (index + 0.5) / len(where.values)
    inside = min(max(value, where.low), where.high)
    half = 0.5 if where.is_whole else 0.0
    ends = (where.low - half, where.high + half)
    if where.log:
        low, inside, high = math.log(ends[0]), math.log(inside), math.log(ends[1])
    else:
        low, high = ends
    return min(max((inside - low) / (high - low), 0.0), float(np.nextafter(1.0, 0.0)))
