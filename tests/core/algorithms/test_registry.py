"""Algorithms by name."""

from __future__ import annotations

import pytest

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.registry import DEFAULT_ALGORITHM, algorithm_class
from arlbench.errors import ConfigurationError


def test_a_class_is_found_by_the_name_it_bears() -> None:
    assert algorithm_class("dqn") is DQN
    assert algorithm_class(DQN.name) is DQN
    assert algorithm_class(DEFAULT_ALGORITHM) is DQN


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(ConfigurationError, match=r"Unknown algorithm 'dqqn'. Did you mean 'dqn'"):
        algorithm_class("dqqn")
