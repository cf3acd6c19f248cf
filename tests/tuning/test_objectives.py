"""Objectives of users: any number is accepted, and a fault is one sentence."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import pytest

from arlbench.errors import ConfigurationError
from arlbench.tuning import Trial, Tuner, load, objectives
from arlbench.tuning.objectives import register_objective, score_of
from fake_studies import quality, study

RATES = (1e-4, 1e-3, 2e-3, 4e-3)


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objectives that are registered here are unknown elsewhere."""
    monkeypatch.setattr(objectives, "_OBJECTIVES", dict(objectives._OBJECTIVES))


class Listed(Tuner):
    """Proposes the rates, and keeps the scores that it is told."""

    parallel = 1
    scores: list[float]

    def __init__(self, space: Any, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self.left = list(RATES)
        type(self).scores = []

    def ask(self, n: int) -> Any:
        return [Trial({"learning_rate": self.left.pop(0)})]

    def tell(self, results: Any) -> None:
        self.scores += [result.score for result in results]


def test_an_objective_may_return_a_number_of_numpy(tmp_path) -> None:
    register_objective("n_good", lambda returns: (returns.mean(axis=0) > 50).sum())
    outcome = study(tmp_path / "study", Listed, n_trials=4, objective="n_good")
    assert all(type(result.score) is float for result in outcome.results)
    assert [r.score for r in load(tmp_path / "study").results.values()] == [
        (result.returns.mean(axis=0) > 50).sum() for result in outcome.results
    ]
    assert outcome.results[1].score >= 4


@pytest.mark.parametrize("minimise", [False, True])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_an_objective_that_is_not_finite_counts_as_diverged(tmp_path, bad, minimise) -> None:
    @register_objective("perhaps")
    def perhaps(returns: np.ndarray) -> float:
        return bad if returns.mean() < quality({"learning_rate": 2e-3}) / 2 else 1.0

    assert perhaps(np.ones((1, 1))) is bad
    given = {"n_trials": 4, "objective": "perhaps", "minimise": minimise}
    first = study(tmp_path / "study", Listed, **given)
    told = Listed.scores
    assert set(told) == {-math.inf, -1.0 if minimise else 1.0}
    # The journal repeats exactly what the tuner was told.
    assert study(tmp_path / "study", Listed, **given).trained_now == 0
    assert Listed.scores == told == [result.score for result in first.results]


def test_a_taken_name_is_refused(tmp_path) -> None:
    returns = np.array([[1.0, 2.0]])
    for final in (lambda returns: 7.0, functools.partial(float, 7)):
        with pytest.raises(ConfigurationError, match="'final' is already registered; choose"):
            register_objective("final", final)
    assert score_of(returns, "final", minimise=False) == 2.0
    # A notebook cell may run again.
    for value in (3.0, 4.0):

        @register_objective("mine")
        def mine(returns: np.ndarray, value: float = value) -> float:
            return value

        assert score_of(returns, "mine", minimise=False) == value


@pytest.mark.parametrize(
    ("objective", "complaint"),
    [
        (lambda returns: 1 / 0, r"'bad' raised ZeroDivisionError \(division by zero\); correct it"),
        (lambda returns: None, r"'bad' raised TypeError .* returns one number"),
    ],
)
def test_an_objective_that_fails_is_one_sentence(tmp_path, objective, complaint) -> None:
    register_objective("bad", objective)
    with pytest.raises(ConfigurationError, match=complaint):
        study(tmp_path / "study", Listed, objective="bad")
