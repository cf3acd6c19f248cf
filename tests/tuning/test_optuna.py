"""Optuna's samplers: the space translated both ways, conditions, and what they are told."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.errors import MissingExtraError
from arlbench.experiments.space import Choices, Range
from arlbench.tuning import Space, Trial
from arlbench.tuning.optuna_search import (
    Tpe,
    distribution_of,
    distributions_of,
    suggested,
)
from arlbench.tuning.tuner import make_tuner
from arlbench.tuning.tuners import tuner_class
from fake_studies import FakePopulation, numbers, played, quality, space, study

optuna = pytest.importorskip("optuna")

NAMES = ("cmaes", "qmc", "tpe")
WHOLE = Space(Problem(EnvSpec("gymnax", "CartPole-v1")))
POINTS = st.lists(
    st.floats(0, 1, exclude_max=True), min_size=len(WHOLE.names), max_size=len(WHOLE.names)
)

whole_ranges = st.tuples(st.integers(1, 10**6), st.integers(1, 10**6), st.booleans()).map(
    lambda ends: Range(min(ends[:2]), max(ends[:2]) + 1, ends[2])
)
real_ranges = st.tuples(st.floats(1e-9, 1e3), st.floats(1e-3, 1e3), st.booleans()).map(
    lambda ends: Range(ends[0], ends[0] + ends[1], ends[2])
)
choices = st.one_of(
    st.just(Choices((True, False))),
    st.lists(st.integers(1, 512), min_size=2, max_size=6, unique=True).map(
        lambda values: Choices(tuple(values))
    ),
)


def dimension_of(distribution: Any) -> Choices | Range:
    """The inverse of :func:`distribution_of`."""
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return Choices(tuple(distribution.choices))
    return Range(distribution.low, distribution.high, distribution.log)


@given(st.one_of(whole_ranges, real_ranges, choices))
def test_a_dimension_comes_back_as_it_was(where) -> None:
    back = dimension_of(distribution_of(where))
    assert back == where
    if isinstance(where, Range):
        assert [type(end) for end in back[:2]] == [type(end) for end in where[:2]]
    else:
        assert [type(value) for value in back.values] == [type(value) for value in where.values]


@given(POINTS)
def test_a_configuration_comes_back_as_it_was(point) -> None:
    """Asked for with its values fixed, a trial of Optuna gives the same configuration."""
    config = WHOLE.at(point)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    asked = optuna.create_study()
    asked.enqueue_trial(WHOLE.choice(config))
    trial = asked.ask()
    values: dict[str, Any] = {}
    for name, distribution in distributions_of(WHOLE).items():
        condition = WHOLE.conditions.get(name)
        if condition is None or values.get(condition.name) == condition.value:
            values[name] = suggested(trial, name, distribution)
    assert WHOLE.complete(values) == config
    assert {name: type(v) for name, v in values.items()} == {
        name: type(v) for name, v in WHOLE.choice(config).items()
    }


def test_parents_come_before_what_depends_on_them() -> None:
    names = list(distributions_of(WHOLE))
    for name, condition in WHOLE.conditions.items():
        assert names.index(condition.name) < names.index(name)
    assert set(WHOLE.conditions) == {
        "tau", "target_update_interval", "buffer_alpha", "buffer_beta", "buffer_epsilon",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_proposal_lies_within_the_space_and_follows_from_the_seed(name) -> None:
    tuner, again = (make_tuner(tuner_class(name), WHOLE, 3) for _ in range(2))
    other = make_tuner(tuner_class(name), WHOLE, 4)
    first, second, third = (list(each.ask(12)) for each in (tuner, again, other))
    assert first == second
    assert first != third
    for trial in first:
        assert WHOLE.require(trial.config) == trial.config


@pytest.mark.parametrize("name", ["cmaes", "tpe"])
def test_what_learns_gets_better(name) -> None:
    results = played(name, 4, 15, lambda trial: quality(trial.config))
    scores = [result.score for result in results]
    assert sum(scores[40:]) / 20 > sum(scores[:10]) / 10 + 3


@pytest.mark.parametrize("name", NAMES)
def test_a_study_continues_and_counts_what_diverged(tmp_path, name) -> None:
    whole = study(tmp_path / "whole", name, n_trials=24)
    assert any(result.score == -math.inf for result in whole.results)
    for n_members in (0, 11, 23, 34):
        folder = tmp_path / str(n_members)
        study(folder, name, FakePopulation(stop_after=n_members), n_trials=24)
        assert numbers(study(folder, name, n_trials=24)) == numbers(whole)


@pytest.mark.parametrize("tuner", ["hyperband", "successive_halving", "asha"])
def test_brackets_with_proposals_that_learn(tmp_path, tuner) -> None:
    settings = {"n_trials": 30, "tuner_settings": {"proposals": "tpe"}}
    whole = study(tmp_path / "whole", tuner, **settings)
    assert [result.number for result in whole.results] == list(range(30))
    if tuner != "asha":
        study(tmp_path / "cut", tuner, FakePopulation(stop_after=21), **settings)
        assert numbers(study(tmp_path / "cut", tuner, **settings)) == numbers(whole)


def test_proposals_come_from_the_largest_fidelity_that_has_enough() -> None:
    proposals = Tpe(space(), 0, n_startup_trials=3)
    result = played("random", 1, 1, lambda trial: 1.0)[0]

    def learn(fidelity: int, n: int) -> None:
        for config in proposals.propose(n):
            trial = Trial(config, fidelity)
            proposals.learn([result._replace(trial=trial, score=quality(config))])

    assert proposals._fidelity() == 900
    learn(100, 4)
    assert proposals._fidelity() == 100
    learn(300, 2)
    assert proposals._fidelity() == 100
    learn(300, 1)
    assert proposals._fidelity() == 300
    states = [trial.state for trial in proposals._study(100).trials]
    running = optuna.trial.TrialState.RUNNING
    assert running not in states


def test_choices_that_are_drawn_by_themselves_are_named(tmp_path) -> None:
    said: list[str] = []
    study(tmp_path / "study", "cmaes", on_notice=said.append, n_trials=4)
    assert said == ["This tuner draws some hyperparameters independently: use_target_network."]


def test_groups_that_are_related_only_among_themselves_are_named() -> None:
    assert make_tuner(tuner_class("tpe"), WHOLE, 0).note == (
        "This tuner models some hyperparameters separately from all others: buffer_alpha, "
        "buffer_beta, buffer_epsilon; target_update_interval, tau."
    )
    assert make_tuner(tuner_class("tpe"), space({"learning_rate": "1e-5..1e-2"}), 0).note == ""
    assert make_tuner(tuner_class("qmc"), WHOLE, 0).note == ""


def test_a_missing_extra_is_one_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "cmaes", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'arlbench\[optuna\]'"):
        study(tmp_path / "study", "tpe")
    with pytest.raises(MissingExtraError, match=r"pip install 'arlbench\[optuna\]'"):
        study(tmp_path / "study", "hyperband", tuner_settings={"proposals": "tpe"})
