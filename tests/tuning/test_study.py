"""Studies: trials, the budget, and continuing as if nothing had happened."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from arlbench.errors import ConfigurationError, StorageError
from arlbench.experiments.samplers import sampler_class as sampler
from arlbench.tuning import Result, Trial, Tuner, load, resume, tune
from arlbench.tuning.incumbents import incumbents, schedule_of
from arlbench.tuning.journal import FILE, Asked, events_in
from arlbench.tuning.objectives import register_objective
from fake_studies import FIXED, WORDS, FakePopulation, numbers, quality, study


class Climber(Tuner):
    """Learns: halves or doubles the best rate so far."""

    asynchronous = False
    parallel = 2

    def __init__(self, space, *, seed: int = 0, factor: float = 2.0) -> None:
        super().__init__(space, seed=seed)
        self.best = (-math.inf, 1e-4)
        self.told: list[list[int]] = []
        self.factor = factor

    def ask(self, n: int) -> Sequence[Trial]:
        factors = self.factor ** self.rng.choice([-1.0, 1.0], n)
        rates = np.clip(self.best[1] * factors * self.rng.uniform(0.9, 1.1, n), 1e-5, 1e-2)
        return [Trial({"learning_rate": float(rate)}, info={"n": n}) for rate in rates]

    def tell(self, results: Sequence[Result]) -> None:
        self.told.append([result.number for result in results])
        for result in results:
            self.best = max(self.best, (result.score, result.trial.config["learning_rate"]))


class Arriving(Climber):
    """The same, told in the order of arrival."""

    asynchronous = True


def test_trials_are_numbered_and_told(tmp_path) -> None:
    outcome = study(tmp_path / "study")
    assert outcome.status == "finished"
    assert [result.number for result in outcome.results] == list(range(8))
    proposed = sampler("random")(FIXED, WORDS, seed=0).ask(8)
    completed = [{**trial.config} for trial in proposed]
    assert [r.trial.config["learning_rate"] for r in outcome.results] == [
        config["learning_rate"] for config in completed
    ]
    for result in outcome.results:
        expected = quality(result.trial.config)
        noise = np.mean([np.random.default_rng(seed).normal() for seed in (0, 1)])
        if result.status == "finished":
            assert result.score == pytest.approx(expected + noise, rel=1e-6)
        assert result.cost == (1800 if result.status == "finished" else 2 * 896)


def test_a_trial_that_diverges_counts_as_the_worst_and_is_on_record(tmp_path) -> None:
    outcome = study(tmp_path / "study", n_trials=16)
    diverged = [result for result in outcome.results if result.status == "diverged"]
    assert diverged
    assert all(result.score == -math.inf for result in diverged)
    assert {r.number for r in diverged}.isdisjoint({r.number for r in outcome.incumbents})
    table = load(tmp_path / "study").trials
    assert table.loc[diverged[0].number, "status"] == "diverged"
    assert math.isnan(table.loc[diverged[0].number, "objective"])


@pytest.mark.parametrize("tuner", ["random", "sobol", Climber, Arriving])
def test_a_study_that_was_stopped_continues_as_if_it_had_not_been(tmp_path, tuner) -> None:
    whole = study(tmp_path / "whole", tuner)
    for n_members in range(0, 17, 3):
        folder = tmp_path / str(n_members)
        first = study(folder, tuner, FakePopulation(stop_after=n_members))
        assert first.status == ("finished" if n_members >= 17 else "interrupted")
        before = load(folder).results
        second = study(folder, tuner)
        assert second.status == "finished"
        if tuner is not Arriving:
            assert numbers(second) == numbers(whole)
        for number, result in before.items():
            assert second.results[number].score == result.score
        assert [result.number for result in second.results] == list(range(8))


def test_a_finished_study_trains_nothing_and_can_have_more(tmp_path) -> None:
    study(tmp_path / "study", n_trials=4)
    population = FakePopulation()
    again = study(tmp_path / "study", train=population, n_trials=4)
    assert (again.status, again.trained_now, population.n_members) == ("finished", 0, 0)
    longer = resume(tmp_path / "study", more=4, test_seeds=(100,), train=population)
    assert longer.trained_now == 4
    assert numbers(longer) == numbers(study(tmp_path / "at once", n_trials=8))


def test_synchronous_tuners_are_told_in_the_order_of_asking(tmp_path) -> None:
    for order in (1, -1):
        folder = tmp_path / str(order)
        study(folder, Climber, FakePopulation(order=order))
        assert load(folder).told == tuple(range(8))
    backwards = study(tmp_path / "-1", Climber)
    assert numbers(backwards) == numbers(study(tmp_path / "1", Climber))


def test_asynchronous_tuners_are_told_in_the_order_of_arrival(tmp_path) -> None:
    population = FakePopulation(order=-1)
    study(tmp_path / "study", Arriving, population, test_seeds=())
    assert load(tmp_path / "study").told == (3, 2, 1, 0, 4, 5, 6, 7)
    # One after another joins, so none waits for the others.
    assert len(population.calls) == 1
    asked = [len(e.trials) for e in events_in(tmp_path / "study" / FILE) if isinstance(e, Asked)]
    assert asked == [4, 1, 1, 1, 1]


def test_proposals_depend_on_how_many_are_in_flight_which_is_recorded(tmp_path) -> None:
    study(tmp_path / "study", Climber, parallel=2)
    assert load(tmp_path / "study").settings.parallel == 2
    with pytest.raises(StorageError, match="parallel is 2 there and 4 here"):
        study(tmp_path / "study", Climber, parallel=4)


def test_a_tuner_that_proposes_something_else_is_noticed(tmp_path) -> None:
    study(tmp_path / "study", Climber, n_trials=4)
    path = tmp_path / "study" / FILE
    lines = path.read_text().splitlines()
    first = json.loads(lines[0])
    first["ask"]["trials"][0]["config"]["learning_rate"] = 5e-4
    path.write_text("\n".join([json.dumps(first), *lines[1:], ""]))
    with pytest.raises(StorageError, match=r"From trial 0 on, .* does not propose what"):
        study(tmp_path / "study", Climber, n_trials=8)


def test_all_trials_together_may_have_more_steps_than_one_agent_can_count(tmp_path) -> None:
    outcome = study(tmp_path / "study", n_trials=1, n_timesteps=3e9)
    assert len(outcome.results) == 1
    assert '"timesteps": 3000000000' in (tmp_path / "study" / "study.json").read_text()


def test_budgets_in_steps_and_seconds_begin_no_trial_beyond_them(tmp_path) -> None:
    # A trial costs 1800 steps, so the fifth begins within the budget and ends beyond it.
    by_steps = study(tmp_path / "steps", n_trials=None, n_timesteps=7300)
    assert len(by_steps.results) == 5
    by_seconds = study(tmp_path / "seconds", n_trials=None, seconds=1e-9, test_seeds=())
    assert by_seconds.results == ()
    with pytest.raises(ConfigurationError, match="n_trials must be a positive whole number"):
        study(tmp_path / "none", n_trials=0)
    with pytest.raises(ConfigurationError, match="seconds must be greater than 0"):
        study(tmp_path / "none", seconds=0.0)


def test_many_trials_in_flight_do_not_exceed_a_budget_in_steps(tmp_path) -> None:
    outcome = study(tmp_path / "study", n_trials=None, n_timesteps=5400, parallel=64)
    assert [result.cost for result in outcome.results] == [1800] * 3
    arriving = study(tmp_path / "late", Arriving, n_trials=None, n_timesteps=5400, parallel=64)
    assert len(arriving.results) == 3


def test_arguments_of_another_type_are_named(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match=r"needs a Problem, not a EnvSpec; give Problem\("):
        tune(FIXED.env_spec, folder=tmp_path / "study")
    for name in ("seeds", "test_seeds"):
        with pytest.raises(ConfigurationError, match=r"sequence such as \(0, 1, 2\), not 3; give"):
            tune(FIXED, folder=tmp_path / "study", **{name: 3})
    assert not (tmp_path / "study").exists()


def test_only_a_number_of_trials_can_be_raised_by_more(tmp_path) -> None:
    study(tmp_path / "study", n_trials=None, n_timesteps=1800)
    with pytest.raises(ConfigurationError, match=r"not limited to a number of trials, .* larger"):
        resume(tmp_path / "study", more=2)
    with pytest.raises(ConfigurationError, match="to add must be 0 or more, not -3"):
        resume(tmp_path / "study", more=-3)
    # What the sentence recommends.
    assert len(study(tmp_path / "study", n_trials=None, n_timesteps=5400).results) == 3


def test_a_grid_ends_with_its_last_combination(tmp_path) -> None:
    words = {"learning_rate": "1e-4,1e-3,1e-2", "use_target_network": "true,false"}
    outcome = study(tmp_path / "study", "grid", words=words, n_trials=None)
    assert len(outcome.results) == 6
    assert outcome.status == "finished"
    study(tmp_path / "some", "grid", words=words, n_trials=5)


def test_a_small_space_is_searched_once(tmp_path) -> None:
    words = {"use_target_network": "true,false", "tau": "0.5,1"}
    outcome = study(tmp_path / "study", words=words, n_trials=20)
    # Without a target network, both values of tau are one configuration.
    assert len(outcome.results) == 3


def test_the_incumbents_are_trained_with_other_seeds(tmp_path) -> None:
    outcome = study(tmp_path / "study", test_seeds=(100, 101), tuner_seed=3)
    assert set(outcome.tests) == {result.number for result in outcome.incumbents}
    for number, test in outcome.tests.items():
        noise = np.array([np.random.default_rng(seed).normal() for seed in (100, 101)])
        expected = quality(outcome.results[number].trial.config) + noise
        np.testing.assert_allclose(test.returns[:, -1], expected, rtol=1e-5)
    only = study(tmp_path / "only", test_seeds=(100, 101), test_last=True, tuner_seed=3)
    last = outcome.incumbents[-1].number
    assert len(outcome.tests) > 1
    assert set(only.tests) == {last}
    np.testing.assert_array_equal(only.tests[last].returns, outcome.tests[last].returns)
    # The study remembers what is tested.
    assert set(resume(only.folder, train=FakePopulation()).tests) == {last}
    # The others can be tested later; the last one is not trained again.
    later = resume(only.folder, test_last=False, train=FakePopulation())
    assert set(later.tests) == set(outcome.tests)
    with pytest.raises(ConfigurationError, match="Seed 1 is a tuning seed"):
        study(tmp_path / "other", test_seeds=(1,))


def result_at(number: int, score: float, fidelity: int = 900) -> Result:
    trial = Trial({}, fidelity, number=number)
    return Result(trial, "finished", np.zeros((1, 1)), np.array([900]), score, 0, 0.0)


def test_the_incumbent_is_the_best_of_the_longest() -> None:
    scores = [result_at(0, 1.0), result_at(1, 0.5), result_at(2, 2.0), result_at(3, 2.0)]
    assert [r.number for r in incumbents(scores)] == [0, 2]
    mixed = [result_at(0, 5.0, 100), result_at(1, 1.0), result_at(2, 9.0, 300), result_at(3, 2.0)]
    assert [r.number for r in incumbents(mixed)] == [0, 1, 3]
    assert incumbents([result_at(0, -math.inf)]) == []


def test_a_schedule_has_a_segment_for_each_configuration() -> None:
    trials = [
        Trial({"a": 1}, 100, number=0),
        Trial({"a": 1}, 200, continues=0, number=1),
        Trial({"a": 2}, 300, continues=1, number=2),
        Trial({"a": 3}, 400, continues=0, network_of=2, number=3),
    ]
    results = {
        trial.number: Result(trial, "finished", np.zeros((1, 1)), np.array([1]), 0.0, 0, 0.0)
        for trial in trials
    }
    assert schedule_of(results[2], results) == [({"a": 1}, 200), ({"a": 2}, 300)]
    assert schedule_of(results[3], results) == [({"a": 1}, 200), ({"a": 2}, 300), ({"a": 3}, 400)]


def test_less_of_an_objective_can_be_better(tmp_path) -> None:
    outcome = study(tmp_path / "study", minimise=True)
    finite = [result for result in outcome.results if math.isfinite(result.score)]
    worst = min(finite, key=lambda result: result.returns[:, -1].mean())
    assert outcome.incumbent is not None
    assert outcome.incumbent.number == worst.number
    objective = load(tmp_path / "study").trials.loc[worst.number, "objective"]
    assert objective == pytest.approx(worst.returns[:, -1].mean())


def test_objectives_by_name(tmp_path) -> None:
    scores = {}
    register_objective("first", lambda returns: float(returns[:, 0].mean()))
    for name in ("final", "best", "area", "first"):
        results = study(tmp_path / name, objective=name, n_trials=4).results
        scores[name] = results[0].score
        returns = results[0].returns
    expected = {
        "final": returns[:, -1].mean(), "best": returns.max(axis=1).mean(),
        "area": returns.mean(), "first": returns[:, 0].mean(),
    }  # fmt: skip
    assert scores == pytest.approx(expected)
    with pytest.raises(ConfigurationError, match="A study has one objective"):
        study(tmp_path / "two", objective="final,area")
    with pytest.raises(ConfigurationError, match="Did you mean 'final'"):
        study(tmp_path / "two", objective="finl")


def test_the_table_of_trials(tmp_path) -> None:
    study(tmp_path / "study", Climber, FakePopulation(stop_after=5))
    table = load(tmp_path / "study").trials
    assert table.index.tolist() == [0, 1, 2, 3]
    assert table["status"].tolist() == ["finished", "finished", "running", "running"]
    assert table["fidelity"].tolist() == [900] * 4
    assert table["info.n"].tolist() == [4] * 4
    assert table["cost"].tolist()[:2] == [1800, 1800]


def test_a_study_that_has_ended_leaves_no_thread(tmp_path) -> None:
    before = set(threading.enumerate())
    study(tmp_path / "study", "pbt", n_trials=4)
    for thread in set(threading.enumerate()) - before:
        thread.join(5.0)
        assert not thread.is_alive()


def test_a_second_process_is_refused(tmp_path) -> None:
    complaints = []

    def try_again(n_members: int) -> None:
        if n_members == 0:
            program = (
                "import sys; from pathlib import Path; from arlbench.errors import StorageError\n"
                "from fake_studies import study\n"
                "try: study(Path(sys.argv[1]))\nexcept StorageError as error: print(error)"
            )
            words = [sys.executable, "-c", program, str(tmp_path / "study")]
            tests = str(Path(__file__).parents[1])
            done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tests)
            complaints.append(done.stdout + done.stderr)

    study(tmp_path / "study", train=FakePopulation(kill=try_again))
    assert "Another process works on the study in" in complaints[0]
    assert complaints[0].count("\n") == 1


def test_another_study_in_the_folder_is_refused(tmp_path) -> None:
    folder = tmp_path / "study"
    study(folder)
    longer = FIXED.replace(n_total_timesteps=1800)
    with pytest.raises(StorageError, match="n_total_timesteps is 900 there and 1800 here"):
        study(folder, problem=longer)
    with pytest.raises(StorageError, match="tuner is random there and sobol here"):
        study(folder, "sobol")
    with pytest.raises(StorageError, match="seeds is 0 1 there and 5 here"):
        study(folder, seeds=(5,))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="holds something that is not a study"):
        study(tmp_path / "other")
    with pytest.raises(StorageError, match="not the folder of a study"):
        load(tmp_path / "other")


def test_a_study_copied_elsewhere_is_the_same(tmp_path) -> None:
    study(tmp_path / "study", Climber, FakePopulation(stop_after=9))
    shutil.copytree(tmp_path / "study", tmp_path / "copy")
    assert numbers(study(tmp_path / "copy", Climber)) == numbers(study(tmp_path / "study", Climber))
