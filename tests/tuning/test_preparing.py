"""What is known of a study before it trains, and what may be in its folder."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from arlbench.errors import ConfigurationError, StorageError
from arlbench.tuning import load, resume, tune, tune_repeats
from arlbench.tuning.loop import Callbacks
from arlbench.tuning.preparing import prepare
from fake_studies import FIXED, WORDS, FakePopulation, numbers, study


def test_what_can_be_checked_is_checked_before_anything_is_written(tmp_path) -> None:
    folder = tmp_path / "study"
    for mistake, sentence in (
        ({"test_seeds": (0, 1)}, "Seed 0 is a tuning seed"),
        ({"test_seeds": (100, 100)}, "must all be different"),
        ({"test_seeds": (2**32,)}, "Seeds must be whole numbers"),
        ({"state_limit_gib": -1}, "state_limit_gib must be 0 or more, not -1"),
        ({"state_limit_gib": "much"}, "state_limit_gib must be a finite number"),
        ({"memory_limit_gib": 0}, "memory_limit_gib must be greater than 0"),
        ({"optuna_storage": "nothing://here"}, "nothing://here cannot be used"),
    ):
        with pytest.raises((ConfigurationError, StorageError), match=sentence):
            study(folder, **mistake)
        assert not folder.exists()


def test_preparing_takes_what_tune_takes() -> None:
    of_tune = dict(inspect.signature(tune).parameters)
    for name in Callbacks._fields:
        del of_tune[name]
    of_prepare = inspect.signature(prepare).parameters
    assert {k: p.default for k, p in of_tune.items()} == {
        k: p.default for k, p in of_prepare.items()
    }


def test_a_prepared_study_has_no_folder_until_it_is_opened(tmp_path) -> None:
    folder, given = tmp_path / "study", {"words": WORDS, "n_trials": 2, "train": FakePopulation()}
    with prepare(FIXED, folder=folder, **given) as prepared:
        assert not folder.exists()
        with prepared.opened() as opened:
            assert [path.name for path in folder.iterdir() if path.suffix == ".json"] == [
                "study.json"
            ]
            outcome = opened.run(Callbacks())
    assert numbers(outcome) == numbers(tune(FIXED, folder=tmp_path / "again", **given))


def test_fewer_trials_than_there_are_is_refused(tmp_path) -> None:
    study(tmp_path / "study", n_trials=4)
    with pytest.raises(ConfigurationError, match=r"has 4 trials already.* allow 4 or more"):
        study(tmp_path / "study", n_trials=2)
    with pytest.raises(ConfigurationError, match=r"has 4 trials already.* limited to 3"):
        resume(tmp_path / "study", n_trials=3)
    assert load(tmp_path / "study").budget.trials == 4


def test_a_folder_of_repeats_is_not_a_study(tmp_path) -> None:
    given = {"words": WORDS, "n_trials": 1, "train": FakePopulation()}
    tune_repeats(FIXED, repeats=1, folder=tmp_path, **given)
    with pytest.raises(StorageError, match=r"holds the repeats of a study; name one of them"):
        study(tmp_path)


def test_a_study_without_a_limit_says_so(tmp_path) -> None:
    def notes(tuner: str, **limits: Any) -> tuple[str, ...]:
        given = {"words": {"gamma": "0.9,0.99"}, "folder": tmp_path / "study", **limits}
        with prepare(FIXED, tuner, **given) as prepared:
            return tuple(filter(None, prepared.notes))

    (note,) = notes("random")
    assert "no limit, so it continues until it is stopped" in note
    # This tuner ends by itself.
    assert notes("grid") == ()
    assert notes("random", seconds=3.0) == ()
