"""SMAC3's Hyperband: whole brackets, as its own, and what happens to trials that diverge."""

from __future__ import annotations

import math
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest

from arlbench.errors import ConfigurationError, MissingExtraError
from arlbench.tuning import Result, Trial, load
from arlbench.tuning.halving import best_of
from arlbench.tuning.smac_search import config_of, config_space_of, ordered_maximizer
from arlbench.tuning.tuner import make_tuner
from arlbench.tuning.tuners import tuner_class
from fake_studies import FIXED, FakePopulation, numbers, played, quality, space, study

#: One round: brackets of 9, 5 and 3 configurations with 100, 300 and 900 steps at first.
ROUND = {
    (0, 0, 100): 9, (0, 1, 300): 3, (0, 2, 900): 1,
    (1, 0, 300): 5, (1, 1, 900): 1,
    (2, 0, 900): 3,
}  # fmt: skip
N_ROUND = 22


def by_quality(trial: Trial) -> float:
    """A return that grows with the length of a trial, and differs between configurations."""
    return quality(trial.config) * (trial.fidelity or 0) / 900


def hyperband(n: int, rounds: int, score: Any = by_quality, **settings: Any) -> list[Result]:
    pytest.importorskip("smac")
    return played("smac_hyperband", n, rounds, score, **settings)


def rungs(results: list[Result]) -> dict[tuple[int, int, int], int]:
    """How many trials each rung had, by bracket, rung and fidelity."""
    return dict(
        Counter((r.trial.info["bracket"], r.trial.info["rung"], r.trial.fidelity) for r in results)
    )


def test_a_round_is_whole_brackets_however_many_are_in_flight() -> None:
    one_by_one = hyperband(1, N_ROUND)
    assert rungs(one_by_one) == ROUND
    # Rungs of 9, 3, 1, 5, 1 and 3 trials, in parts of 4 at most.
    at_once = hyperband(4, 3 + 1 + 1 + 2 + 1 + 1)
    assert [r.trial for r in at_once] == [r.trial for r in one_by_one]


@pytest.mark.thorough
def test_the_trials_are_those_of_smac_itself() -> None:
    smac = pytest.importorskip("smac")
    seen: list[tuple[dict[str, Any], int]] = []

    def train(config: Any, seed: int, budget: float) -> float:
        trial = Trial(config_of(space(), config), round(budget * 100))
        seen.append((dict(trial.config), trial.fidelity or 0))
        return -by_quality(trial)

    facade = smac.MultiFidelityFacade
    scenario = smac.Scenario(
        config_space_of(space()), deterministic=True, n_trials=26, min_budget=1, max_budget=9
    )
    facade(
        scenario,
        train,
        # The order of a set would differ between processes.
        acquisition_maximizer=ordered_maximizer(facade, scenario),
        overwrite=True,
        logging_level=False,
        intensifier=facade.get_intensifier(scenario, eta=3),
        initial_design=facade.get_initial_design(scenario, n_configs=9, max_ratio=1.0),
    ).optimize()
    ours = [r.trial for r in hyperband(64, 7, n_initial=3)][:26]
    assert [(dict(trial.config), trial.fidelity) for trial in ours] == seen


def test_the_best_of_a_rung_continue_in_the_next() -> None:
    results = hyperband(64, 3)
    first, second, third = results[:9], results[9:12], results[12:]
    assert [r.trial.continues for r in first] == [None] * 9
    assert [r.trial.continues for r in second] == [r.number for r in best_of(first, 3)]
    assert [r.trial.continues for r in third] == [r.number for r in best_of(second, 1)]
    assert [r.trial.config for r in second] == [r.trial.config for r in best_of(first, 3)]


def test_fidelities_are_whole_evaluations() -> None:
    found = {r.trial.fidelity for r in hyperband(64, 4, eta=2)}
    assert found == {100, 200, 400, 900}
    assert {r.trial.fidelity for r in hyperband(64, 2, min_evaluations=2)} == {300, 900}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"eta": 1}, "eta must be more than 1, not 1"),
        ({"eta": 1.5}, "eta must be a positive whole number"),
        ({"min_evaluations": 9}, "all trials have the same length"),
        ({"n_initial": 0}, "n_initial must be a positive whole number"),
        ({"n_inital": 3}, "Did you mean 'n_initial'"),
    ],
)
def test_impossible_settings_are_named(settings, complaint) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        make_tuner(tuner_class("smac_hyperband"), space(), 0, settings)


