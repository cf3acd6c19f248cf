"""How returns are written."""

from __future__ import annotations

import numpy as np
import pytest

from arlbench.report.numbers import finite_or_none, together, written


@pytest.mark.parametrize(
    ("value", "text"), [(500, "500.0"), (-78.26, "-78.3"), (2, "2.0"), (0.9649, "0.965")]
)
def test_small_returns_have_three_decimals(value, text) -> None:
    assert written(value) == text


def test_returns_next_to_each_other_have_the_same_number_of_decimals() -> None:
    assert together(-0.1, 8.1) == ["-0.1", "8.1"]
    assert together(0.96, 0.9, 1.1) == ["0.960", "0.900", "1.100"]


def test_json_has_neither_nan_nor_infinity() -> None:
    values = np.float32([0.5, np.nan, np.inf, -np.inf])
    assert list(map(finite_or_none, values)) == [0.5, None, None, None]
