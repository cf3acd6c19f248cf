"""Where to search: for each hyperparameter one value, several, or a range.

What is named is narrowed or fixed by the text of a word, ``VALUE``, ``LOW..HIGH`` or
``a,b,c``; what is not named keeps its published range or its default.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from ConfigSpace import CategoricalHyperparameter, ConfigurationSpace, EqualsCondition

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.dqn.hyperparameters import check_value, resolve
from arlbench.core.checks import known_names
from arlbench.core.text_values import parse_value
from arlbench.errors import ConfigurationError

_RANGE = ".."
_LIST = ","


class Choices(NamedTuple):
    """Separate values, each as likely as the others.

    Attributes:
        values: At least two, all different.
    """

    values: tuple[Any, ...]


class Range(NamedTuple):
    """Every value between two, both included.

    Attributes:
        low: The least; an int where only whole numbers count.
        high: The greatest, of the same type.
        log: Whether each order of magnitude is as likely as the others.
    """

    low: int | float
    high: int | float
    log: bool


class SearchSpace(NamedTuple):
    """What a sweep varies, and what it leaves alone.

    Attributes:
        varied: Where to search, by name.
        fixed: Values by name; names in neither have their default.
    """

    varied: Mapping[str, Choices | Range]
    fixed: Mapping[str, Any]


class Condition(NamedTuple):
    """A hyperparameter counts only where another has a certain value."""

    name: str
    value: Any


@functools.cache
def _spaces() -> tuple[ConfigurationSpace, ConfigurationSpace]:
    """The published spaces, of hyperparameters and of architectures."""
    return DQN.get_hpo_config_space(), DQN.get_nas_config_space()


@functools.cache
def _entries() -> Mapping[str, Any]:
    hpo_space, nas_space = _spaces()
    return {**hpo_space, **nas_space}


@functools.cache
def conditions() -> Mapping[str, Condition]:
    """The conditions of the published space, by the name of what they concern."""
    return {
        condition.child.name: Condition(condition.parent.name, condition.value)
        for condition in _spaces()[0].conditions
        if isinstance(condition, EqualsCondition)
    }


def names() -> list[str]:
    """Every hyperparameter and architecture choice."""
    return list(_entries())


def scale_of(name: str) -> Literal["linear", "log", "choice"]:
    """How the values of a hyperparameter lie to each other."""
    entry = _entries()[name]
    if isinstance(entry, CategoricalHyperparameter):
        return "choice"
    return "log" if entry.log else "linear"


def split(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The hyperparameters and the architecture choices of a configuration."""
    hpo_space, _ = _spaces()
    hpo_config = {k: v for k, v in config.items() if k in hpo_space}
    return hpo_config, {k: v for k, v in config.items() if k not in hpo_space}


def complete(values: Mapping[str, Any]) -> dict[str, Any]:
    """The whole configuration: defaults for what is missing, None or inactive.

    So configurations that are equal in what is active are equal.

    Raises:
        ConfigurationError: If a name is unknown or a value impossible.
    """
    known_names(values, names(), "hyperparameter")
    config: dict[str, Any] = {}
    for given, space in zip(split(values), _spaces(), strict=True):
        config |= resolve(given, space, "hyperparameter")
    for name, condition in conditions().items():
        if config[condition.name] != condition.value:
            config[name] = check_value(name, _entries()[name].default_value)
    return config


def parse_dimension(name: str, text: str) -> Any | Choices | Range:
    """What the text of a word says about a hyperparameter: one value, several, or a range.

    Raises:
        ConfigurationError: If the name is unknown, or the text contradicts itself or the
            hyperparameter.
    """
    known_names([name], names(), "hyperparameter")
    if _RANGE in text:
        return _parse_range(name, text)
    if _LIST in text:
        return _parse_choices(name, text)
    return check_value(name, parse_value(text))


