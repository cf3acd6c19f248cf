"""A hyperparameter is declared once; spaces, validation, inputs and tables follow from it.

A declaration says where to search, what is possible, the default, when the hyperparameter
has an effect, and whether it is *structural* (it shapes compiled programs) or *traced* (an
input of them). Once a version was released, a default never changes: files leave out what
has its default, so a file that is older than a hyperparameter stands for its default.
"""

from __future__ import annotations

import dataclasses
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

from arlbench.core.algorithms.possible import INT32_MAX, Possible, in_range
from arlbench.core.checks import known_names
from arlbench.errors import ConfigurationError, did_you_mean

COUNT = Possible(1, INT32_MAX)
COUNT_OR_ZERO = Possible(0, INT32_MAX)
PROBABILITY = Possible(0.0, 1.0)
POSITIVE = Possible(0.0, open_below=True)


class Condition(NamedTuple):
    """Another hyperparameter has a certain value."""

    name: str
    value: Any


@dataclasses.dataclass(frozen=True)
class Hyperparameter:
    """One hyperparameter or architecture choice.

    Attributes:
        type: Of its values: bool, int, float or str.
        default: What it is unless it is given.
        low: Where the search begins; None for separate values.
        high: Where the search ends, included.
        log: Whether to search orders of magnitude evenly.
        choices: The values to search, if they are separate ones.
        possible: Which numbers are possible; None if only ``choices`` are.
        active_if: A condition of its search space: without it, it is inactive.
        counts_if: It has no effect otherwise, though its search space has no condition.
        structural: Whether it shapes compiled programs instead of being their input.
        since: The first file format that knows it.
        name: What it is called.
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
    since: int = 1
    name: str = ""

    @property
    def scale(self) -> Literal["linear", "log", "choice"]:
        """How its values lie to each other."""
        if self.choices:
            return "choice"
        return "log" if self.log else "linear"

    @property
    def effect_if(self) -> Condition | None:
        """When it has an effect; None if always."""
        return self.active_if or self.counts_if

    def is_active(self, values: Mapping[str, Any]) -> bool:
        """Whether its search space has it at these values of others; unknown ones do not count."""
        parent = self.active_if
        if parent is None:
            return True
        value = values.get(parent.name, parent.value)
        return is_tracer(value) or value == parent.value

    def check(self, value: Any) -> Any:
        """The value as a bool, int, float or str; a tracer as it is.

        The range of a tracer cannot be checked.

        Raises:
            ConfigurationError: If it is impossible.
        """
        value = _plain(value)
        if is_tracer(value):
            return self._check_tracer(value)
        if self.type is bool:
            return _to_bool(self.name, value)
        if self.type is str:
            return self._one_of(value)
        return in_range(self.name, self.type, value, self.possible or Possible())

    def as_input(self, value: Any) -> Any:
        """A checked value as an input of a program, a scalar of a fixed type."""
        dtype = _DTYPES[self.type]
        return jnp.asarray(value, dtype) if is_tracer(value) else dtype(value)

    def _check_tracer(self, value: Any) -> Any:
        if self.structural:
            raise ConfigurationError(
                f"{self.name} shapes the compiled program, so it must be a value that is known "
                "when the program is traced; make it a static argument."
            )
        kinds = {bool: jnp.bool_, int: jnp.integer, float: jnp.number}
        if value.shape != () or not jnp.issubdtype(value.dtype, kinds[self.type]):
            raise ConfigurationError(
                f"{self.name} must be a scalar of type {self.type.__name__}, and this traced value "
                f"is {value.dtype}{list(value.shape)}; inside jax.vmap give one member's value."
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


_DTYPES: Mapping[type, Any] = {bool: np.bool_, int: np.int32, float: np.float32}

Declarations = Mapping[str, Hyperparameter]


def whole(low: int, high: int, default: int, possible: Possible = COUNT, **more: Any) -> Any:
    """A whole number; ``more`` are other fields of :class:`Hyperparameter`."""
    return Hyperparameter(int, default, low, high, possible=possible, **more)


def real(low: float, high: float, default: float, possible: Possible, **more: Any) -> Any:
    """A number; ``more`` are other fields of :class:`Hyperparameter`."""
    return Hyperparameter(float, default, low, high, possible=possible, **more)


def flag(default: bool, **more: Any) -> Any:
    """True or False; ``more`` are other fields of :class:`Hyperparameter`."""
    return Hyperparameter(bool, default, choices=(True, False), **more)


def choice(choices: Sequence[Any], default: Any, **more: Any) -> Any:
    """Separate values, numbers or words; ``more`` are other fields of :class:`Hyperparameter`."""
    return Hyperparameter(type(default), default, choices=tuple(choices), **more)


def declared(cls: type) -> dict[str, Hyperparameter]:
    """The hyperparameters that annotate the fields of a class, in order.

    Args:
        cls: Its fields are annotated ``Annotated[Any, declaration]``.
    """
    hints = get_type_hints(cls, include_extras=True)
    return {name: dataclasses.replace(get_args(hint)[1], name=name) for name, hint in hints.items()}


def config_space(name: str, declarations: Declarations, seed: int | None) -> ConfigurationSpace:
    """The declared hyperparameters as a space of ConfigSpace, with their conditions."""
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
    """The value of every declared hyperparameter: given, else current, else default.

    One that is inactive under the others has its default, whatever was given for it.

    Args:
        config: Given values; None stands for none.
        declarations: What there is.
        kind: What an error calls one, such as "hyperparameter".
        current: Values that stay unless one is given.

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
        name: hyperparameter.check(values.get(name, hyperparameter.default))
        for name, hyperparameter in declarations.items()
    }
    return without_inactive(resolved, declarations)


def refuse_misplaced(
    config: Configuration | Mapping[str, Any] | None, elsewhere: Declarations, cure: str
) -> None:
    """Raises if a configuration gives what belongs elsewhere.

    Args:
        config: Given values.
        elsewhere: What does not belong to it.
        cure: What it is and where it belongs, the sentence after its name.

    Raises:
        ConfigurationError: If it does.
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
    """The configuration with defaults for what is inactive.

    So configurations that are equal in what is active are equal.
    """
    return {
        name: value if declarations[name].is_active(config) else declarations[name].default
        for name, value in config.items()
    }


def differing_from_defaults(
    config: Mapping[str, Any], declarations: Declarations
) -> dict[str, Any]:
    """What of a configuration is active and differs from the defaults.

    It is the same before and after a hyperparameter is added, so it identifies a
    configuration in files.
    """
    return {
        name: value
        for name, value in without_inactive(config, declarations).items()
        if value != declarations[name].default
    }


class ReadOnlyConfig(dict[str, Any]):
    """Resolved values by name; an assignment fails and names the method that changes them."""

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
    """The value as a float, if it lies between 0 and 1."""
    return float(in_range(name, float, value, PROBABILITY))


def positive(name: str, value: Any) -> float:
    """The value as a float, if it is finite and greater than 0."""
    return float(in_range(name, float, value, POSITIVE))


def is_tracer(value: Any) -> bool:
    """Whether a value is known only when a program that is being traced runs."""
    return isinstance(value, jax.core.Tracer)


def _plain(value: Any) -> Any:
    """A Python value, if it is a scalar of NumPy or JAX whose value is known."""
    if is_tracer(value):
        return value
    is_scalar = isinstance(value, np.generic) or (
        isinstance(value, jax.Array | np.ndarray) and value.ndim == 0
    )
    return value.item() if is_scalar else value


def _to_bool(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ConfigurationError(f"{name} must be True or False, not {value!r}.")