def test_one_that_diverged_is_not_trained_again() -> None:
    def all_but_two(trial: Trial) -> float:
        return by_quality(trial) if trial.number % 9 < 2 else -math.inf

    results = hyperband(64, 3, all_but_two)
    # Two of three promotions are left; of these, the first continues again.
    assert [r.trial.fidelity for r in results] == [100] * 9 + [300] * 2 + [900] * 1
    assert sorted(r.trial.continues for r in results[9:11]) == [0, 1]
    # If all diverge, the next bracket begins.
    results = hyperband(64, 3, lambda trial: -math.inf)
    assert rungs(results) == {(0, 0, 100): 9, (1, 0, 300): 5, (2, 0, 900): 3}


def test_one_that_diverged_costs_as_much_as_the_worst() -> None:
    pytest.importorskip("smac")
    tuner = make_tuner(tuner_class("smac_hyperband"), space())
    scores = [-math.inf, -80.0, -math.inf, -500.0, -90.0]
    asked = [trial._replace(number=i) for i, trial in enumerate(tuner.ask(5))]
    for trial, score in zip(asked, scores, strict=True):
        none = np.zeros((1, 1))
        tuner.tell([Result(trial, "finished", none, np.array([100]), score, 0, 0.0)])
    history = tuner._search._search.facade.runhistory
    assert [value.cost for value in history.values()] == [500.0, 80.0, 500.0, 500.0, 90.0]
    assert history.running == 0
    assert len({key.seed for key in history}) == 1


def test_only_what_may_be_promoted_is_continuable() -> None:
    pytest.importorskip("smac")
    tuner = make_tuner(tuner_class("smac_hyperband"), space())
    assert tuner.continuable == set()
    assert tuner.position == ""
    results: list[Result] = []

    def play(n: int) -> list[Trial]:
        asked = [t._replace(number=len(results) + i) for i, t in enumerate(tuner.ask(n))]
        none = np.zeros((1, 1))
        told = [Result(t, "finished", none, np.array([0]), by_quality(t), 0, 0.0) for t in asked]
        tuner.tell(told)
        results.extend(told)
        return asked

    play(9)
    assert set(tuner.continuable) == set(range(9))
    play(1)
    best = [r.number for r in best_of(results[:9], 3)]
    # Two are promoted and wait, and the one that was continued may be promoted again.
    assert set(tuner.continuable) == {*best[1:], 9}
    assert tuner.position == "bracket 1, rung 2 of 3"
    play(2)
    assert set(tuner.continuable) == {9, 10, 11}
    play(1)
    assert set(tuner.continuable) == set()
    assert [trial.fidelity for trial in play(64)] == [300] * 5
    assert set(tuner.continuable) == set(range(13, 18))
    assert tuner.position == "bracket 2, rung 1 of 2"


@pytest.mark.thorough
def test_a_study_that_was_stopped_continues_the_same(tmp_path) -> None:
    pytest.importorskip("smac")
    settings = {"n_trials": 15, "parallel": 4}
    whole = study(tmp_path / "whole", "smac_hyperband", **settings)
    assert [result.number for result in whole.results] == list(range(15))
    assert load(tmp_path / "whole").trials.continues.notna().sum() == 4
    for n_members in (7, 27):
        folder = tmp_path / str(n_members)
        study(folder, "smac_hyperband", FakePopulation(stop_after=n_members), **settings)
        assert numbers(study(folder, "smac_hyperband", **settings)) == numbers(whole)


def test_a_small_space_is_tried_once_and_ends_the_study(tmp_path) -> None:
    pytest.importorskip("smac")
    words = {"use_target_network": "true,false", "buffer_batch_size": "16,32,64"}
    problem = FIXED.replace(hpo_config=FIXED.resolve())
    outcome = study(
        tmp_path / "study", "smac_hyperband", words=words, problem=problem, n_trials=60,
        parallel=64, test_seeds=(),
    )  # fmt: skip
    assert outcome.status == "finished"
    tried = [(tuple(r.trial.config.values()), r.trial.fidelity) for r in outcome.results]
    assert len(set(tried)) == len(tried) < 60
    # SMAC gives up when it draws known configurations again and again, but not much earlier.
    assert 4 <= len({config for config, _ in tried}) <= 6


def test_a_missing_extra_is_one_sentence(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "smac", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'arlbench\[smac\]'"):
        study(tmp_path / "study", "smac_hyperband")


def test_given_configurations_are_trained_whole_and_not_learnt_from(tmp_path) -> None:
    said: list[str] = []
    outcome = study(
        tmp_path / "study", "smac_hyperband", n_trials=3, on_notice=said.append,
        start_from=[{"learning_rate": 1e-3}],
    )  # fmt: skip
    assert outcome.results[0].trial.config["learning_rate"] == 1e-3
    assert [result.trial.fidelity for result in outcome.results] == [900, 100, 100]
    assert any("smac_hyperband does not learn from the configurations" in note for note in said)
