"""The space to search: for each hyperparameter one value, several values, or a range.

The user may narrow or fix a hyperparameter with a text ``VALUE``, ``LOW..HIGH``,
``LOW..HIGH:log`` or ``a,b,c``; all others keep their published ranges or their defaults.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from arlbench.core.algorithms.declarations import (
    Condition,
    Declarations,
    Hyperparameter,
    without_extended,
)
from arlbench.core.checks import known_names
from arlbench.core.problem import Problem
from arlbench.core.text_values import parse_value, text_of
from arlbench.errors import ConfigurationError

#: Stands between the ends of a range.
RANGE = ".."
_LIST = ","
_SCALE = ":"
_SCALES = {"log": True, "linear": False}


class Choices(NamedTuple):
    """Separate values, all equally likely.

    Attributes:
        values: At least two, all different.
    """

    values: tuple[Any, ...]


class Range(NamedTuple):
    """All values between two values, both included.

    Attributes:
        low: The lowest value; an int if only integers are allowed.
        high: The highest value, of the same type.
        log: Whether values are equally likely on a logarithmic scale.
    """

    low: int | float
    high: int | float
    log: bool

    @property
    def is_whole(self) -> bool:
        """Whether only integers are allowed."""
        return isinstance(self.low, int) and isinstance(self.high, int)


class SearchSpace(NamedTuple):
    """What a search varies, and what it keeps fixed.

    Attributes:
        varied: The choices and ranges to search, by name.
        fixed: Values by name; names that are in neither mapping have their defaults.
        note: A sentence about names that are ignored; empty if none is.
    """

    varied: Mapping[str, Choices | Range]
    fixed: Mapping[str, Any]
    note: str = ""


def parse_dimension(name: str, text: Any, declarations: Declarations) -> Any | Choices | Range:
    """Parses the user's text for a hyperparameter: one value, several values, or a range.

    Raises:
        ConfigurationError: If the name is unknown, or the text contradicts itself or the
            hyperparameter.
    """
    known_names([name], declarations, "hyperparameter")
    hyperparameter = declarations[name]
    if not isinstance(text, str):
        raise ConfigurationError(
            f"The search text of {name} must be a string such as '1', '1..2' or '1,2', not a value "
            f"of type {type(text).__name__}; put it in quotes."
        )
    if "..." in text:
        raise ConfigurationError(
            f"The range '{text}' of {name} has three dots; write LOW..HIGH, with two dots."
        )
    if RANGE in text:
        return _parse_range(hyperparameter, text)
    if _LIST in text:
        return _parse_choices(hyperparameter, text)
    return hyperparameter.check(parse_value(text))


def search_space(problem: Problem, words: Mapping[str, str]) -> SearchSpace:
    """The published space, narrowed by the user's texts; architecture varies only if it is named.

    Hyperparameters that the problem fixes vary only if they are named. Hyperparameters that can
    never be active are ignored.

    Raises:
        ConfigurationError: If a text is impossible, or nothing is left to search.
    """
    declarations = problem.declarations
    named = {name: parse_dimension(name, text, declarations) for name, text in words.items()}
    fixed = {**problem.hpo_config, **problem.nas_config}
    published = _published(without_extended(problem.algorithm_class.hyperparameters()))
    space = _separate({**published, **fixed, **named})
    inactive = _never_active(space, declarations)
    ignored = {
        name: why_ignored(name, condition) for name, condition in inactive.items() if name in named
    }
    varied = {k: v for k, v in space.varied.items() if k not in inactive}
    if not varied:
        ranges = [why for name, why in ignored.items() if name in space.varied]
        raise ConfigurationError(_empty(declarations, ranges))
    return SearchSpace(varied, space.fixed, " ".join(f"{why}." for why in ignored.values()))


def _empty(declarations: Declarations, ignored: Sequence[str]) -> str:
    """Says that nothing is left to search; ``ignored`` says why given ranges do not count."""
    why, cure = "every hyperparameter is fixed", "leave one out, or give one"
    if ignored:
        why, cure = ", and ".join(ignored), "choose this value, or give another hyperparameter"
    return f"The space is empty: {why}; {cure} a range{_example(declarations, RANGE)}."


def extended_words(problem: Problem) -> dict[str, str]:
    """The texts that also search every hyperparameter that only the extended space has."""
    declarations = problem.algorithm_class.hyperparameters()
    return {
        name: _text_of(declared) for name, declared in declarations.items() if declared.extended
    }


def _text_of(declared: Hyperparameter) -> str:
    if declared.choices:
        return listing(declared.choices)
    scale = f"{_SCALE}log" if declared.log else ""
    return f"{declared.low}{RANGE}{declared.high}{scale}"


def listing(values: Iterable[Any]) -> str:
    """The text for values of a hyperparameter."""
    return _LIST.join(map(text_of, values))


def between(low: float, high: float, log: bool) -> str:
    """The text for a range on a scale."""
    return f"{low}{RANGE}{high}{_SCALE}{'log' if log else 'linear'}"


def with_options(problem: Problem, space: SearchSpace) -> Problem:
    """The problem, with options that make one program fit the whole space.

    Options that the problem has already take precedence, so a study keeps those that it began with.
    """
    return _with_options(problem, possible_in(space.varied, space.fixed))


def possible_in(
    varied: Mapping[str, Choices | Range], fixed: Mapping[str, Any]
) -> dict[str, Sequence[Any]]:
    """All choices, both ends of the range, or the only value of each hyperparameter."""
    possible: dict[str, Sequence[Any]] = {name: (value,) for name, value in fixed.items()}
    for name, where in varied.items():
        possible[name] = where.values if isinstance(where, Choices) else (where.low, where.high)
    return possible


def with_options_of(problem: Problem, configs: Sequence[Mapping[str, Any]]) -> Problem:
    """The problem, with options that make one program fit all of these configurations."""
    names = {name for config in configs for name in config}
    possible = {name: [config[name] for config in configs if name in config] for name in names}
    return _with_options(problem, possible)


def _with_options(problem: Problem, possible: Mapping[str, Sequence[Any]]) -> Problem:
    found = problem.algorithm_class.options_for_space(possible)
    return problem.replace(options={**found, **problem.options}) if found else problem


def listed_values(problem: Problem, words: Mapping[str, str]) -> dict[str, tuple[Any, ...]]:
    """All values of each named hyperparameter; at least one hyperparameter must have several.

    Raises:
        ConfigurationError: If a text is impossible, a range has infinitely many values, or no
            hyperparameter has several values.
    """
    declarations = problem.declarations
    named = {name: parse_dimension(name, text, declarations) for name, text in words.items()}
    if not any(isinstance(dimension, (Choices, Range)) for dimension in named.values()):
        raise ConfigurationError(
            "The grid is empty: no hyperparameter has several values; list some"
            f"{_example(declarations, _LIST)}."
        )
    return {name: _listed(name, dimension) for name, dimension in named.items()}


def _example(declarations: Declarations, between: str) -> str:
    """An example of how to write several values, as the end of a sentence."""
    ranged = [h for h in declarations.values() if not h.choices]
    # A hyperparameter on a logarithmic scale, if one exists, is the best example.
    for hyperparameter in sorted(ranged, key=lambda h: not h.log):
        low, high = hyperparameter.low, hyperparameter.high
        return f" as in {hyperparameter.name}={low:g}{between}{high:g}"
    return ""


def _separate(dimensions: Mapping[str, Any]) -> SearchSpace:
    varied = {k: v for k, v in dimensions.items() if isinstance(v, (Choices, Range))}
    return SearchSpace(varied, {k: v for k, v in dimensions.items() if k not in varied})


def _published(declarations: Declarations) -> dict[str, Choices | Range]:
    """All dimensions, sorted by name, but each after those on which it depends.

    The order decides which coordinate of a sampler's points a dimension gets, so it must never
    change, and it does not depend on the order of declarations.
    """
    names = sorted(declarations, key=lambda name: (_depth(name, declarations), name))
    return {name: _dimension(declarations[name]) for name in names}


def _depth(name: str, declarations: Declarations) -> int:
    condition = declarations[name].active_if
    return 0 if condition is None else 1 + _depth(condition.name, declarations)


def _dimension(hyperparameter: Hyperparameter) -> Choices | Range:
    if hyperparameter.choices:
        return Choices(tuple(hyperparameter.check(choice) for choice in hyperparameter.choices))
    low, high = (hyperparameter.type(end) for end in (hyperparameter.low, hyperparameter.high))
    return Range(low, high, hyperparameter.log)


def why_ignored(name: str, condition: Condition) -> str:
    """Says that a hyperparameter has no effect, because its condition is not met."""
    return f"{name} is ignored, because it counts only if {condition.name} is {condition.value}"


def _never_active(space: SearchSpace, declarations: Declarations) -> dict[str, Condition]:
    conditions = {name: declared.active_if for name, declared in declarations.items()}
    return {
        name: condition
        for name, condition in conditions.items()
        if condition is not None and not _may_be_met(condition, space, declarations)
    }


def _may_be_met(condition: Condition, space: SearchSpace, declarations: Declarations) -> bool:
    name, value = condition
    varied = space.varied.get(name)
    if varied is None:
        return bool(space.fixed.get(name, declarations[name].default) == value)
    return isinstance(varied, Range) or value in varied.values


def _parse_range(hyperparameter: Hyperparameter, text: str) -> Range:
    name = hyperparameter.name
    within, colon, scale = text.partition(_SCALE)
    ends = within.split(RANGE)
    if colon and scale not in _SCALES:
        raise ConfigurationError(
            f"'{scale}' in '{name}={text}' is not a scale; write {name}=LOW..HIGH:log or :linear."
        )
    if len(ends) != 2 or not all(ends) or _LIST in text:
        raise ConfigurationError(f"'{name}={text}' is not a range; write {name}=LOW..HIGH.")
    if hyperparameter.choices:
        raise ConfigurationError(
            f"{name} takes separate values, so it cannot have the range {text}; list them as in "
            f"{name}={listing(hyperparameter.choices)}."
        )
    low, high = (hyperparameter.check(parse_value(end)) for end in ends)
    if low >= high:
        raise ConfigurationError(
            f"The range {name}={text} is empty, because {ends[0]} is not below {ends[1]}; write "
            "the lower end first."
        )
    log = _SCALES[scale] if colon else hyperparameter.log
    if log and low <= 0:
        raise ConfigurationError(
            f"The range {name}={text} cannot be searched on a logarithmic scale, because it begins "
            f"at {ends[0]}; begin above 0, or write :linear."
        )
    return Range(low, high, log)


def _parse_choices(hyperparameter: Hyperparameter, text: str) -> Choices:
    name, items = hyperparameter.name, text.split(_LIST)
    if not all(items):
        raise ConfigurationError(
            f"'{name}={text}' lacks a value next to a comma; write {name}=a,b."
        )
    values = [hyperparameter.check(parse_value(item)) for item in items]
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
            f"A grid needs separate values, but {name}={low:g}..{high:g} has infinitely many; list "
            f"some as in {name}={low:g},{high:g}."
        )
    return tuple(range(low, high + 1))
