"""What is said of an observation that does not fit into its row."""

from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.environments.adapters.host_rows import Rows
from arlbench.core.environments.adapters.host_values import MisfitError

DOUBLES = spaces.Box(-np.inf, np.inf, (2,), np.float64)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1e300, r"gave an observation of 1e\+300, which does not fit into 32 bits"),
        (np.nan, r"of nan, which Box\(-inf, inf, \(2,\), float64\) cannot hold"),
    ],
)
def test_a_number_may_be_in_its_space_but_not_in_32_bits(value: float, said: str) -> None:
    assert DOUBLES.contains(np.array([0, 1e300]))
    with pytest.raises(MisfitError, match=said):
        Rows(DOUBLES).of_one(np.array([0, value]))
