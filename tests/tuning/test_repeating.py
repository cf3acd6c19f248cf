"""Studies repeated with several seeds of the tuner: as single ones, and as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from arlbench.errors import ConfigurationError, StorageError
from arlbench.tuning import load, resume, resume_repeats, tune_repeats
from arlbench.tuning.folder import REPEATS
from arlbench.tuning.repeating import LoadedRepeats
from arlbench.tuning.repeats import RepeatedOutcome, folder_of
from fake_studies import FIXED, WORDS, FakePopulation, numbers, study


def repeated(folder: Path, repeats: int = 3, train=None, **settings) -> RepeatedOutcome:
    given = {"words": WORDS, "n_trials": 4, "parallel": 2, "seeds": (0, 1), "test_seeds": (100,)}
    tuner = settings.pop("tuner", "random")
    return tune_repeats(
        FIXED, tuner, repeats=repeats, folder=folder, train=train or FakePopulation(),
        **{**given, **settings},
    )  # fmt: skip


def test_each_repeat_is_the_study_with_its_seed(tmp_path) -> None:
    outcome = repeated(tmp_path / "all", tuner_seed=5)
    assert (outcome.status, len(outcome.outcomes)) == ("finished", 3)
    for index, of_repeat in enumerate(outcome.outcomes):
        single = study(tmp_path / str(index), n_trials=4, parallel=2, tuner_seed=5 + index)
        assert numbers(of_repeat) == numbers(single)
        assert of_repeat.folder == tmp_path / "all" / f"repeat-{index}"
    assert len({tuple(numbers(o)[0][1].values()) for o in outcome.outcomes}) == 3


def test_they_are_read_together(tmp_path) -> None:
    outcome = repeated(tmp_path / "all")
    found = load(tmp_path / "all")
    assert isinstance(found, LoadedRepeats)
    assert [study.settings.tuner_seed for study in found.repeats] == [0, 1, 2]
    assert found.trials.index.names == ["repeat", "number"]
    assert found.trials.index.tolist() == [(i, j) for i in range(3) for j in range(4)]
    best = found.incumbents
    for index, of_repeat in enumerate(outcome.outcomes):
        assert of_repeat.incumbent is not None
        assert best.loc[index, "number"] == of_repeat.incumbent.number
        assert best.loc[index, "objective"] == pytest.approx(of_repeat.incumbent.score)
        test = of_repeat.tests[of_repeat.incumbent.number].returns[:, -1]
        assert best.loc[index, "test_objective"] == pytest.approx(np.mean(test))


def test_they_continue_as_a_whole(tmp_path) -> None:
    whole = repeated(tmp_path / "whole")
    for stop_after in (0, 5, 8, 13, 26):
        folder = tmp_path / str(stop_after)
        first = repeated(folder, train=FakePopulation(stop_after=stop_after))
        assert first.status == "interrupted"
        found = load(folder)
        assert isinstance(found, LoadedRepeats)
        assert (found.n_repeats, len(found.repeats)) == (3, len(first.outcomes))
        again = resume_repeats(folder, train=FakePopulation(), test_seeds=(100,))
        assert again.status == "finished"
        assert [numbers(o) for o in again.outcomes] == [numbers(o) for o in whole.outcomes]


def test_more_trials_and_more_repeats(tmp_path) -> None:
    repeated(tmp_path / "all", 2)
    # Stopped when the first has its new trials: the others get theirs later.
    short = FakePopulation(stop_after=5)
    more = resume_repeats(tmp_path / "all", more=2, train=short, test_seeds=())
    assert more.status == "interrupted"
    whole = resume_repeats(tmp_path / "all", train=FakePopulation(), test_seeds=())
    assert [len(outcome.results) for outcome in whole.outcomes] == [6, 6]
    three = repeated(tmp_path / "all", 3, n_trials=6)
    assert [outcome.trained_now for outcome in three.outcomes] == [0, 0, 6]
    with pytest.raises(StorageError, match="holds 3 repeats; repeat the study 3 times or more"):
        repeated(tmp_path / "all", 2, n_trials=6)


def test_all_repeats_start_from_the_same(tmp_path) -> None:
    (tmp_path / "table.csv").write_text("learning_rate,seed\n1e-3,0\n1e-3,1\n")
    said: list[str] = []

    def gone(index: int) -> None:
        if index == 1:
            (tmp_path / "table.csv").unlink()

    outcome = repeated(
        tmp_path / "all", start_from=tmp_path / "table.csv", on_begin=gone, on_notice=said.append
    )
    firsts = [outcome.results[0].trial.config["learning_rate"] for outcome in outcome.outcomes]
    assert firsts == [1e-3] * 3
    assert len(said) == len(set(said))
    assert "1 of 2 rows repeats a configuration" in " ".join(said)


def test_mistakes_leave_no_folder(tmp_path) -> None:
    folder = tmp_path / "all"
    with pytest.raises(ConfigurationError, match="repeats must be a positive whole number"):
        repeated(folder, 0)
    with pytest.raises(ConfigurationError, match="Did you mean 'random'"):
        repeated(folder, tuner="randm")
    assert not folder.exists()
    with pytest.raises(StorageError, match="holds no repeats of a study"):
        resume_repeats(tmp_path)
    study(tmp_path / "single", n_trials=1)
    with pytest.raises(StorageError, match=r"single holds one study, .* without --repeat"):
        repeated(tmp_path / "single")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("precious")
    with pytest.raises(StorageError, match="something that is not a repeated study"):
        repeated(tmp_path / "notes")


def test_a_refused_command_leaves_the_number_of_repeats(tmp_path) -> None:
    whole = repeated(tmp_path / "all", 2)
    for mistake in ({"tuner": "sobol"}, {"tuner": "randm"}, {"n_trials": -1}):
        with pytest.raises((ConfigurationError, StorageError)):
            repeated(tmp_path / "all", 5, **mistake)
        found = load(tmp_path / "all")
        assert isinstance(found, LoadedRepeats)
        assert found.n_repeats == 2
    again = resume_repeats(tmp_path / "all", train=FakePopulation(), test_seeds=(100,))
    assert again.status == "finished"
    assert [numbers(o) for o in again.outcomes] == [numbers(o) for o in whole.outcomes]


def test_before_anything_has_begun_there_are_no_trials(tmp_path) -> None:
    (tmp_path / REPEATS).write_text(json.dumps({"format_version": 1, "repeats": 3}))
    found = load(tmp_path)
    assert isinstance(found, LoadedRepeats)
    assert (len(found.trials), found.trials.index.names) == (0, ["repeat", "number"])
    assert len(found.incumbents) == 0


def test_damaged_and_other_folders_are_named(tmp_path) -> None:
    folder = tmp_path / "all"
    repeated(folder)
    with pytest.raises(StorageError, match=r"name one of them, such as .*repeat-0"):
        resume(folder)
    with pytest.raises(StorageError, match="holds another study: tuner is random there"):
        repeated(folder, tuner="sobol")
    (folder / REPEATS).write_text(json.dumps({"format_version": 9, "repeats": 3}))
    with pytest.raises(StorageError, match="has the format 9"):
        load(folder)
    (folder / REPEATS).write_text("{")
    with pytest.raises(StorageError, match="damaged"):
        load(folder)
    (folder / REPEATS).write_text(json.dumps({"format_version": 1, "repeats": 3}))
    (folder_of(folder, 0) / "study.json").unlink()
    with pytest.raises(StorageError, match=r"Nothing of the repeated study in .* has begun"):
        resume_repeats(folder)
