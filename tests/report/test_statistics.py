"""Intervals over seeds, checked with a table of Student's t."""

from __future__ import annotations

import numpy as np

from arlbench.report.statistics import mean_interval, spread, spread_name


def test_an_interval_by_hand() -> None:
    # Mean 2, standard deviation 1, three samples; t for 2 degrees at 97.5 % is 4.302653.
    mean, low, high = mean_interval(np.array([1.0, 2.0, 3.0]))
    half = 4.302653 / np.sqrt(3)
    np.testing.assert_allclose([mean, low, high], [2.0, 2.0 - half, 2.0 + half], rtol=1e-6)


def test_one_sample_has_no_interval() -> None:
    mean, low, high = mean_interval(np.array([[5.0, 6.0]]))
    np.testing.assert_array_equal(mean, [5.0, 6.0])
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_few_samples_have_a_range() -> None:
    samples = np.array([[2.0, 5.0], [4.0, 5.5], [9.0, 1.5]])
    mean, low, high = spread(samples)
    np.testing.assert_allclose(mean, [5.0, 4.0])
    np.testing.assert_array_equal(low, [2.0, 1.5])
    np.testing.assert_array_equal(high, [9.0, 5.5])
    for n in (1, 4, 9):
        more = np.arange(float(n))
        np.testing.assert_array_equal(spread(more), mean_interval(more))
    assert [spread_name(n) for n in (2, 3, 4)] == ["range of seeds"] * 2 + ["95 % interval"]


def test_it_covers_the_true_mean_nineteen_times_in_twenty() -> None:
    samples = np.random.default_rng(0).normal(3.0, 2.0, size=(5, 20_000))
    _, low, high = mean_interval(samples)
    coverage = np.mean((low <= 3.0) & (high >= 3.0))
    np.testing.assert_allclose(coverage, 0.95, atol=0.01)
