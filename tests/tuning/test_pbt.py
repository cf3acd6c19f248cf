"""Population-based training: who copies whom, what becomes of hyperparameters, and replays."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError, StorageError
from arlbench.experiments.space import Choices, Range
from arlbench.tuning import Space, load, replay
from arlbench.tuning.evolving import neighbour, perturbed, step_ends
from arlbench.tuning.replaying import schedule_of_study
from arlbench.tuning.tuner import make_tuner
from arlbench.tuning.tuners import tuner_class
from fake_studies import FIXED, FakePopulation, numbers, played, quality, space, study

WHOLE = Space(Problem(EnvSpec("gymnax", "CartPole-v1")), {"hidden_size": "8..64"})
POINTS = st.lists(
    st.floats(0, 1, exclude_max=True), min_size=len(WHOLE.names), max_size=len(WHOLE.names)
)
SETTINGS = {"n_members": 8, "n_steps": 3}


def generations(results):
    return [results[i : i + 8] for i in range(0, len(results), 8)]


@pytest.mark.parametrize("exploit", ["state", "network"])
def test_the_worst_quarter_copies_the_best(exploit) -> None:
    results = played("pbt", 64, 9, lambda trial: quality(trial.config), exploit=exploit, **SETTINGS)
    assert len(results) == 24
    first, second, third = generations(results)
    assert [r.trial.fidelity for r in results] == [300] * 8 + [600] * 8 + [900] * 8
    for before, after in ((first, second), (second, third)):
        ranked = sorted(before, key=lambda r: (-r.score, r.number))
        best, worst = {r.number for r in ranked[:2]}, {r.number for r in ranked[6:]}
        for own, trial in zip(before, (r.trial for r in after), strict=True):
            assert trial.info["member"] == own.trial.info["member"]
            source = trial.network_of if exploit == "network" else trial.continues
            if own.number in worst:
                assert source in best
                assert trial.config != own.trial.config
                assert trial.continues == (own.number if exploit == "network" else source)
            else:
                assert (trial.continues, trial.network_of) == (own.number, None)
                assert trial.config == own.trial.config


def test_one_that_diverged_is_replaced_by_a_whole_state() -> None:
    def one_diverges(trial) -> float:
        return -math.inf if trial.number == 0 else quality(trial.config)

    results = played("pbt", 64, 2, one_diverges, exploit="network", **SETTINGS)
    second = generations(results)[1]
    assert second[0].trial.continues not in {None, 0}
    assert second[0].trial.network_of is None


def test_if_all_diverge_the_population_begins_again() -> None:
    results = played("pbt", 64, 2, lambda trial: -math.inf, **SETTINGS)
    second = generations(results)[1]
    assert all(r.trial.continues is None for r in second)
    assert [r.trial.fidelity for r in second] == [600] * 8


def test_generations_do_not_depend_on_how_many_are_in_flight() -> None:
    def score(trial) -> float:
        return quality(trial.config)

    at_once = played("pbt", 64, 3, score, **SETTINGS)
    in_turn = played("pbt", 3, 9, score, **SETTINGS)
    assert [r.trial for r in at_once] == [r.trial for r in in_turn]


@given(POINTS, st.integers(0, 2**32 - 1))
def test_what_is_explored_lies_within_the_space(point, seed) -> None:
    config, rng = WHOLE.at(point), np.random.default_rng(seed)
    for resample in (0.0, 0.25, 1.0):
        found = perturbed(WHOLE, config, rng, (0.8, 1.2), resample)
        assert WHOLE.require(found) == found
        assert found["hidden_size"] == config["hidden_size"]
        assert found["activation"] == config["activation"]


@given(POINTS, st.integers(0, 2**32 - 1))
def test_without_drawing_again_numbers_move_by_a_fifth(point, seed) -> None:
    config, rng = WHOLE.at(point), np.random.default_rng(seed)
    found = perturbed(WHOLE, config, rng, (0.8, 1.2), 0.0)
    rate, where = config["learning_rate"], WHOLE.varied["learning_rate"]
    expected = {min(max(rate * factor, where.low), where.high) for factor in (0.8, 1.2)}
    assert found["learning_rate"] in expected
    assert found["buffer_prio_sampling"] == config["buffer_prio_sampling"]


@pytest.mark.parametrize(
    ("where", "value", "up", "expected"),
    [
        (Range(1, 100, False), 10, True, 12),
        (Range(1, 100, False), 2, True, 3),
        (Range(1, 100, False), 2, False, 1),
        (Range(1, 100, False), 1, False, 1),
        (Range(1, 100, False), 100, True, 100),
        (Range(0.0, 1.0, False), 0.5, True, 0.6),
        (Range(0.0, 1.0, False), 0.95, True, 1.0),
        (Choices((64, 4, 16)), 16, True, 64),
        (Choices((64, 4, 16)), 64, True, 64),
        (Choices((64, 4, 16)), 16, False, 4),
        (Choices(("tanh", "relu")), "relu", True, "relu"),
        (Choices((True, False)), True, False, True),
    ],
)
def test_neighbours(where, value, up, expected) -> None:
    found = neighbour(where, value, 1.2 if up else 0.8, up)
    assert found == pytest.approx(expected) if isinstance(expected, float) else found == expected
    assert type(found) is type(expected)


def test_steps_end_with_evaluations() -> None:
    assert step_ends(FIXED, None) == list(range(100, 1000, 100))
    assert step_ends(FIXED, 3) == [300, 600, 900]
    assert step_ends(FIXED, 2) == [500, 900]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"n_members": 1}, "n_members must be 2 or more"),
        ({"n_steps": 10}, "n_steps is 10, more than the 9 evaluations"),
        ({"exploit": "buffer"}, "Unknown exploit 'buffer'"),
        ({"exploit": 3}, "exploit must be one of state, network"),
        ({"quantile": 0.6}, "quantile must lie above 0 and up to 0.5"),
        ({"perturb": 1.5}, "perturb must be between 0 and 1"),
        ({"resample": "often"}, "resample must be a finite number"),
    ],
)
def test_impossible_settings_are_named(settings, complaint) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        make_tuner(tuner_class("pbt"), space(), 0, settings)


def test_a_study_ends_by_itself_and_costs_what_a_population_does(tmp_path) -> None:
    words = {"learning_rate": "1e-5..4e-3"}
    outcome = study(
        tmp_path / "study", "pbt", words=words, n_trials=None, tuner_settings=SETTINGS, parallel=64
    )
    assert len(outcome.results) == 24
    # Eight members with two seeds, 900 steps each.
    assert outcome.timesteps == 8 * 2 * 900
    assert outcome.results[-1].returns.shape == (2, 9)
    assert set(outcome.tests) <= {r.number for r in outcome.results[16:]}
    assert outcome.incumbent.number in outcome.tests


@pytest.mark.parametrize("exploit", ["state", "network"])
def test_a_study_that_was_stopped_evolves_the_same(tmp_path, exploit) -> None:
    settings = {"n_trials": None, "tuner_settings": {**SETTINGS, "exploit": exploit}}
    whole = study(tmp_path / "whole", "pbt", **settings)
    for n_members in range(1, 48, 9):
        folder = tmp_path / str(n_members)
        study(folder, "pbt", FakePopulation(stop_after=n_members), **settings)
        assert numbers(study(folder, "pbt", **settings)) == numbers(whole)


def test_the_best_schedule_is_trained_again(tmp_path) -> None:
    folder = tmp_path / "study"
    words = {"learning_rate": "1e-5..4e-3"}
    study(folder, "pbt", words=words, n_trials=None, tuner_settings=SETTINGS, seeds=(0, 1))
    loaded = load(folder)
    # One that has had several configurations.
    numbers_of = [n for n in loaded.results if n >= 16]
    schedules = {n: schedule_of_study(loaded, space(words), n) for n in numbers_of}
    number = max(numbers_of, key=lambda n: len(schedules[n]))
    assert len(schedules[number]) > 1
    population = FakePopulation()
    found = replay(folder, (200, 201, 202), number=number, train=population)
    assert found is not None
    assert population.calls == [[dict(config)] for config, _ in schedules[number]]
    ends = [until for _, until in schedules[number]]
    assert [sum(x[0] for x in population.lengths[: i + 1]) for i in range(len(ends))] == ends
    assert found.returns.shape == (3, 9)
    noise = np.array([np.random.default_rng(seed).normal() for seed in (200, 201, 202)])
    expected = quality(schedules[number][-1].config) + noise
    np.testing.assert_allclose(found.returns[:, -1], expected, rtol=1e-5)
    assert load(folder).replays[0].seeds == (200, 201, 202)


def test_a_replay_needs_fresh_seeds_and_a_trial(tmp_path) -> None:
    folder = tmp_path / "study"
    study(folder, train=FakePopulation(stop_after=0))
    with pytest.raises(ConfigurationError, match="not tuned with"):
        replay(folder, (1,))
    with pytest.raises(ConfigurationError, match="must all be different; give each once"):
        replay(folder, (200, 200))
    with pytest.raises(ConfigurationError, match=r"sequence such as \(0, 1, 2\), not 200"):
        replay(folder, 200)
    with pytest.raises(StorageError, match="no trial that has ended"):
        replay(folder, (200,))
    with pytest.raises(StorageError, match="no trial 7 that has ended"):
        replay(folder, (200,), number=7)


class Watching(FakePopulation):
    """Looks at how many states are in a folder when each call of it begins."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.found: list[int] = []
        self._folder = folder

    def __call__(self, *arguments: Any, **others: Any) -> Any:
        self.found.append(len(list(self._folder.glob("trial-*/seed-0/state"))))
        return super().__call__(*arguments, **others)


