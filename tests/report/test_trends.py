"""Trends are exact in known cases, and do not appear by chance."""

from __future__ import annotations

import numpy as np
import pytest

from arlbench.report.sweep_results import Hyperparameter
from arlbench.report.trends import explained_share, is_log, is_strip, local_average

N = 200
RNG = np.random.default_rng(0)
UNIFORM = RNG.random(N)


def hyperparameter(values, scale="linear", counts=None) -> Hyperparameter:
    values = np.asarray(values)
    return Hyperparameter(values, scale, np.ones(len(values), bool) if counts is None else counts)


def test_a_constant_return_has_a_constant_average() -> None:
    _, average = local_average(hyperparameter(UNIFORM), np.full(N, 3.0))
    np.testing.assert_allclose(average, 3.0)


def test_the_average_follows_the_return() -> None:
    at, average = local_average(hyperparameter(UNIFORM), np.sin(3 * UNIFORM))
    inside = (at > 0.2) & (at < 0.8)
    np.testing.assert_allclose(average[inside], np.sin(3 * at[inside]), atol=0.1)


def test_logarithmic_values_are_averaged_by_orders_of_magnitude() -> None:
    rates = 10 ** (-6 + 5 * UNIFORM)
    at, average = local_average(hyperparameter(rates, "log"), UNIFORM)
    assert at[0] == pytest.approx(rates.min())
    assert at[-1] == pytest.approx(rates.max())
    assert np.interp(-3.5, np.log10(at), average) == pytest.approx(0.5, abs=0.05)


def test_separate_values_have_an_average_each() -> None:
    values = np.array([True, False] * 10)
    places, average = local_average(hyperparameter(values, "choice"), np.where(values, 1.0, 5.0))
    assert (places.tolist(), average.tolist()) == ([0.0, 1.0], [5.0, 1.0])


def test_what_does_not_count_or_has_no_return_is_left_out() -> None:
    values = np.array([True, False] * 20)
    counts, returns = np.arange(40) < 30, np.where(values, 1.0, 5.0)
    returns[~counts] = 1e9
    returns[:4] = np.nan
    strip = hyperparameter(values, "choice", counts)
    assert local_average(strip, returns)[1].tolist() == [5.0, 1.0]


def test_too_few_say_nothing() -> None:
    assert local_average(hyperparameter(UNIFORM[:15]), UNIFORM[:15]) is None
    assert explained_share(hyperparameter(UNIFORM[:15]), UNIFORM[:15]) == 0.0


def test_what_explains_all_explains_more_than_chance_does() -> None:
    chance = np.mean(
        [explained_share(hyperparameter(RNG.random(N)), RNG.normal(size=N)) for _ in range(20)]
    )
    assert explained_share(hyperparameter(UNIFORM), UNIFORM**2) > 0.9
    assert 0.0 <= chance < 0.03


def test_strips_explain_what_they_tell_apart() -> None:
    flags = UNIFORM > 0.5
    assert explained_share(hyperparameter(flags, "choice"), flags + 0.0) == pytest.approx(1.0)
    assert explained_share(hyperparameter(flags, "choice"), RNG.normal(size=N)) < 0.05
    names = np.array([f"word {i}" for i in range(N)], object)
    # Every value once: nothing can be predicted, and nothing is divided by zero.
    assert explained_share(hyperparameter(names, "choice"), UNIFORM) == 0.0


def test_a_few_values_are_a_strip_and_small_ones_logarithmic() -> None:
    assert is_strip(hyperparameter([0.9, 0.95, 0.99] * 5))
    assert is_strip(hyperparameter([0.9, 0.95, 0.99]))
    assert not is_strip(hyperparameter(UNIFORM))
    # A small sweep over a range: six values, none of them twice.
    assert not is_strip(hyperparameter(UNIFORM[:6]))
    # Inactive hyperparameters have a default, which is not a value that was tried.
    active = np.array([True] * 6 + [False] * 6)
    assert not is_strip(hyperparameter(np.append(UNIFORM[:6], [1.0] * 6), counts=active))
    assert is_log(hyperparameter(10 ** (-7 + 4 * UNIFORM)))
    assert not is_log(hyperparameter(1e-7 + 1e-3 * UNIFORM))
    assert not is_log(hyperparameter(np.append(10 ** (-7 + 4 * UNIFORM), 0.0)))
