"""Checks of what wrappers are given."""

from __future__ import annotations

import math
import numbers
from typing import Any

from arlbench.errors import ConfigurationError


def finite(name: str, value: Any) -> float:
    """The value as a float, if it is a finite number."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise ConfigurationError(f"{name} must be a finite number, not {value!r}.")
    return float(value)