def test_states_of_a_replay_are_in_the_folder_and_only_as_long_as_needed(tmp_path) -> None:
    folder = tmp_path / "study"
    words = {"learning_rate": "1e-5..4e-3"}
    settings = {**SETTINGS, "n_steps": 9, "resample": 0.0, "quantile": 0.5}
    tested = Watching(folder / ".test.part")
    outcome = study(
        folder, "pbt", tested, words=words, n_trials=None, tuner_settings=settings, tuner_seed=11
    )
    loaded = load(folder)
    lengths = [len(schedule_of_study(loaded, space(words), number)) for number in outcome.tests]
    assert len(lengths) > 1
    # The test comes last, and all of its schedules train side by side.
    found = tested.found[-max(lengths) :]
    assert found == [0, *(sum(n > i for n in lengths) for i in range(1, max(lengths)))]
    assert not (folder / ".test.part").exists()

    left = folder / "replay-states" / "trial-000000" / "seed-0" / "state"
    left.parent.mkdir(parents=True)
    left.touch()
    replayed = Watching(folder / "replay-states")
    replay(folder, (200,), train=replayed)
    n_segments = len(schedule_of_study(loaded, space(words)))
    assert n_segments > 2
    assert replayed.found == [0] + [1] * (n_segments - 1)
    assert not (folder / "replay-states").exists()


