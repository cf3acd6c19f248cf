"""SMAC3: spaces of ConfigSpace both ways, and what it proposes."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.errors import MissingExtraError
from arlbench.experiments.space import extended_words
from arlbench.tuning import Result, Space
from arlbench.tuning.smac_search import config_of, config_space_of, configuration_of
from arlbench.tuning.tuner import make_tuner
from arlbench.tuning.tuners import tuner_class
from fake_studies import (
    PROBLEM,
    WORDS,
    FakePopulation,
    numbers,
    played,
    quality,
    space,
    study,
)

WHOLE = Space(Problem(EnvSpec("gymnax", "CartPole-v1")), {"buffer_epsilon": "1e-7..1e-3:log"})
THEIRS = config_space_of(WHOLE, seed=3)
POINTS = st.lists(
    st.floats(0, 1, exclude_max=True), min_size=len(WHOLE.names), max_size=len(WHOLE.names)
)


def close(one: dict, other: dict) -> bool:
    """ConfigSpace rounds numbers."""
    return all(
        type(one[k]) is type(other[k])
        and (math.isclose(one[k], other[k], rel_tol=1e-6) if type(one[k]) is float
             else one[k] == other[k])
        for k in one
    )  # fmt: skip


@given(POINTS)
def test_a_configuration_of_ours_comes_back(point) -> None:
    config = WHOLE.at(point)
    there = configuration_of(WHOLE, THEIRS, config)
    assert set(there) == set(WHOLE.active(config))
    assert close(config_of(WHOLE, there), config)


def test_a_configuration_of_theirs_comes_back() -> None:
    for there in THEIRS.sample_configuration(200):
        ours = config_of(WHOLE, there)
        assert WHOLE.require(ours) == ours
        assert set(WHOLE.active(ours)) == set(there)
        again = configuration_of(WHOLE, THEIRS, ours)
        assert close(config_of(WHOLE, again), ours)


def test_scales_and_conditions_are_theirs_too() -> None:
    logs = {name for name, hp in THEIRS.items() if getattr(hp, "log", False)}
    assert logs == {"learning_rate", "buffer_epsilon"}
    conditions = {c.child.name: (c.parent.name, c.value) for c in THEIRS.conditions}
    assert conditions == {name: tuple(c) for name, c in WHOLE.conditions.items()}


def test_a_missing_extra_is_one_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "smac", None)
    with pytest.raises(
        MissingExtraError, match=r"not installed or .* pip install 'arlbench\[smac\]'"
    ):
        study(tmp_path / "study", "smac")


def test_it_gets_better() -> None:
    pytest.importorskip("smac")
    results = played("smac", 1, 20, lambda trial: quality(trial.config), n_initial=6)
    scores = [result.score for result in results]
    assert sum(scores[12:]) / 8 > sum(scores[:6]) / 6 + 3
    assert all(space().require(r.trial.config) == r.trial.config for r in results)


def test_a_study_that_was_stopped_continues_the_same(tmp_path) -> None:
    pytest.importorskip("smac")
    settings = {"n_trials": 12, "parallel": 2, "tuner_settings": {"n_initial": 5}}
    whole = study(tmp_path / "whole", "smac", **settings)
    study(tmp_path / "cut", "smac", FakePopulation(stop_after=15), **settings)
    assert numbers(study(tmp_path / "cut", "smac", **settings)) == numbers(whole)


def test_the_extended_space_is_searched_without_warnings() -> None:
    """A local search in it may find no neighbours; warnings are errors here."""
    pytest.importorskip("smac")
    wide = space({**extended_words(PROBLEM), **WORDS}, PROBLEM)
    tuner = make_tuner(tuner_class("smac"), wide, 0, {"n_initial": 3})
    for number in range(6):
        (trial,) = tuner.ask(1)
        whole = trial._replace(number=number, fidelity=PROBLEM.n_total_timesteps)
        at, score = np.array([whole.fidelity]), quality(trial.config)
        tuner.tell([Result(whole, "finished", np.zeros((1, 1)), at, score, 0, 0.0)])
        assert wide.require(trial.config) == trial.config
