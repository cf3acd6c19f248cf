"""Objectives of users: any number is accepted, and a fault is one sentence."""

from __future__ import annotations

import functools
import importlib
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.errors import ConfigurationError, StorageError
from arlbench.tuning import Trial, Tuner, load, objectives
from arlbench.tuning.objectives import register_objective, score_of
from fake_studies import quality, study
from own_objective import lowest

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


DIVIDED = r"'bad' raised .* \(division by zero\) at .*test_objectives\.py, line \d+; correct it"


@pytest.mark.parametrize(
    ("objective", "complaint"),
    [
        (lambda returns: 1 / 0, DIVIDED),
        (
            lambda returns: None,
            r"'bad' raised TypeError \(float.*'NoneType'\); .* returns one number",
        ),
    ],
)
def test_an_objective_that_fails_is_one_sentence(tmp_path, objective, complaint) -> None:
    register_objective("bad", objective)
    with pytest.raises(ConfigurationError, match=complaint):
        study(tmp_path / "study", Listed, objective="bad")


def test_a_function_in_a_module_is_found_by_other_processes(tmp_path) -> None:
    folder = tmp_path / "study"
    begun = study(folder, n_trials=4, objective="own_objective:lowest")
    expected = [float(result.returns[:, -1].min()) for result in begun.results]
    assert [result.score for result in begun.results] == [
        score if math.isfinite(score) else -math.inf for score in expected
    ]
    # The function itself is the same objective.
    assert study(folder, n_trials=4, objective=lowest).trained_now == 0
    program = (
        "import sys; from arlbench.tuning import compare, load\n"
        "study = load(sys.argv[1]); print(study.settings.objective)\n"
        "print(study.trials['objective'].tolist())\n"
        "print(compare([sys.argv[1]]).table.shape[0])\n"
        "from fake_studies import study; from pathlib import Path\n"
        "print(study(Path(sys.argv[1]), n_trials=5, objective='own_objective:lowest').trained_now)"
    )
    words = [sys.executable, "-c", program, str(folder)]
    tests = str(Path(__file__).parents[1])
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tests)
    assert done.returncode == 0, done.stderr
    known = load(folder).trials["objective"].tolist()[:4]
    assert done.stdout.splitlines() == ["own_objective:lowest", str(known), "1", "1"]


def test_a_module_that_is_gone_is_a_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "passing.py").write_text("def mean(returns): return returns.mean()\n")
    study(tmp_path / "study", n_trials=1, objective="passing:mean")
    monkeypatch.delitem(sys.modules, "passing")
    (tmp_path / "passing.py").unlink()
    importlib.invalidate_caches()
    with pytest.raises(
        StorageError, match=r"'passing:mean' cannot be imported.*a folder of PYTHONP"
    ):
        load(tmp_path / "study")


@pytest.mark.parametrize(
    ("objective", "complaint"),
    [
        ("own_objective:higest", "has no attribute 'higest'.*write MODULE:FUNCTION"),
        ("own_objective:NOTHING", "'own_objective:NOTHING' is not an objective; name a function"),
        ("fractions:Fraction", "is not an objective"),
        (lambda returns: 1.0, "is not a function of a module.*register_objective"),
        (functools.partial(float, 7), "is not a function of a module"),
    ],
)
def test_what_cannot_be_found_again_is_refused(tmp_path, objective, complaint) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        study(tmp_path / "study", objective=objective)
    assert not (tmp_path / "study").exists()


def test_a_registered_function_may_be_given_itself(tmp_path) -> None:
    register_objective("first_seed_only", first := lambda returns: returns[0, -1])
    study(tmp_path / "study", n_trials=1, objective=first)
    assert load(tmp_path / "study").settings.objective == "first_seed_only"
