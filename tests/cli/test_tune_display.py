"""What ``arlbench tune`` says about a study, before and after it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from arlbench.cli.tune_display import header, summary
from arlbench.cli.tune_repeats import ends
from arlbench.cli.tune_summary import summarise
from arlbench.tuning import Space, load, tune_repeats
from fake_studies import FIXED, WORDS, FakePopulation, study

POPULATION = {"n_members": 8, "n_steps": 3}

# The limits of a study, its tuner, and what ended it.
ENDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "trials": ({"n_trials": 4}, "trials", "the limit of 4 trials"),
    "one trial": ({"n_trials": 1}, "trials", "the limit of 1 trial"),
    "steps": ({"n_timesteps": 7300}, "timesteps", "the limit of 7,300 environment steps"),
    "seconds": ({"seconds": 1e-9}, "seconds", "the limit of 1e-09 seconds of work"),
    "trials of a rung": (
        {"tuner": "hyperband", "n_trials": 4}, "trials", "the limit of 4 trials"
    ),
    "trials that are told one by one": (
        {"tuner": "asha", "n_trials": 4}, "trials", "the limit of 4 trials"
    ),
    "a generation": (
        {"tuner": "pbt", "n_trials": 8, "tuner_settings": POPULATION},
        "trials", "the limit of 8 trials",
    ),
    "the tuner": (
        {"tuner": "pbt", "n_trials": 99, "tuner_settings": POPULATION},
        "tuner", "its tuner, which had no further trial to propose",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ENDS)
def test_what_ended_the_search_is_said(case: str, tmp_path: Path) -> None:
    settings, ended_by, words = ENDS[case]
    outcome = study(tmp_path / "study", **{"n_trials": None, **settings})
    assert outcome.ended_by == summarise(outcome)["ended_by"] == ended_by
    said = list(summary(load(tmp_path / "study"), outcome))  # type: ignore[arg-type]
    assert f"the search was ended by {words}" in said


def test_a_search_that_was_stopped_has_not_ended(tmp_path: Path) -> None:
    stopped = study(tmp_path / "study", train=FakePopulation(stop_after=3))
    assert (stopped.status, stopped.ended_by) == ("interrupted", None)
    assert study(tmp_path / "study", test_seeds=()).ended_by == "trials"
    in_test = study(tmp_path / "study", train=FakePopulation(stop_after=0))
    assert (in_test.status, in_test.ended_by) == ("interrupted", "trials")


def test_repeats_say_what_ended_them(tmp_path: Path) -> None:
    given = {"words": WORDS, "seeds": (0, 1), "test_seeds": (), "train": FakePopulation()}
    outcome = tune_repeats(FIXED, repeats=2, n_trials=2, folder=tmp_path / "all", **given)
    repeats = load(tmp_path / "all").repeats  # type: ignore[union-attr]
    assert ends(repeats, outcome) == [
        "the search of every repeat was ended by the limit of 2 trials"
    ]


def test_what_is_searched_is_said_before_the_folder(capsys: Any) -> None:
    arguments = {"problem": FIXED, "tuner": "tpe", "seeds": (0, 1), "folder": "runs/one"}
    header(arguments, Space(FIXED, {"gamma": "0.9..1"}))
    lines = capsys.readouterr().err.splitlines()
    assert lines[-2:] == ["searching gamma; all others are fixed", "folder: runs/one"]
    assert "tpe tunes DQN on CartPole-v1" in lines[0]


def test_the_first_line_is_broken_only_in_a_terminal(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    arguments = {"problem": FIXED, "tuner": "tpe", "seeds": (0, 1), "folder": "runs/one"}
    for terminal in (False, True):
        monkeypatch.setattr(Console, "is_terminal", terminal)
        header(arguments, Space(FIXED, {"gamma": "0.9..1"}))
        broken = not capsys.readouterr().err.splitlines()[1].startswith("searching")
        assert broken == terminal
