"""PB2: a Gaussian process that forgets, and what it chooses."""

from __future__ import annotations

import numpy as np
import pytest

from arlbench.errors import ConfigurationError
from arlbench.tuning.drifting import (
    Drift,
    Observations,
    covariance,
    log_likelihood,
    most_likely,
    predicted,
    standardised,
)
from arlbench.tuning.tuner import make_tuner
from arlbench.tuning.tuners import tuner_class
from fake_studies import FakePopulation, numbers, played, quality, space, study

SETTINGS = {"n_members": 8, "n_steps": 9}


def observed(at, time, values) -> Observations:
    return Observations(np.array(at, float), np.array(time, float), np.array(values, float))


def test_the_covariance_by_hand() -> None:
    one = observed([[0.0, 0.0], [0.3, 0.4]], [0, 2], [0, 0])
    k = covariance(one, one, Drift(0.5, 0.19, 0.0))
    # The points are 0.5 apart and the times 2: exp(-1/2) (1 - 0.19)^1.
    np.testing.assert_allclose(k, [[1, 0.81 * np.exp(-0.5)], [0.81 * np.exp(-0.5), 1]])


def test_the_prediction_of_one_observation_by_hand() -> None:
    known = observed([[0.5]], [0], [2.0])
    drift = Drift(0.2, 0.36, 0.25)
    at_it, later = (observed([[0.5]], [t], [0.0]) for t in (0, 1))
    mean, deviation = predicted(known, at_it, drift)
    np.testing.assert_allclose([mean[0], deviation[0] ** 2], [2 / 1.25, 1 - 1 / 1.25])
    # A step later the covariance is 0.8.
    mean, deviation = predicted(known, later, drift)
    np.testing.assert_allclose([mean[0], deviation[0] ** 2], [1.6 / 1.25, 1 - 0.64 / 1.25])


def test_the_likelihood_by_hand() -> None:
    known = observed([[0.5]], [0], [2.0])
    expected = -0.5 * 4 / 1.5 - 0.5 * np.log(1.5)
    assert log_likelihood(known, Drift(0.2, 0.1, 0.5)) == pytest.approx(expected)


def test_a_smooth_function_is_found_to_be_smooth_and_a_rough_one_noisy() -> None:
    rng = np.random.default_rng(0)
    at = rng.random((60, 1))
    smooth = observed(at, np.zeros(60), standardised(np.sin(3 * at[:, 0])))
    noise = observed(at, np.zeros(60), standardised(rng.normal(size=60)))
    assert most_likely(smooth).noise < most_likely(noise).noise
    assert most_likely(smooth).length >= 0.4


def test_equal_values_are_zeros() -> None:
    assert standardised(np.array([3.0, 3.0])).tolist() == [0.0, 0.0]


def test_copies_of_a_generation_differ_and_lie_within_the_space() -> None:
    results = played("pb2", 64, 9, lambda t: quality(t.config) * (t.fidelity or 0), **SETTINGS)
    assert len(results) == 72
    for begin in range(8, 72, 8):
        generation = results[begin : begin + 8]
        copies = [
            r.trial.config["learning_rate"]
            for r in generation
            if r.trial.continues != results[begin - 8 + r.trial.info["member"]].number
        ]
        assert len(set(copies)) == len(copies) >= 2
        assert all(space().require(r.trial.config) == r.trial.config for r in generation)


def test_it_finds_rates_that_improve_fast() -> None:
    """Scores rise by the quality of the present rate; the best is 1e-3."""
    scores: dict[int, float] = {}

    def score(trial) -> float:
        before = 0.0 if trial.continues is None else scores[trial.continues]
        scores[trial.number] = before + quality(trial.config)
        return scores[trial.number]

    results = played("pb2", 64, 9, score, **SETTINGS)
    first = np.mean([quality(r.trial.config) for r in results[:8]])
    copies = [r for r in results[40:] if r.trial.config != results[r.trial.continues].trial.config]
    assert np.mean([quality(r.trial.config) for r in copies]) > first + 5


def test_a_study_that_was_stopped_evolves_the_same(tmp_path) -> None:
    settings = {"n_trials": None, "tuner_settings": {"n_members": 6, "n_steps": 4}}
    whole = study(tmp_path / "whole", "pb2", **settings)
    for n_members in (5, 20, 33):
        folder = tmp_path / str(n_members)
        study(folder, "pb2", FakePopulation(stop_after=n_members), **settings)
        assert numbers(study(folder, "pb2", **settings)) == numbers(whole)


def test_a_space_without_numbers_is_refused() -> None:
    choices = space({"use_target_network": "true,false"})
    with pytest.raises(ConfigurationError, match="needs a hyperparameter with a range"):
        make_tuner(tuner_class("pb2"), choices)
    with pytest.raises(ConfigurationError, match="resample must be between 0 and 1"):
        make_tuner(tuner_class("pb2"), space(), 0, {"resample": 2})


def test_choices_that_are_drawn_by_themselves_are_named() -> None:
    tuner = make_tuner(tuner_class("pb2"), space(), 0)
    assert tuner.note == "This tuner draws some hyperparameters independently: use_target_network."
