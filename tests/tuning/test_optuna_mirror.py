"""Studies as Optuna's own, in SQLite."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arlbench.errors import StorageError
from arlbench.tuning import Trial, Tuner, load, tune_repeats
from arlbench.tuning.optuna_mirror import export
from fake_studies import FIXED, WORDS, FakePopulation, study
from in_process import arlbench

optuna = pytest.importorskip("optuna")


@contextlib.contextmanager
def opened(url: str, name: str) -> Iterator[Any]:
    """A study in a storage; its connections are closed, as Python 3.13 warns of open ones."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = optuna.storages.RDBStorage(url)
    yield optuna.load_study(study_name=name, storage=storage)
    storage.remove_session()
    storage.engine.dispose()


def trials_in(url: str, name: str) -> list:
    with opened(url, name) as there:
        return there.trials


def test_a_study_is_exported_with_its_intermediate_values(tmp_path) -> None:
    folder, url = tmp_path / "study", f"sqlite:///{tmp_path / 'all.db'}"
    study(folder, "hyperband", n_trials=22, parallel=64)
    assert export(folder, url) == 22
    # Once is enough.
    assert export(folder, url) == 22
    loaded, there = load(folder), trials_in(url, "study")
    assert [t.user_attrs["number"] for t in there] == list(range(22))
    for trial, result in zip(there, loaded.results.values(), strict=True):
        assert trial.params == dict(result.trial.config)
        if math.isfinite(result.score):
            assert trial.value == pytest.approx(result.score)
            assert list(trial.intermediate_values) == result.timesteps.tolist()
        else:
            assert trial.state == optuna.trial.TrialState.FAIL
        assert trial.user_attrs.get("continues") == result.trial.continues
    with opened(url, "study") as found:
        assert found.best_value == max(r.score for r in loaded.results.values())


def test_a_tuner_cannot_take_the_place_of_our_attributes(tmp_path) -> None:
    class Marking(Tuner):
        def ask(self, n: int) -> list[Trial]:
            info = {"number": 0, "cost": -1, "fidelity": "all", "continues": 7, "mine": [1]}
            return [Trial(self.space.draw(self.rng), info=info) for _ in range(n)]

    folder, url = tmp_path / "study", f"sqlite:///{tmp_path / 'all.db'}"
    study(folder, Marking, n_trials=3)
    assert [export(folder, url) for _ in range(2)] == [3, 3]
    costs = [result.cost for result in load(folder).results.values()]
    assert [trial.user_attrs for trial in trials_in(url, "study")] == [
        {"number": n, "fidelity": 900, "cost": cost, "mine": [1]} for n, cost in enumerate(costs)
    ]


def test_a_storage_follows_a_study_that_is_stopped(tmp_path) -> None:
    folder, url = tmp_path / "study", f"sqlite:///{tmp_path / 'live.db'}"
    study(folder, train=FakePopulation(stop_after=9), optuna_storage=url)
    assert len(trials_in(url, "study")) == 4
    study(folder, optuna_storage=url)
    assert [t.user_attrs["number"] for t in trials_in(url, "study")] == list(range(8))


def test_less_may_be_better_there_too(tmp_path) -> None:
    folder, url = tmp_path / "study", f"sqlite:///{tmp_path / 'all.db'}"
    outcome = study(folder, minimise=True)
    export(folder, url, "least")
    assert outcome.incumbent is not None
    with opened(url, "least") as found:
        assert found.best_trial.user_attrs["number"] == outcome.incumbent.number


def test_a_storage_that_cannot_be_reached_is_one_sentence(tmp_path) -> None:
    study(tmp_path / "study")
    for url in ("sqlite:////nowhere/at/all.db", "no storage", "postgresql://127.0.0.1:1/none"):
        with pytest.raises(StorageError, match="cannot be used") as raised:
            export(tmp_path / "study", url)
        assert "\n" not in str(raised.value)
    with pytest.raises(StorageError, match="cannot be used"):
        study(tmp_path / "other", optuna_storage="sqlite:////nowhere/at/all.db")


def test_a_study_of_another_problem_is_refused(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'all.db'}"
    study(tmp_path / "one")
    export(tmp_path / "one", url, "mine")
    study(tmp_path / "two", problem=FIXED.replace(n_total_timesteps=1800))
    with pytest.raises(StorageError, match="of another problem"):
        export(tmp_path / "two", url, "mine")


def test_a_study_with_the_same_name_is_not_taken_for_this_one(tmp_path) -> None:
    """Their trials have the same numbers, so those of the second would seem to be there."""
    url = f"sqlite:///{tmp_path / 'all.db'}"
    study(tmp_path / "one" / "study", optuna_storage=url)
    for folder, settings, difference in (
        ("two", {"tuner": "sobol"}, "tuner is random there and sobol here"),
        ("three", {"tuner_seed": 1}, "tuner_seed is 0 there and 1 here"),
        ("four", {"seeds": (0, 2)}, r"seeds is \[0, 1\] there and \[0, 2\] here"),
    ):
        with pytest.raises(StorageError, match=f"another study called study: {difference}"):
            study(tmp_path / folder / "study", optuna_storage=url, **settings)
    assert len(trials_in(url, "study")) == 8


def test_repeats_are_named_after_their_common_folder(tmp_path) -> None:
    url = f"sqlite:///{tmp_path / 'all.db'}"
    for name, tuner in (("one", "random"), ("two", "sobol")):
        tune_repeats(
            FIXED, tuner, repeats=2, folder=tmp_path / name, words=WORDS, n_trials=3, seeds=(0,),
            test_seeds=(), train=FakePopulation(), optuna_storage=url,
        )  # fmt: skip
    for name in ("one-repeat-0", "one-repeat-1", "two-repeat-0", "two-repeat-1"):
        assert [t.user_attrs["number"] for t in trials_in(url, name)] == [0, 1, 2]
    assert export(tmp_path / "one" / "repeat-1", url) == 3
    assert len(trials_in(url, "one-repeat-1")) == 3


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study(tmp_path / "study")
    assert arlbench("export", tmp_path / "study") == 0
    assert "8 trials in sqlite:///" in capsys.readouterr().out
    assert len(trials_in(f"sqlite:///{tmp_path / 'study' / 'optuna.db'}", "study")) == 8
    assert arlbench("export", tmp_path / "study", "--to", "optna") == 2
    assert "Did you mean 'optuna'" in capsys.readouterr().err
