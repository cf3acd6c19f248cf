"""Declarations of hyperparameters, the source of spaces, checks, programs' inputs and tables.

A declaration gives the range to search, the possible values, the default, when the
hyperparameter has an effect, and whether it is *structural* (it shapes compiled programs) or
*traced* (an input of them). A default never changes once it has been released, because files
leave out values that equal their defaults. For the same reason, a file that is older than a
hyperparameter stands for its default.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, NoReturn, get_args, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
from ConfigSpace import (
    Categorical,
    Configuration,
    ConfigurationSpace,
    EqualsCondition,
    Float,
    Integer,
)

from arlbench.core.algorithms.possible import Possible, in_range
from arlbench.core.checks import INT32_MAX, known_names, true_or_false
from arlbench.errors import ConfigurationError, did_you_mean

COUNT = Possible(1, INT32_MAX)
COUNT_OR_ZERO = Possible(0, INT32_MAX)
PROBABILITY = Possible(0.0, 1.0)
POSITIVE = Possible(0.0, open_below=True)


class Condition(NamedTuple):
    """The condition that another hyperparameter has a certain value."""

    name: str
    value: Any


@dataclasses.dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter or architecture choice.

    Attributes:
        type: The type of its values: bool, int, float or str.
        default: Its value if none is given.
        low: The lower end of the range to search; None for separate values.
        high: The upper end of the range to search, included.
        log: Whether to search on a logarithmic scale.
        choices: The values to search, if they are separate values.
        possible: Which numbers are possible; None if only ``choices`` are.
        active_if: A condition in its search space; if it is not met, the hyperparameter is
            inactive.
        counts_if: A condition without which it has no effect, although it is not a condition
            in its search space.
        structural: Whether it shapes compiled programs instead of being their input.
        extended: Whether only the extended space has it.
        since: The first file format that contains it.
        name: Its name.
    """

    type: type
    default: Any
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()
    possible: Possible | None = None
    active_if: Condition | None = None
    counts_if: Condition | None = None
    structural: bool = False
    extended: bool = False
    since: int = 1
    name: str = ""

    @property
    def scale(self) -> Literal["linear", "log", "choice"]:
        """The scale of its values."""
        if self.choices:
            return "choice"
        return "log" if self.log else "linear"

    @property
    def effect_if(self) -> Condition | None:
        """The condition under which it has an effect; None if it always does."""
        return self.active_if or self.counts_if

    @functools.cached_property
    def checked_default(self) -> Any:
        """The default, as ``check`` returns it."""
        return self.check(self.default)

    def is_active(self, values: Mapping[str, Any]) -> bool:
        """Whether the other values make it active; a parent without a value is assumed to."""
        parent = self.active_if
        if parent is None:
            return True
        value = values.get(parent.name, parent.value)
        return is_tracer(value) or value == parent.value

    def check(self, value: Any) -> Any:
        """Returns the value as a bool, int, float or str; a tracer is returned unchanged.

        The range of a tracer cannot be checked.

        Raises:
            ConfigurationError: If the value is impossible.
        """
        if is_tracer(value):
            return self._check_tracer(value)
        value = _plain(value)
        if self.type is bool:
            return true_or_false(self.name, value)
        if self.type is str:
            return self._one_of(value)
        return in_range(self.name, self.type, value, self.possible or Possible())

    def as_input(self, value: Any) -> Any:
        """A checked value as an input of a program: a scalar with a fixed type.

        A word becomes its index among the choices.
        """
        dtype = _DTYPES[self.type]
        if isinstance(value, str):
            value = self.choices.index(value)
        return jnp.asarray(value, dtype) if is_tracer(value) else dtype(value)

    def _check_tracer(self, value: Any) -> Any:
        if self.structural:
            raise ConfigurationError(
                f"{self.name} shapes the compiled program, so it must be a value that is known "
                "when the program is traced; make it a static argument."
            )
        kinds = {bool: jnp.bool_, int: jnp.integer, float: jnp.number, str: jnp.integer}
        if value.shape != () or not jnp.issubdtype(value.dtype, kinds[self.type]):
            raise ConfigurationError(
                f"{self.name} must be a scalar of type {self.type.__name__}, but this traced value "
                f"is {value.dtype}{list(value.shape)}; inside jax.vmap, give one member's value."
            )
        return value

    def _one_of(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ConfigurationError(f"{self.name} must be a word, not {value!r}.")
        if value not in self.choices:
            raise ConfigurationError(
                f"{self.name} must be one of {', '.join(self.choices)}, not {value!r}."
                f"{did_you_mean(value, self.choices)}"
            )
        return str(value)


_DTYPES: Mapping[type, Any] = {bool: np.bool_, int: np.int32, float: np.float32, str: np.int32}

Declarations = Mapping[str, Hyperparameter]


def whole(low: int, high: int, default: int, possible: Possible = COUNT, **more: Any) -> Any:
    """Declares a whole number; ``more`` are other fields of :class:`Hyperparameter`."""
    return Hyperparameter(int, default, low, high, possible=possible, **more)


def real(low: float, high: float, default: float, possible: Possible, **more: Any) -> Any:
    """Declares a number; ``more`` are other fields of :class:`Hyperparameter`."""
    return Hyperparameter(float, default, low, high, possible=possible, **more)


def flag(default: bool, **more: Any) -> Any:
    """Declares True or False; ``more`` are other fields of :class:`Hyperparameter`."""
    return Hyperparameter(bool, default, choices=(True, False), **more)


def choice(choices: Sequence[Any], default: Any, **more: Any) -> Any:
    """Declares separate values; ``more`` are other fields of :class:`Hyperparameter`."""
    return Hyperparameter(type(default), default, choices=tuple(choices), **more)


def declared(cls: type) -> dict[str, Hyperparameter]:
    """The hyperparameters that annotate the fields of a class, in order.

    Args:
        cls: A class; fields that are annotated ``Annotated[Any, declaration]`` are declared.
    """
    hints = {
        name: get_args(hint) for name, hint in get_type_hints(cls, include_extras=True).items()
    }
    found = {name: args[1] for name, args in hints.items() if len(args) > 1}
    return {
        name: dataclasses.replace(declaration, name=name)
        for name, declaration in found.items()
        if isinstance(declaration, Hyperparameter)
    }


def without_extended(declarations: Declarations) -> dict[str, Hyperparameter]:
    """The declarations of the published space."""
    return {name: declared for name, declared in declarations.items() if not declared.extended}


def possible_values(declarations: Declarations) -> dict[str, tuple[Any, ...]]:
    """All choices of each hyperparameter, or both ends of its range."""
    return {
        name: declared.choices or (declared.low, declared.high)
        for name, declared in declarations.items()
    }


def config_space(name: str, declarations: Declarations, seed: int | None) -> ConfigurationSpace:
    """The declared hyperparameters as a ConfigSpace space, with their conditions."""
    space = ConfigurationSpace(name=name, seed=seed)
    entries = {key: _entry(hyperparameter) for key, hyperparameter in declarations.items()}
    conditions = [
        EqualsCondition(entries[key], entries[parent.name], parent.value)
        for key, hyperparameter in declarations.items()
        if (parent := hyperparameter.active_if) is not None
    ]
    space.add(*entries.values(), *conditions)
    return space


def _entry(hyperparameter: Hyperparameter) -> Any:
    name, default = hyperparameter.name, hyperparameter.default
    if hyperparameter.choices:
        return Categorical(name, list(hyperparameter.choices), default=default)
    number = Integer if hyperparameter.type is int else Float
    bounds: Any = (hyperparameter.low, hyperparameter.high)
    return number(name, bounds, default=default, log=hyperparameter.log)


def resolve(
    config: Configuration | Mapping[str, Any] | None,
    declarations: Declarations,
    kind: str,
    current: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The value of every declared hyperparameter: the given, else the current, else the default.

    A hyperparameter that the other values make inactive gets its default, whatever was given.

    Args:
        config: Given values; None if no values are given.
        declarations: All declarations, by name.
        kind: The word for one of them in errors, such as "hyperparameter".
        current: Values that are kept unless another one is given.

    Raises:
        ConfigurationError: If a name is unknown or a value impossible.
    """
    if config is not None and not isinstance(config, Mapping):
        raise ConfigurationError(
            f"A configuration must be a Configuration or a mapping, not a {type(config).__name__}."
        )
    given = {k: v for k, v in dict(config or {}).items() if v is not None}
    known_names(given, declarations, kind)
    values = {**(current or {}), **given}
    resolved = {
        name: declared.check(values[name]) if name in values else declared.checked_default
        for name, declared in declarations.items()
    }
    return without_inactive(resolved, declarations)


def refuse_misplaced(
    config: Configuration | Mapping[str, Any] | None, elsewhere: Declarations, cure: str
) -> None:
    """Raises if a configuration gives values that belong in another configuration.

    Args:
        config: Given values.
        elsewhere: Declarations that belong in another configuration.
        cure: The rest of the sentence after the name: what it is and where it belongs.

    Raises:
        ConfigurationError: If a value belongs elsewhere.
    """
    given = config if isinstance(config, Mapping) else {}
    for name, value in given.items():
        if name in elsewhere and value is not None:
            raise ConfigurationError(f"{name} {cure}.")


def inputs(config: Mapping[str, Any], declarations: Declarations) -> dict[str, Any]:
    """A resolved configuration as inputs of a program: scalars of fixed types, by name.

    A structural hyperparameter is None, which is not an input.
    """
    return {
        name: None if hyperparameter.structural else hyperparameter.as_input(config[name])
        for name, hyperparameter in declarations.items()
    }


def without_inactive(config: Mapping[str, Any], declarations: Declarations) -> dict[str, Any]:
    """The configuration with the defaults of inactive hyperparameters.

    Configurations that differ only in inactive hyperparameters become equal.
    """
    return {
        name: value if declarations[name].is_active(config) else declarations[name].default
        for name, value in config.items()
    }


def differing_from_defaults(
    config: Mapping[str, Any], declarations: Declarations
) -> dict[str, Any]:
    """The values of a configuration that are active and differ from the defaults.

    They stay the same when a new hyperparameter is added, so they identify a configuration
    in files.
    """
    return {
        name: value
        for name, value in without_inactive(config, declarations).items()
        if value != declarations[name].default
    }


class ReadOnlyConfig(dict[str, Any]):
    """Resolved values by name; an assignment raises an error that names the method to use."""

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise ConfigurationError(
            "A configuration of an algorithm is read-only; change it with update_hpo_config({...})."
        )

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return (ReadOnlyConfig, (dict(self),))

    def copy(self) -> dict[str, Any]:
        """An ordinary dict of the values."""
        return dict(self)


def probability(name: str, value: Any) -> float:
    """Returns the value as a float, after checking that it is between 0 and 1."""
    return float(in_range(name, float, value, PROBABILITY))


def positive(name: str, value: Any) -> float:
    """Returns the value as a float, after checking that it is finite and greater than 0."""
    return float(in_range(name, float, value, POSITIVE))


def is_tracer(value: Any) -> bool:
    """Whether a value is only known when the traced program runs."""
    return isinstance(value, jax.core.Tracer)


def differs(value: Any, default: Any) -> bool:
    """Whether a value differs from the default; a tracer is assumed to differ."""
    return is_tracer(value) or bool(value != default)


def _plain(value: Any) -> Any:
    """A NumPy or JAX scalar as a Python value; other values, which are not tracers, unchanged."""
    # The usual case first: populations have thousands of members with dozens of values each.
    if type(value) in _DTYPES:
        return value
    is_scalar = isinstance(value, np.generic) or (
        isinstance(value, jax.Array | np.ndarray) and value.ndim == 0
    )
    return value.item() if is_scalar else value
