"""Optuna's Gaussian process: what it proposes, trials that diverge, and stopped studies."""

from __future__ import annotations

import math
import sys

import pytest

from arlbench.errors import ConfigurationError, MissingExtraError
from arlbench.tuning.tuner import make_tuner
from arlbench.tuning.tuners import tuner_class
from fake_studies import FakePopulation, numbers, played, quality, space, study

pytest.importorskip("optuna")


def test_it_gets_better_and_stays_within_the_space() -> None:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    results = played("gp", 2, 10, lambda trial: quality(trial.config), n_startup_trials=6)
    scores = [result.score for result in results]
    assert sum(scores[14:]) / 6 > sum(scores[:6]) / 6 + 3
    assert all(space().require(r.trial.config) == r.trial.config for r in results)
    assert torch.get_num_threads() == before


def test_trials_that_diverge_are_no_obstacle() -> None:
    pytest.importorskip("torch")

    def every_third(trial) -> float:
        return quality(trial.config) if trial.number % 3 else -math.inf

    assert len(played("gp", 2, 5, every_third, n_startup_trials=4)) == 10


def test_a_study_that_was_stopped_continues_the_same(tmp_path) -> None:
    pytest.importorskip("torch")
    settings = {"n_trials": 10, "parallel": 2, "tuner_settings": {"n_startup_trials": 5}}
    whole = study(tmp_path / "whole", "gp", **settings)
    study(tmp_path / "cut", "gp", FakePopulation(stop_after=15), **settings)
    assert numbers(study(tmp_path / "cut", "gp", **settings)) == numbers(whole)


def test_impossible_settings_are_named() -> None:
    with pytest.raises(ConfigurationError, match="n_startup_trials must be a positive"):
        make_tuner(tuner_class("gp"), space(), 0, {"n_startup_trials": 0})


def test_a_missing_extra_is_one_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'arlbench\[optuna-gp\]'"):
        study(tmp_path / "study", "gp")
