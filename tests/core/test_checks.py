"""Checks of arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arlbench.core.checks import known_names, positive_whole
from arlbench.errors import ConfigurationError


@pytest.mark.parametrize("value", [1, 1.0, np.int64(1), np.float32(1)])
def test_a_whole_number_may_be_written_in_any_way(value: Any) -> None:
    whole = positive_whole("n", value)
    assert whole == 1
    assert type(whole) is int


@pytest.mark.parametrize("value", [0, -1, 0.5, True, "1", None, 2**31, float("inf"), float("nan")])
def test_anything_else_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^n must be a positive whole number"):
        positive_whole("n", value)


def test_the_limit_may_be_another_or_none() -> None:
    assert positive_whole("n", 2**31, at_most=None) == 2**31
    assert positive_whole("n", 1e10, at_most=None) == 10**10
    for wrong in (0, -1, 0.5, True, None, float("inf")):
        with pytest.raises(ConfigurationError, match=r"^n must be a positive whole number, not"):
            positive_whole("n", wrong, at_most=None)
    with pytest.raises(ConfigurationError, match=r"^n must be .* number of at most 5, not 6"):
        positive_whole("n", 6, at_most=5)


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    known_names(["gamma"], ["gamma", "tau"], "hyperparameter")
    with pytest.raises(ConfigurationError, match=r"mean 'grid'\? For one of your own, write M:C\."):
        known_names(["gri"], ["grid"], "tuner", own="M:C")
    with pytest.raises(
        ConfigurationError, match=r"^Unknown hyperparameter 'gama'. Did you mean 'gamma'"
    ):
        known_names(["gamma", "gama"], ["gamma", "tau"], "hyperparameter")


def test_where_none_is_near_all_are_told() -> None:
    with pytest.raises(ConfigurationError, match=r"^Unknown part 'xyz'. Known: params, loss.$"):
        known_names(["xyz"], ["params", "loss"], "part")
    with pytest.raises(ConfigurationError, match=r"^Unknown option 'xyz'. None are known.$"):
        known_names(["xyz"], [], "option")
