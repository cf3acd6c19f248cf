"""The results in the rows of a sweep, while it grows and when it is done."""

from __future__ import annotations

import numpy as np
import pytest

from arlbench.experiments.folder import read_rows
from arlbench.report.statistics import mean_interval
from arlbench.report.sweep_results import ranking, results_of
from fake_training import fill, make_experiment, result_of


def test_returns_lie_where_they_belong(tmp_path) -> None:
    experiment = make_experiment()
    fill(tmp_path, experiment, list(experiment.members)[::-1])
    results = results_of(read_rows(tmp_path))
    assert results.environment == "CartPole-v1"
    assert results.returns.shape == (4, 3, 3)
    for config, seed in ((0, 0), (2, 1), (1, 2)):
        expected = result_of(experiment, config, seed).returns.mean(axis=1)
        np.testing.assert_allclose(results.returns[config, seed], expected, rtol=1e-6)
    np.testing.assert_array_equal(results.timesteps, [[1000, 2000, 3000]] * 4)
    np.testing.assert_array_equal(results.seeds, [7, 8, 9])


def test_what_diverged_has_its_finite_evaluations_and_no_final_return(tmp_path) -> None:
    fill(tmp_path, make_experiment())
    results = results_of(read_rows(tmp_path))
    np.testing.assert_array_equal(results.diverged.any(axis=1), [False, False, False, True])
    assert not np.isnan(results.returns[3, :, 0]).any()
    assert np.isnan(results.final[3]).all()


def test_only_what_varies_is_read(tmp_path) -> None:
    fill(tmp_path, make_experiment())
    varied = results_of(read_rows(tmp_path)).varied
    assert varied.keys() == {"learning_rate", "buffer_batch_size"}
    assert varied["learning_rate"].scale == "log"
    assert varied["buffer_batch_size"].values.tolist() == [16, 16, 16, 256]
    assert varied["buffer_batch_size"].counts.all()


def test_what_is_inactive_does_not_count(tmp_path) -> None:
    configs = (
        {"use_target_network": False},
        {"tau": 0.5, "buffer_alpha": 0.1},
        {"tau": 0.25, "buffer_alpha": 0.2},
    )
    fill(tmp_path, make_experiment(configs=configs))
    varied = results_of(read_rows(tmp_path)).varied
    assert varied["tau"].counts.tolist() == [False, True, True]
    # Without priorities alpha has no effect.
    assert "buffer_alpha" not in varied


def test_the_best_comes_first_and_the_diverged_last(tmp_path) -> None:
    experiment = make_experiment()
    fill(tmp_path, experiment)
    ranks = ranking(results_of(read_rows(tmp_path)))
    finals = [[result_of(experiment, c, s).returns[-1].mean() for s in range(3)] for c in range(3)]
    assert [rank.config for rank in ranks[:3]] == list(np.argsort(-np.mean(finals, axis=1)))
    assert ranks[3].config == 3
    assert np.isnan(ranks[3].mean)
    best = ranks[0]
    seeds = finals[best.config]
    # For three seeds, the range.
    expected = (np.mean(seeds), min(seeds), max(seeds))
    assert (best.mean, best.low, best.high) == pytest.approx(expected, rel=1e-5)


def test_four_seeds_have_an_interval(tmp_path) -> None:
    experiment = make_experiment(n_seeds=4)
    fill(tmp_path, experiment)
    best = ranking(results_of(read_rows(tmp_path)))[0]
    seeds = [result_of(experiment, best.config, s).returns[-1].mean() for s in range(4)]
    expected = tuple(map(float, mean_interval(np.array(seeds))))
    assert (best.mean, best.low, best.high) == pytest.approx(expected, rel=1e-5)


def test_a_sweep_that_grows_has_what_has_ended(tmp_path) -> None:
    experiment = make_experiment()
    fill(tmp_path, experiment, [])
    assert results_of(read_rows(tmp_path)) is None
    fill(tmp_path, experiment, [(2, 1), (2, 0), (1, 0)])
    results = results_of(read_rows(tmp_path))
    np.testing.assert_array_equal(results.configs, [1, 2])
    assert np.isnan(results.final).tolist() == [[False, True], [False, False]]
    assert [rank.config for rank in ranking(results)] == [2, 1]
