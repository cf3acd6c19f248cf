"""The numbers that are possible for a hyperparameter."""

from __future__ import annotations

import math
import numbers
from typing import Any, NamedTuple

import numpy as np

from arlbench.core.checks import INT32_MAX
from arlbench.errors import ConfigurationError

_FLOAT32_MAX = float(np.finfo(np.float32).max)

# Smaller positive numbers, the subnormal ones, are 0 in programs that XLA compiles.
_FLOAT32_TINY = np.finfo(np.float32).tiny


class Possible(NamedTuple):
    """The numbers that are possible for a hyperparameter: a wider range than the one to search.

    Attributes:
        lower: The smallest number.
        upper: The largest number.
        open_below: Whether ``lower`` itself is excluded.
    """

    lower: float = -math.inf
    upper: float = math.inf
    open_below: bool = False


def in_range(name: str, kind: type, value: Any, possible: Possible) -> Any:
    """Returns the value as an int or a float, after checking it.

    Raises:
        ConfigurationError: If it is not possible.
    """
    converted = (_to_int if kind is int else _to_float)(name, value)
    smallest = _in_program(converted) if isinstance(converted, float) else converted
    below = smallest <= possible.lower if possible.open_below else smallest < possible.lower
    if below or converted > possible.upper:
        as_zero = ", which programs round to 0" if below and converted > possible.lower else ""
        raise ConfigurationError(
            f"{name} must be {_range_text(possible)}, not {_short(value)}{as_zero}."
        )
    return converted


def _in_program(number: float) -> np.float32:
    """The number as compiled programs see it: with 32 bits, and 0 instead of a subnormal one."""
    rounded = np.float32(number)
    return np.float32(0.0) if 0.0 < rounded < _FLOAT32_TINY else rounded


def _to_int(name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ConfigurationError(f"{name} must be a whole number, not {value!r}.")


def _to_float(name: str, value: Any) -> float:
    is_number = isinstance(value, float | numbers.Real) and not isinstance(value, bool)
    if is_number and abs(value) <= _FLOAT32_MAX:
        return float(value)
    # A whole number may be too large for any float, and then only comparisons are possible.
    too_large = " of 32 bits" if is_number and _FLOAT32_MAX < abs(value) < math.inf else ""
    raise ConfigurationError(f"{name} must be a finite number{too_large}, not {_short(value)}.")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:20]}… ({len(text)} characters)"


def _range_text(possible: Possible) -> str:
    if possible.open_below:
        return f"greater than {possible.lower:g}"
    if possible.upper == math.inf:
        return f"at least {possible.lower:g}"
    if possible.upper == INT32_MAX:
        return f"at least {possible.lower:g} and at most {INT32_MAX}"
    return f"between {possible.lower:g} and {possible.upper:g}"
