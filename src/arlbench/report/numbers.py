"""How returns are written for people."""

from __future__ import annotations

from typing import SupportsFloat


def written(value: SupportsFloat) -> str:
    """A return with one decimal, or three if it is small, as returns in grid worlds are."""
    return together(value)[0]


def together(*values: SupportsFloat) -> list[str]:
    """Returns shown next to each other, all with the same number of decimals."""
    numbers = [float(value) for value in values]
    decimals = 3 if max(map(abs, numbers)) < 2 else 1
    return [f"{number:.{decimals}f}" for number in numbers]