def test_one_process_at_a_time_replays_a_study(tmp_path) -> None:
    folder = tmp_path / "study"
    study(folder, n_trials=2)
    complaints = []

    def try_again(n_members: int) -> None:
        with pytest.raises(StorageError) as raised:
            replay(folder, (201,), train=FakePopulation())
        complaints.append(str(raised.value))

    replay(folder, (200,), train=FakePopulation(kill=try_again))
    assert len(complaints) == 1
    assert f"Another process replays the study in {folder}; wait for it" in complaints[0]
    replay(folder, (201,), train=FakePopulation())
    assert [replayed.seeds for replayed in load(folder).replays] == [(200,), (201,)]


LIMITS = {
    "two generations": (
        16, "16 trials ends the population in generation 2 of 3, because each of its "
        "8 members is a new trial in every generation; all generations need 24 trials."
    ),
    "less than one": (4, "in generation 1 of 3"),
    "two and a half": (20, "in generation 3 of 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", LIMITS)
def test_too_few_trials_for_a_population_are_said_at_its_start(case, tmp_path) -> None:
    n_trials, said = LIMITS[case]
    notes: list[str] = []
    given = {"n_trials": n_trials, "tuner_settings": SETTINGS, "parallel": 64}
    outcome = study(tmp_path / "study", "pbt", on_notice=notes.append, **given)
    (note,) = (note for note in notes if note.startswith("The limit of"))
    assert said in note
    last = max(result.trial.info["generation"] for result in outcome.results)
    assert f"in generation {last + 1} of 3" in note


@pytest.mark.parametrize("limits", [{}, {"n_trials": 24}, {"n_timesteps": 9601}, {"seconds": 900}])
def test_a_population_with_enough_trials_and_steps_needs_no_note(limits, tmp_path) -> None:
    notes: list[str] = []
    words = {"learning_rate": "1e-5..4e-3"}
    given = {"n_trials": None, **limits, "tuner_settings": SETTINGS, "words": words}
    outcome = study(tmp_path / "study", "pbt", on_notice=notes.append, parallel=64, **given)
    assert len(outcome.results) == 24
    assert not any("limit of" in note for note in notes)


def test_too_few_steps_for_a_population_are_said_at_its_start(tmp_path) -> None:
    notes: list[str] = []
    words = {"learning_rate": "1e-5..4e-3"}
    given = {"n_trials": None, "n_timesteps": 9600, "tuner_settings": SETTINGS, "words": words}
    outcome = study(tmp_path / "study", "pbt", on_notice=notes.append, parallel=64, **given)
    assert len(outcome.results) == 16
    assert notes[-1] == (
        "The population needs about 14,400 environment steps for its 3 generations, so the limit "
        "of 9,600 ends it early."
    )
