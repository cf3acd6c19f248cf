"""How returns are written for people, and as JSON."""

from __future__ import annotations

import math
from typing import SupportsFloat


def written(value: SupportsFloat) -> str:
    """A return with one decimal, or three if it is small, as returns in grid worlds are."""
    return together(value)[0]


def together(*values: SupportsFloat) -> list[str]:
    """Returns shown next to each other, all with the same number of decimals."""
    numbers = [float(value) for value in values]
    decimals = 3 if max(map(abs, numbers)) < 2 else 1
    return [f"{number:.{decimals}f}" for number in numbers]


def finite_or_none(value: SupportsFloat) -> float | None:
    """None instead of NaN and infinity, which JSON does not have."""
    number = float(value)
    return number if math.isfinite(number) else None
