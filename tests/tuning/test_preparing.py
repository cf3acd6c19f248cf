"""What is known of a study before it trains, and what may be in its folder."""

from __future__ import annotations

import inspect
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
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
        ({"answer_seconds": -1}, "answer_seconds must be greater than 0"),
        ({"answer_seconds": "long"}, "answer_seconds must be a finite number"),
        ({"seconds": "5"}, "seconds must be a finite number, not '5'"),
        ({"seconds": 0}, "seconds must be greater than 0"),
        ({"seconds": np.inf}, "seconds must be a finite number, not inf"),
        ({"seconds": True}, "seconds must be a finite number, not True"),
        ({"tuner": int}, "int is not a tuner; make it a subclass of arlbench.tuning.Tuner"),
        ({"tuner_seed": "1"}, "tuner's seed must be a whole number from 0 to .*, not '1'"),
        ({"tuner_seed": 2**32}, "The tuner's seed must be|need seeds beyond"),
        ({"tuner_settings": 3}, "settings of a tuner must be numbers, texts, .* by name, not 3"),
        ({"tuner_settings": {"eta": {1}}}, r"settings of a tuner must be .*, not \{'eta': \{1\}\}"),
        ({"minimise": "no"}, "minimise must be True or False, not 'no'"),
        ({"restart": "no"}, "restart must be True or False, not 'no'"),
        ({"restart": True, "tuner": "pbt"}, "The tuner pbt changes .* step 0; leave out restart"),
        ({"restart": True, "tuner": "pb2"}, "The tuner pb2 changes .* step 0; leave out restart"),
        ({"test_last": "no"}, "test_last must be True or False, not 'no'"),
        ({"words": 3}, "The search space must map hyperparameter names to ranges, .*, not 3"),
        ({"start_from": 3}, "start_from must be a table, .*, not 3; give one of these"),
        (
            {"start_from": {"gamma": 0.9}},
            r"start_from must be .*, not \{'gamma': 0.9\}; put it in a list",
        ),
        ({"start_from": [3]}, "start_from, configuration 0 is 3; give values by name"),
        ({"problem": "CartPole-v1"}, "A study needs a Problem, not a str"),
        ({"seeds": 3}, r"Seeds must be a sequence such as \(0, 1, 2\), not 3"),
    ):
        given = {"words": WORDS, "n_trials": 1, "problem": FIXED, "seeds": (0, 1), **mistake}
        for function, number in ((tune, {}), (tune_repeats, {"repeats": 2})):
            with pytest.raises((ConfigurationError, StorageError), match=sentence):
                function(**given, **number, folder=folder, train=FakePopulation())
            assert not folder.exists()


ATOMS = {"distribution": "categorical"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            {"v_min": (-5, 5), "v_max": (0, 10)},
            "v_min can be -5 to 5 and v_max 0 to 10, .*; make the largest v_min smaller than",
        ),
        ({"v_max": (-20, 0)}, "v_min can be -10 and v_max -20 to 0, so the atoms"),
        ({"v_min": [5, -5], "v_max": [0, 9]}, "v_min can be -5 to 5 and v_max 0 to 9, so"),
        (
            {"v_min": (0, 0.9999), "v_max": (1, 2), "n_atoms": (2, 1000)},
            "1000 atoms between v_min=0.9999 and v_max=1.0 would not all be different",
        ),
    ],
)
def test_ranges_that_contradict_each_other_are_refused(tmp_path, words, sentence) -> None:
    folder = tmp_path / "study"
    with pytest.raises(ConfigurationError, match=sentence):
        study(folder, words={**ATOMS, **words})
    assert not folder.exists()


def test_ranges_of_atoms_do_not_count_without_them(tmp_path) -> None:
    words = {"v_min": (-5, 5), "v_max": (0, 10), "gamma": (0.9, 0.99)}
    with prepare(FIXED, words=words, folder=tmp_path / "study", n_trials=1) as prepared:
        assert prepared.space.names == ("gamma",)


def test_a_limit_in_seconds_may_be_a_fraction(tmp_path) -> None:
    study(tmp_path / "study", n_trials=None, seconds=Fraction(1, 10**9))
    assert load(tmp_path / "study").budget.seconds == 1e-9


def test_numbers_of_numpy_are_recorded(tmp_path) -> None:
    given = {
        "tuner_seed": np.int64(1), "tuner_settings": {"eta": np.int64(3)}, "minimise": np.False_,
        "seconds": np.float32(1000), "n_trials": np.int64(4), "seeds": np.arange(2),
    }  # fmt: skip
    study(tmp_path / "a", "hyperband", **given)
    plain = {
        "tuner_seed": 1, "tuner_settings": {"eta": 3}, "seconds": 1000.0, "n_trials": 4,
        "seeds": (0, 1),
    }  # fmt: skip
    study(tmp_path / "b", "hyperband", **plain)
    files = [(tmp_path / name / "study.json").read_text() for name in "ab"]
    assert files[0] == files[1]


def test_seeds_that_are_made_one_by_one_are_those_of_every_repeat(tmp_path) -> None:
    tune_repeats(
        FIXED, repeats=2, folder=tmp_path, words=WORDS, n_trials=1, train=FakePopulation(),
        seeds=(seed for seed in range(2)), test_seeds=(seed for seed in range(100, 102)),
    )  # fmt: skip
    for repeat in load(tmp_path).repeats:
        assert repeat.settings.seeds == (0, 1)
        assert tuple(repeat.budget.test_seeds) == (100, 101)


def content_of(folder: Path) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("begun", ["begun", "empty", "new"])
@pytest.mark.parametrize("repeats", [{}, {"repeats": 1}], ids=["one", "repeated"])
def test_a_study_that_its_storage_refuses_leaves_everything_as_it_was(
    begun: str, repeats: dict[str, int], tmp_path: Path
) -> None:
    pytest.importorskip("optuna")
    run, storage = tune_repeats if repeats else tune, f"sqlite:///{tmp_path}/all.db"
    given = {"n_trials": 2, "train": FakePopulation(), **repeats}
    run(FIXED, folder=tmp_path / "first" / "same", words=WORDS, optuna_storage=storage, **given)
    folder = tmp_path / "second" / "same"
    given["words"] = {"learning_rate": "1e-5..1e-2"}
    if begun == "begun":
        run(FIXED, folder=folder, **given)
    else:
        (folder if begun == "empty" else folder.parent).mkdir(parents=True)
    before = content_of(folder.parent)
    with pytest.raises(StorageError, match="holds another study called"):
        run(FIXED, folder=folder, **{**given, "n_trials": 4}, optuna_storage=storage)
    assert content_of(folder.parent) == before


def test_a_repeat_that_its_storage_refuses_is_refused_before_the_first_is_trained(
    tmp_path: Path,
) -> None:
    pytest.importorskip("optuna")
    storage, train = f"sqlite:///{tmp_path}/all.db", FakePopulation()
    given = {"n_trials": 2, "words": WORDS, "optuna_storage": storage}
    there = tmp_path / "first" / "same"
    tune_repeats(FIXED, repeats=3, folder=there, train=FakePopulation(), **given)
    here = tmp_path / "second" / "same"
    # The first three repeats have the same definitions as those there, but not the last.
    other = tmp_path / "third" / "same-repeat-3"
    tune(FIXED, tuner_seed=7, folder=other, train=FakePopulation(), **given)
    with pytest.raises(StorageError, match="called same-repeat-3: tuner_seed is 7 there and 3"):
        tune_repeats(FIXED, repeats=4, folder=here, train=train, **given)
    assert not here.exists()
    assert not train.calls


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
