"""Studies that start from given configurations: what is tried, who learns of it, and where from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from arlbench.errors import ConfigurationError, MissingExtraError, StorageError
from arlbench.tuning import Result, Trial, Tuner, load, resume
from arlbench.tuning.proposals import Sampled, Started
from arlbench.tuning.starting import BEST_OF_STUDY, read_start
from arlbench.tuning.tuners import tuner_names
from fake_studies import WORDS, FakePopulation, numbers, space, study

GIVEN = [
    {"learning_rate": 1e-3, "use_target_network": True, "tau": 0.5},
    {"learning_rate": 2e-4, "use_target_network": False},
]

TABLE = "learning_rate,use_target_network,tau,seed\n1e-3,1,0.5,0\n1e-3,1,0.5,1\n2e-4,0,,0\n"

LISTED = {"learning_rate": "1e-4,1e-3,2e-4", "use_target_network": "true,false", "tau": "0.5,1"}


class Listening(Tuner):
    """Draws, and remembers what it was told."""

    def __init__(self, space, *, seed: int = 0) -> None:
        super().__init__(space, seed=seed)
        self.heard: list[int] = []

    def ask(self, n: int) -> Sequence[Trial]:
        return [Trial(self.space.draw(self.rng), info={"heard": len(self.heard)})] * min(n, 1)

    def tell(self, results: Sequence[Result]) -> None:
        self.heard += [result.number for result in results]


class Open(Listening):
    """The same, and learns from any."""

    learns_from_any = True


def table(folder: Path, text: str = TABLE) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def trained(outcome, n: int = 2) -> list[dict]:
    """The chosen values of the first trials."""
    return [space().choice(result.trial.config) for result in outcome.results[:n]]


#: All tuners; SMAC's forest is slow.
TUNERS = [
    pytest.param(name, marks=[pytest.mark.thorough] if name.startswith("smac") else [])
    for name in tuner_names()
]


def number_for(tuner: str) -> int:
    """Trials of a study."""
    return 6 if tuner == "smac" else 12


def words_of(tuner: str) -> dict[str, str]:
    return LISTED if tuner == "grid" else WORDS


def begun(folder: Path, tuner, **settings):
    try:
        return study(folder, tuner, **settings)
    except MissingExtraError:
        pytest.skip("an extra is missing")


@pytest.mark.parametrize("tuner", TUNERS)
def test_every_tuner_tries_the_configurations_of_a_table_first(tmp_path, tuner) -> None:
    words = words_of(tuner)
    outcome = begun(
        tmp_path / "study",
        tuner,
        words=words,
        start_from=table(tmp_path),
        n_trials=number_for(tuner),
    )
    assert trained(outcome) == GIVEN
    assert len(outcome.results) == min(number_for(tuner), 9 if tuner == "grid" else 12)
    firsts = [r.trial.config for r in outcome.results if r.trial.continues is None]
    if tuner in {"grid", "random", "sobol"}:
        assert len({tuple(config.values()) for config in firsts}) == len(firsts)


@pytest.mark.parametrize("tuner", TUNERS)
def test_a_stopped_study_continues_when_the_table_is_gone(tmp_path, tuner) -> None:
    given = {"words": words_of(tuner), "n_trials": number_for(tuner)}
    whole = begun(tmp_path / "whole", tuner, start_from=table(tmp_path), **given)
    for stop_after in (1, 5, 11):
        folder = tmp_path / str(stop_after)
        train = FakePopulation(stop_after=stop_after)
        study(folder, tuner, train, start_from=table(tmp_path), **given)
        (tmp_path / "table.csv").unlink()
        again = resume(folder, train=FakePopulation(), test_seeds=(100,))
        assert again.status == "finished"
        assert trained(again) == GIVEN
        assert sorted(r.number for r in again.results) == list(range(len(whole.results)))
        if tuner != "asha":
            assert numbers(again) == numbers(whole)


@pytest.mark.parametrize("tuner", ["tpe", pytest.param("smac", marks=pytest.mark.thorough)])
def test_tuners_that_learn_propose_something_else_after_it(tmp_path, tuner) -> None:
    few = {"tpe": {"n_startup_trials": 2}, "smac": {"n_initial": 2}}.get(tuner, {})
    plain = begun(tmp_path / "plain", tuner, tuner_settings=few, n_trials=7, parallel=1)
    started = begun(
        tmp_path / "started", tuner, tuner_settings=few, n_trials=7, parallel=1, start_from=GIVEN
    )
    assert trained(started) == GIVEN
    own = [dict(result.trial.config) for result in started.results[2:]]
    assert own != [dict(result.trial.config) for result in plain.results[:5]]


def test_a_tuner_of_ones_own_is_told_if_it_learns_from_any(tmp_path) -> None:
    said: list[str] = []
    closed = study(tmp_path / "closed", Listening, start_from=GIVEN, on_notice=said.append)
    assert trained(closed) == GIVEN
    # The results of trials 0 and 1 are kept from it, and count for the study.
    heard = load(tmp_path / "closed").trials["info.heard"]
    assert heard.iloc[2:].tolist() == [0, 1, 2, 3, 4, 5]
    assert "does not learn from the configurations" in " ".join(said)
    assert load(tmp_path / "closed").told == tuple(range(8))
    said.clear()
    study(tmp_path / "open", Open, start_from=GIVEN, on_notice=said.append)
    heard = load(tmp_path / "open").trials["info.heard"]
    assert heard.iloc[2:].tolist() == [0, 3, 4, 5, 6, 7]
    assert said == []


def test_members_of_a_population_begin_with_them(tmp_path) -> None:
    said: list[str] = []
    settings = {"n_members": 2, "n_steps": 3}
    three = [*GIVEN, {"learning_rate": 1e-4}]
    outcome = study(
        tmp_path / "study", "pbt", start_from=three, tuner_settings=settings,
        n_trials=None, on_notice=said.append,
    )  # fmt: skip
    assert trained(outcome) == GIVEN
    assert [result.trial.fidelity for result in outcome.results] == [300, 300, 600, 600, 900, 900]
    assert "Only the first 2 of 3 given configurations" in " ".join(said)


def test_brackets_begin_with_them(tmp_path) -> None:
    outcome = study(tmp_path / "study", "hyperband", start_from=GIVEN, n_trials=9)
    assert trained(outcome) == GIVEN
    assert [result.trial.fidelity for result in outcome.results[:2]] == [100, 100]


def test_proposals_do_not_repeat_what_was_given() -> None:
    listed = space(LISTED)
    given = [listed.complete(config) for config in GIVEN]
    proposals = Started(given, Sampled("grid", listed, 0))
    proposed = [tuple(config.values()) for config in proposals.propose(20)]
    # Three rates without a target network, and three with either of two values of tau.
    assert len(proposed) == len(set(proposed)) == 9
    assert proposed[:2] == [tuple(config.values()) for config in given]
    assert proposals.propose(1) == []


def test_the_best_of_another_study(tmp_path) -> None:
    first = study(tmp_path / "first", n_trials=16)
    start = read_start(tmp_path / "first", space())
    best = sorted(first.results, key=lambda result: -result.score)[:BEST_OF_STUDY]
    assert [dict(config) for config in start.configs] == [dict(r.trial.config) for r in best]
    assert len(read_start(str(tmp_path / "first"), space(), 3).configs) == 3
    second = study(tmp_path / "second", start_from=tmp_path / "first", start_count=1)
    assert second.results[0].score == pytest.approx(first.incumbent.score)


def test_what_neither_study_searches_may_differ(tmp_path) -> None:
    study(tmp_path / "first", words={"learning_rate": "1e-4..1e-3", "train_freq": "4"}, n_trials=2)
    start = read_start(
        tmp_path / "first", space({"learning_rate": "1e-5..1e-2", "train_freq": "8"})
    )
    assert [config["train_freq"] for config in start.configs] == [8, 8]
    with pytest.raises(ConfigurationError, match=r"first, trial 0: train_freq is 4, outside"):
        read_start(tmp_path / "first", space({"learning_rate": "1e-5..1e-2", "train_freq": "8,16"}))
    fixed = space({"learning_rate": "1e-3", "tau": "0.1..1"})
    with pytest.raises(
        ConfigurationError, match=r"learning_rate is .*the study fixes it at 0\.001"
    ):
        read_start(tmp_path / "first", fixed)


def test_a_table_without_what_the_study_fixes(tmp_path) -> None:
    found = read_start(table(tmp_path), space({**WORDS, "train_freq": "16"}))
    assert [config["train_freq"] for config in found.configs] == [16, 16]
    assert "1 of 3 rows repeats" in found.note


MISTAKES = {
    "outside": ("learning_rate\n1e-3\n1e-3\n0.5\n", "configuration 2: learning_rate is 0.5, outs"),
    "fixed": ("learning_rate,gamma\n1e-3,0.5\n", "configuration 0: gamma is 0.5, and the study"),
    "impossible": ("learning_rate\n-1\n", "configuration 0: learning_rate must be greater than 0"),
    "unknown": ("learning_rte\n1\n", "Did you mean 'learning_rate'"),
    "empty": ("learning_rate\n", "does not contain any configurations"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_table_is_one_sentence(tmp_path, mistake) -> None:
    text, said = MISTAKES[mistake]
    with pytest.raises(ConfigurationError) as error:
        study(tmp_path / "study", start_from=table(tmp_path, text))
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "study").exists()


def test_other_mistakes(tmp_path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.csv cannot be read"):
        study(tmp_path / "study", start_from=tmp_path / "none.csv")
    with pytest.raises(ConfigurationError, match="start_from has no configuration"):
        study(tmp_path / "study", start_from=[])
    with pytest.raises(ConfigurationError, match="give start_from as well"):
        study(tmp_path / "study", start_count=3)
    with pytest.raises(ConfigurationError, match="start_count must be a positive whole"):
        study(tmp_path / "study", start_from=GIVEN, start_count=0)
    with pytest.raises(StorageError, match="not the folder of a study"):
        study(tmp_path / "study", start_from=tmp_path)
    study(tmp_path / "study", n_trials=1)
    with pytest.raises(StorageError, match=r"starts from none there and from learning_rate=0\.001"):
        study(tmp_path / "study", n_trials=1, start_from=GIVEN)


def test_inactive_values_are_no_gap_for_cma_es() -> None:
    """If a trial lacked a number, Optuna would draw that number independently ever after."""
    optuna = pytest.importorskip("optuna")
    from arlbench.tuning.optuna_search import CmaEs

    where = space({**WORDS, "tau": "0.1..0.5"})
    proposals = CmaEs(where, 0)
    config = where.complete({"learning_rate": 1e-3, "use_target_network": False})
    # Its default lies outside, because tau has no effect here.
    assert config["tau"] == 1.0
    trial = Trial(config, 900, number=0)
    proposals.learn([Result(trial, "finished", np.ones((1, 1)), np.array([900]), 1.0, 0, 0.0)])
    (told,) = proposals._studies[900].trials
    assert told.params == {"learning_rate": 1e-3, "use_target_network": False, "tau": 0.5}
    assert told.state == optuna.trial.TrialState.COMPLETE
