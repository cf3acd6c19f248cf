"""Converts Python values and ConfigSpace spaces to texts that say where to search.

Files keep these texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ConfigSpace import (
    CategoricalHyperparameter,
    ConfigurationSpace,
    Constant,
    EqualsCondition,
    InCondition,
    OrdinalHyperparameter,
    UniformFloatHyperparameter,
    UniformIntegerHyperparameter,
)

from arlbench.core.algorithms.declarations import Declarations, Hyperparameter, without_extended
from arlbench.core.checks import as_python, known_names
from arlbench.core.problem import Problem
from arlbench.core.text_values import text_of
from arlbench.errors import ConfigurationError
from arlbench.experiments.space import RANGE, between, listing

#: Where to search, by hyperparameter: a text, a value, a tuple of the ends of a range, or a list of
#: choices. Alternatively a space.
Where = Mapping[str, Any] | ConfigurationSpace


def in_texts(problem: Problem, where: Where | None) -> tuple[Problem, dict[str, str]]:
    """The problem and the texts with which a search varies the hyperparameters of a space.

    Published hyperparameters that are not in the space are fixed by the returned problem, at the
    values that they have in the given one. If ``where`` is a mapping, the problem is the same.

    Raises:
        ConfigurationError: If a hyperparameter of the space is unknown, if a hyperparameter, a
            condition or a forbidden clause cannot be searched, or if a value has no text.
    """
    if not isinstance(where, ConfigurationSpace):
        return problem, _texts(where)
    declarations = problem.declarations
    known_names(where, declarations, "hyperparameter")
    _check_conditions(where, declarations)
    texts = {name: _text(declarations[name], where[name]) for name in where}
    known = problem.resolve()
    published = without_extended(problem.algorithm_class.hyperparameters())
    rest = {name: known[name] for name in published if name not in texts}
    return problem.replace(hpo_config={**problem.hpo_config, **rest}), texts


def _texts(where: Any) -> dict[str, str]:
    try:
        given = dict(where or {})
    except (TypeError, ValueError):
        raise ConfigurationError(
            "The search space must map hyperparameter names to ranges, such as {NAME: (0.9, 1)}, "
            f"or be a ConfigurationSpace, not {where!r}."
        ) from None
    return {name: _text_of_value(name, value) for name, value in given.items()}


def _text_of_value(name: str, value: Any) -> str:
    """The text for a value that a user gives: a text, a scalar, ``(low, high)`` or a list."""
    plain = as_python(value)
    if _is_scalar(plain):
        return text_of(plain)
    several = [as_python(each) for each in plain] if isinstance(plain, list | tuple) else []
    if isinstance(plain, tuple) and len(several) == 2 and all(map(_is_number, several)):
        low, high = several
        return f"{low}{RANGE}{high}"
    if isinstance(plain, list) and several and all(map(_is_scalar, several)):
        return listing(several)
    raise ConfigurationError(
        f"The space of {name} must be a value, (LOW, HIGH), a list of values, or a string such as "
        f"'1', '1..2' or '1,2', not {value!r}."
    )


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_conditions(space: ConfigurationSpace, declarations: Declarations) -> None:
    """Raises if a space has forbidden clauses, or conditions that are not the algorithm's own."""
    if space.forbidden_clauses:
        raise ConfigurationError(
            "A ConfigurationSpace with forbidden clauses cannot be searched; remove them (the "
            f"first is '{space.forbidden_clauses[0]}')."
        )
    for condition in space.conditions:
        if not _is_ours(condition, declarations):
            raise ConfigurationError(
                f"The ConfigurationSpace has the condition '{condition}', which is not one of the "
                "algorithm's own conditions; leave it out."
            )


def _is_ours(condition: Any, declarations: Declarations) -> bool:
    if isinstance(condition, EqualsCondition):
        values = [condition.value]
    elif isinstance(condition, InCondition):
        values = list(condition.values)
    else:
        return False
    own = declarations[condition.child.name].effect_if
    return own is not None and condition.parent.name == own.name and values == [own.value]


def _text(declared: Hyperparameter, found: Any) -> str:
    """The text that describes a hyperparameter of a space."""
    if isinstance(found, Constant):
        return listing([declared.check(found.value)])
    if isinstance(found, OrdinalHyperparameter):
        return _choices(declared, found.sequence)
    if isinstance(found, CategoricalHyperparameter):
        if len(set(found.probabilities)) > 1:
            raise ConfigurationError(
                f"{found.name} has choices of unequal weights, which cannot be searched; leave "
                "the weights out."
            )
        return _choices(declared, found.choices)
    return _range(declared, found)


def _choices(declared: Hyperparameter, values: Sequence[Any]) -> str:
    return listing(declared.check(value) for value in values)


def _range(declared: Hyperparameter, found: Any) -> str:
    kinds = {float: UniformFloatHyperparameter, int: UniformIntegerHyperparameter}
    # Older versions of ConfigSpace have quantised numbers.
    uniform = isinstance(found, tuple(kinds.values())) and getattr(found, "q", None) is None
    if not uniform:
        raise ConfigurationError(
            f"{found.name} is a {type(found).__name__}, which cannot be searched; use a uniform "
            "Float or Integer, a Categorical or a Constant."
        )
    if declared.type in kinds and not isinstance(found, kinds[declared.type]):
        needed = "a Float" if declared.type is float else "an Integer"
        raise ConfigurationError(
            f"{found.name} is a {type(found).__name__}, but its values are of type "
            f"{declared.type.__name__}; use {needed}."
        )
    return between(found.lower, found.upper, found.log)
