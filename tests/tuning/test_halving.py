"""Successive halving, Hyperband and ASHA: who is promoted, how far, and what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.errors import ConfigurationError
from arlbench.tuning import load
from arlbench.tuning.halving import (
    Rung,
    best_of,
    fidelities,
    hyperband_brackets,
)
from arlbench.tuning.trials import Trial
from arlbench.tuning.tuner import make_tuner
from arlbench.tuning.tuners import tuner_class
from fake_studies import FIXED, FakePopulation, numbers, played, quality, space, study

#: Those of nine evaluations of a hundred steps.
LEVELS = [100, 300, 900]


def steps_of(rungs: Iterable[Rung]) -> int:
    """Environment steps of a bracket, for each seed, if promoted trials continue."""
    before, steps = 0, 0
    for n, fidelity in rungs:
        steps += n * (fidelity - before)
        before = fidelity
    return steps


def steps_restarted(rungs: Iterable[Rung]) -> int:
    """The environment steps of a bracket, for each seed, if every trial begins at step 0."""
    return sum(n * fidelity for n, fidelity in rungs)


def by_quality(trial: Trial) -> float:
    return quality(trial.config)


def test_fidelities_are_the_length_divided_again_and_again() -> None:
    assert fidelities(FIXED, 3, 1) == LEVELS
    assert fidelities(FIXED, 3, 2) == [300, 900]
    assert fidelities(FIXED, 2, 1) == [100, 200, 400, 900]
    ten = FIXED.replace(n_total_timesteps=50_000, n_eval_steps=10)
    assert fidelities(ten, 3, 1) == [5_000, 15_000, 50_000]
    odd = FIXED.replace(n_total_timesteps=1001, n_eval_steps=9)
    assert fidelities(odd, 3, 1) == [112, 334, 1001]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"eta": 1}, "eta must be more than 1, not 1"),
        ({"eta": "three"}, "eta must be a finite number"),
        ({"min_evaluations": 0}, "min_evaluations must be a positive whole number"),
        (
            {"min_evaluations": 9},
            "and min_evaluations=9, all trials have the same length; evaluate",
        ),
        ({"proposals": "rondom"}, "Did you mean 'random'"),
        ({"proposals": 3}, "proposals must be one of"),
    ],
)
@pytest.mark.parametrize("name", ["hyperband", "successive_halving", "asha"])
def test_impossible_settings_are_named(name, settings, complaint) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        make_tuner(tuner_class(name), space(), 0, settings)


def test_the_brackets_of_hyperband_are_those_of_the_paper() -> None:
    # Table 1 of Li et al. (2018): 81 units, eta 3.
    brackets = hyperband_brackets([1, 3, 9, 27, 81], 3)
    assert brackets[0] == [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]
    assert brackets[1] == [(34, 3), (11, 9), (3, 27), (1, 81)]
    assert brackets[2] == [(15, 9), (5, 27), (1, 81)]
    assert brackets[3] == [(8, 27), (2, 81)]
    assert brackets[4] == [(5, 81)]


def test_eta_may_be_a_fraction() -> None:
    # Two of three trials enter a rung that is 1.5 times as long: 4, 6 and 9 evaluations of 100.
    assert fidelities(space().problem, 1.5, 4) == [400, 600, 900]
    # The brackets begin with ceil(1.5 ** 2), ceil(3 / 2 * 1.5) and 3 trials.
    assert hyperband_brackets([400, 600, 900], 1.5) == [
        [(3, 400), (2, 600), (1, 900)],
        [(3, 600), (2, 900)],
        [(3, 900)],
    ]


def test_a_small_eta_saves_more_than_two_fifths() -> None:
    levels = [1, 2, 3, 5, 7, 11, 16, 24, 36, 54, 81]
    brackets = hyperband_brackets(levels, 1.5)
    continued, restarted = (sum(map(f, brackets)) for f in (steps_of, steps_restarted))
    assert continued <= 0.6 * restarted


def test_what_continuing_saves() -> None:
    # 9 x 100, then 3 x 200 and 1 x 600 more, in place of 9 x 100, 3 x 300 and 1 x 900.
    rungs = [Rung(9, 100), Rung(3, 300), Rung(1, 900)]
    assert (steps_of(rungs), steps_restarted(rungs)) == (2100, 2700)


@given(st.integers(2, 4), st.integers(2, 5))
def test_a_bracket_of_equal_rungs_saves_all_but_one_in_eta_of_what_follows(eta, n_rungs) -> None:
    """Each rung after the first repeats ``1 / eta`` of its work when it is restarted."""
    rungs = [Rung(eta ** (n_rungs - 1 - i), eta**i) for i in range(n_rungs)]
    expected = (1 + (n_rungs - 1) * (1 - 1 / eta)) / n_rungs
    assert steps_of(rungs) / steps_restarted(rungs) == pytest.approx(expected)


def test_successive_halving_promotes_the_best_third() -> None:
    results = played("successive_halving", 64, 3, by_quality)
    first, second, third = results[:9], results[9:12], results[12:]
    assert [r.trial.fidelity for r in results] == [100] * 9 + [300] * 3 + [900]
    assert [r.trial.continues for r in second] == [r.number for r in best_of(first, 3)]
    assert third[0].trial.continues == best_of(second, 1)[0].number
    assert third[0].trial.config == best_of(first, 1)[0].trial.config


def test_rungs_are_the_same_however_many_are_in_flight() -> None:
    at_once = played("successive_halving", 64, 6, by_quality)
    in_turn = played("successive_halving", 2, 26, by_quality)
    trials = [(r.trial.config, r.trial.fidelity, r.trial.continues) for r in at_once[:13]]
    assert trials == [(r.trial.config, r.trial.fidelity, r.trial.continues) for r in in_turn[:13]]


def test_a_round_of_hyperband_is_its_brackets() -> None:
    results = played("hyperband", 64, 3, by_quality)
    counts: dict[tuple[int, int], int] = {}
    for result in results:
        key = (result.trial.info["bracket"], result.trial.fidelity)
        counts[key] = counts.get(key, 0) + 1
    expected = {
        (bracket, rung.fidelity): rung.n
        for bracket, rungs in enumerate(hyperband_brackets(LEVELS, 3))
        for rung in rungs
    }
    assert counts == expected
    # The next round follows with other configurations.
    more = played("hyperband", 64, 4, by_quality)
    assert len(more) > len(results)
    assert more[len(results)].trial.info["bracket"] == 3


def test_one_that_diverged_is_not_promoted() -> None:
    def all_but_two(trial: Trial) -> float:
        return 1.0 if trial.number < 2 else -math.inf

    results = played("successive_halving", 64, 2, all_but_two)
    assert [r.trial.continues for r in results[9:]] == [0, 1]
    # If all diverge, another bracket begins.
    results = played("successive_halving", 64, 2, lambda trial: -math.inf)
    assert [r.trial.fidelity for r in results] == [100] * 18


def test_only_what_may_be_promoted_is_continuable() -> None:
    tuner = make_tuner(tuner_class("successive_halving"), space(), 0)
    asked = [t._replace(number=i) for i, t in enumerate(tuner.ask(9))]
    told = [
        r._replace(trial=t) for r, t in zip(played("random", 9, 1, by_quality), asked, strict=True)
    ]
    tuner.tell(told)
    best = {result.number for result in best_of(told, 3)}
    assert set(tuner.continuable) == best
    assert {trial.continues for trial in tuner.ask(2)} < best
    assert len(tuner.continuable) == 1


def test_asha_promotes_as_soon_as_there_are_enough() -> None:
    results = played("asha", 1, 13, by_quality)
    fidelity = [result.trial.fidelity for result in results]
    # The third, sixth and ninth short trial each let one be promoted; three of those one more.
    assert fidelity[:4] == [100, 100, 100, 300]
    assert fidelity.count(100) == 9
    assert fidelity.count(300) == 3
    assert fidelity.count(900) == 1
    assert results[3].trial.continues == best_of(results[:3], 1)[0].number
    assert len({r.trial.continues for r in results if r.trial.continues is not None}) == 4


def test_a_study_of_hyperband_costs_what_arithmetic_says(tmp_path) -> None:
    words = {"learning_rate": "1e-5..4e-3"}  # nothing diverges
    n_trials = sum(rung.n for rungs in hyperband_brackets(LEVELS, 3) for rung in rungs)
    outcome = study(tmp_path / "study", "hyperband", words=words, n_trials=n_trials, parallel=64)
    brackets = hyperband_brackets(LEVELS, 3)
    n_seeds = 2
    assert outcome.timesteps == n_seeds * sum(map(steps_of, brackets))
    restarted = n_seeds * sum(map(steps_restarted, brackets))
    assert outcome.timesteps_restarted(n_seeds) == restarted
    again = study(
        tmp_path / "restarted", "hyperband", words=words, n_trials=n_trials, parallel=64,
        restart=True,
    )  # fmt: skip
    assert again.timesteps == restarted
    assert [r.trial.config for r in again.results] == [r.trial.config for r in outcome.results]


@pytest.mark.parametrize("tuner", ["hyperband", "successive_halving"])
def test_a_study_that_was_stopped_promotes_the_same(tmp_path, tuner) -> None:
    whole = study(tmp_path / "whole", tuner, n_trials=20)
    for n_members in range(0, 40, 7):
        folder = tmp_path / str(n_members)
        study(folder, tuner, FakePopulation(stop_after=n_members), n_trials=20)
        assert numbers(study(folder, tuner, n_trials=20)) == numbers(whole)


def test_asha_loses_nothing_when_it_is_stopped(tmp_path) -> None:
    for n_members in range(0, 40, 7):
        folder = tmp_path / str(n_members)
        study(folder, "asha", FakePopulation(stop_after=n_members), n_trials=20)
        before = load(folder).results
        outcome = study(folder, "asha", n_trials=20)
        assert [r.number for r in outcome.results] == list(range(20))
        assert all(outcome.results[n].score == r.score for n, r in before.items())


def test_states_on_disk_are_bounded(tmp_path) -> None:
    folder = tmp_path / "study"
    # A state takes 2 KiB with its two seeds; three trials of nine are to be promoted.
    outcome = study(folder, "hyperband", n_trials=22, parallel=2, state_limit_gib=4 * 2**-20)
    kept = {int(path.name.split("-")[1]) for path in (folder / "states").iterdir()}
    assert outcome.status == "finished"
    assert len(kept) <= 2
    lost = [result for result in outcome.results if result.restarted]
    assert lost
    for result in lost:
        assert result.trial.continues is not None
        assert result.cost == 2 * (result.trial.fidelity or 0)
    unbounded = study(tmp_path / "unbounded", "hyperband", n_trials=22, parallel=2)
    assert not any(result.restarted for result in unbounded.results)
    # Nothing can continue what is whole, so only shorter trials leave states.
    kept = {int(path.name.split("-")[1]) for path in (tmp_path / "unbounded/states").iterdir()}
    fidelity = {result.number: result.trial.fidelity for result in unbounded.results}
    assert kept == {n for n in fidelity if fidelity[n] < 900}
    pairs = zip(outcome.results, unbounded.results, strict=True)
    assert all(one.score == pytest.approx(other.score) for one, other in pairs)