def search_space(words: Mapping[str, str]) -> SearchSpace:
    """The published space, narrowed and fixed by words; architecture varies only if named.

    Raises:
        ConfigurationError: If a word is impossible, or nothing is left to search.
    """
    named = {name: parse_dimension(name, text) for name, text in words.items()}
    space = _separate({**_published(), **named})
    inactive = _never_active(space)
    for name, condition in inactive.items():
        if name in named:
            raise ConfigurationError(
                f"{name} counts only where {condition.name} is {condition.value}, and that is "
                f"fixed to {space.fixed[condition.name]}; leave one of the two out."
            )
    varied = {k: v for k, v in space.varied.items() if k not in inactive}
    if not varied:
        raise ConfigurationError(
            "The space is empty: every hyperparameter is fixed; leave one out, or give one a "
            "range as in learning_rate=1e-5..1e-2."
        )
    return SearchSpace(varied, space.fixed)


def listed_values(words: Mapping[str, str]) -> dict[str, tuple[Any, ...]]:
    """Every value of what is named in words, of which something must have several.

    Raises:
        ConfigurationError: If a word is impossible, a range has no end of values, or
            nothing has several.
    """
    named = {name: parse_dimension(name, text) for name, text in words.items()}
    if not any(isinstance(dimension, (Choices, Range)) for dimension in named.values()):
        raise ConfigurationError(
            "The grid is empty: no hyperparameter has several values; list some as in "
            "learning_rate=1e-4,1e-3."
        )
    return {name: _listed(name, dimension) for name, dimension in named.items()}


def _separate(dimensions: Mapping[str, Any]) -> SearchSpace:
    varied = {k: v for k, v in dimensions.items() if isinstance(v, (Choices, Range))}
    return SearchSpace(varied, {k: v for k, v in dimensions.items() if k not in varied})


def _published() -> dict[str, Choices | Range]:
    return {name: _dimension(entry) for name, entry in _spaces()[0].items()}


def _dimension(entry: Any) -> Choices | Range:
    if isinstance(entry, CategoricalHyperparameter):
        return Choices(tuple(check_value(entry.name, choice) for choice in entry.choices))
    return Range(entry.lower, entry.upper, entry.log)


def _never_active(space: SearchSpace) -> dict[str, Condition]:
    return {
        name: condition
        for name, condition in conditions().items()
        if space.fixed.get(condition.name, condition.value) != condition.value
    }


def _parse_range(name: str, text: str) -> Range:
    ends = text.split(_RANGE)
    if len(ends) != 2 or not all(ends) or _LIST in text:
        raise ConfigurationError(f"'{name}={text}' is no range; write {name}=LOW..HIGH.")
    entry = _entries()[name]
    if isinstance(entry, CategoricalHyperparameter):
        listed = _LIST.join(str(choice) for choice in entry.choices)
        raise ConfigurationError(
            f"{name} takes separate values, so it has no range {text}; list them as in "
            f"{name}={listed}."
        )
    low, high = (check_value(name, parse_value(end)) for end in ends)
    if low >= high:
        raise ConfigurationError(
            f"The range {name}={text} is empty, because {ends[0]} is not below {ends[1]}; write "
            "the lower end first."
        )
    return Range(low, high, entry.log)


def _parse_choices(name: str, text: str) -> Choices:
    items = text.split(_LIST)
    if not all(items):
        raise ConfigurationError(f"'{name}={text}' lacks a value beside a comma; write {name}=a,b.")
    values = [check_value(name, parse_value(item)) for item in items]
    for item, value in zip(items, values, strict=True):
        if values.count(value) > 1:
            raise ConfigurationError(f"'{name}={text}' has {item} twice; keep one of them.")
    return Choices(tuple(values))


def _listed(name: str, dimension: Any) -> tuple[Any, ...]:
    if isinstance(dimension, Choices):
        return dimension.values
    if not isinstance(dimension, Range):
        return (dimension,)
    low, high = dimension.low, dimension.high
    if isinstance(low, float) or isinstance(high, float):
        raise ConfigurationError(
            f"A grid needs separate values, and {name}={low:g}..{high:g} has no end of them; list "
            f"some as in {name}={low:g},{high:g}."
        )
    return tuple(range(low, high + 1))
