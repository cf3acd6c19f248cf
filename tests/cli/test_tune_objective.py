"""What ``arlbench tune`` and ``compare`` say about objectives, and if there are no results."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from arlbench.cli import tune_display, tune_repeats
from arlbench.cli.tune_summary import summarise
from arlbench.tuning import Space, compare, load
from arlbench.tuning import tune_repeats as repeated
from fake_studies import FIXED, WORDS, FakePopulation, study
from in_process import arlbench

DIVERGING = {"learning_rate": "0.006..0.01"}


def header_of(capsys: Any, **arguments: Any) -> str:
    given = {"problem": FIXED, "tuner": "tpe", "seeds": (0, 1), "folder": "runs/one", **arguments}
    tune_display.header(given, Space(FIXED, {"gamma": "0.9..1"}))
    return " ".join(capsys.readouterr().err.split())


def test_the_header_names_an_objective_that_is_not_the_default(capsys) -> None:
    assert "imises" not in header_of(capsys, objective="final", minimise=False)
    assert ", maximises area searching" in header_of(capsys, objective="area")
    assert ", minimises final searching" in header_of(capsys, minimise=True)
    said = header_of(capsys, objective="own_objective:regret", minimise=True)
    assert ", minimises own_objective:regret searching" in said


def test_the_table_of_best_trials_is_ordered_by_its_first_row(tmp_path) -> None:
    outcome = study(tmp_path, objective="own_objective:regret", minimise=True)
    found: Any = load(tmp_path)
    row = tune_display.best_table(found, 200)[1]
    assert row.startswith("objective (own_objective:regret, minimised)  ")
    values = [float(cell) for cell in row.split(")")[1].split()]
    assert values == sorted(values)
    best = found.incumbents[-1]
    assert values[0] == pytest.approx(found.trials.loc[best.number, "objective"], rel=0.01)
    printed = summarise(outcome)
    assert (printed["objective"], printed["minimise"]) == ("own_objective:regret", True)
    assert printed["incumbent"]["objective"] == pytest.approx(values[0], rel=0.01)


def test_the_default_objective_has_no_row(tmp_path) -> None:
    outcome = study(tmp_path)
    assert not any("objective" in line for line in tune_display.best_table(load(tmp_path), 200))  # type: ignore[arg-type]
    assert summarise(outcome)["objective"] == "final"


def test_the_table_over_repeats_has_the_objective(tmp_path) -> None:
    outcome = repeated(FIXED, repeats=2, folder=tmp_path, **given(WORDS), objective="area")
    shown = tune_repeats.close(outcome, talkative=False)
    found: Any = load(tmp_path)
    best = tune_repeats.best_of_each(found.repeats)
    areas = [r.incumbents[-1].returns.mean() for r in found.repeats]
    assert [each.objective for each in best] == pytest.approx(areas)
    assert "objective (area)  tuning return" in tune_repeats.table(best, "area")[0]
    assert (shown["objective"], shown["minimise"]) == ("area", False)
    assert shown["tuning_objective"]["mean"] == pytest.approx(sum(areas) / 2)


def given(words: dict[str, str]) -> dict[str, Any]:
    return {
        "words": words, "n_trials": 3, "seeds": (0, 1), "test_seeds": (100,),
        "train": FakePopulation(),
    }  # fmt: skip


def test_a_replay_says_its_objective(capsys) -> None:
    tune_display.replayed(4, np.array([10.0, 30.0]), "area", 12.5)
    assert capsys.readouterr().out.splitlines()[1] == "objective (area): 12.5"
    for objective, value in (("", 20.0), ("area", math.nan)):
        tune_display.replayed(4, np.array([10.0, 30.0]), objective, value)
        assert "objective" not in capsys.readouterr().out


def test_compare_names_an_objective_that_is_not_the_default(tmp_path, capsys) -> None:
    for tuner in ("random", "sobol"):
        study(tmp_path / tuner, tuner, objective="area", minimise=True)
    study(tmp_path / "plain")
    folders = [tmp_path / "random", tmp_path / "sobol"]
    out = ["--out", tmp_path, "--csv", tmp_path / "table.csv"]
    assert arlbench("compare", *folders, *out) == 0
    shown, messages = capsys.readouterr()
    note = "best trials are chosen by the objective (area, minimised), but their final returns are"
    assert note in " ".join(messages.split())
    lines = shown.splitlines()
    assert lines[0].startswith("study   tuner   objective        repeats")
    assert lines[1].startswith("random  random  area, minimised        1")
    assert pd.read_csv(tmp_path / "table.csv")["objective"].tolist() == ["area, minimised"] * 2
    assert arlbench("compare", *folders, "--json", "--out", tmp_path) == 0
    rows = json.loads(capsys.readouterr().out)["studies"]
    assert [row["objective"] for row in rows] == ["area, minimised"] * 2
    plain = compare([tmp_path / "plain"])
    assert "objective" not in plain.table
    assert not any("objective" in note for note in plain.notes)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"words": DIVERGING}, "8 of 8 trials diverged, so none has a result"),
        (
            {"objective": "own_objective:nowhere_finite", "words": {"learning_rate": "1e-4..1e-3"}},
            "the objective of 8 of 8 trials is not finite, so none has a result",
        ),
        (
            {"objective": "own_objective:nowhere_finite", "words": {"learning_rate": "1e-3..1e-2"}},
            "3 of 8 trials diverged, and the objective of the others is not finite, so none has a "
            "result",
        ),
    ],
)
def test_a_study_without_results_says_so(settings, said, tmp_path, capsys) -> None:
    outcome = study(tmp_path, **settings)
    tune_display.closing(outcome, [])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == said
    assert lines[1].startswith("8 trials, ")


def test_repeats_without_results_say_so(tmp_path, capsys) -> None:
    outcome = repeated(FIXED, repeats=2, folder=tmp_path, **given(DIVERGING))
    assert tune_repeats.close(outcome, talkative=True)["tuning_return"]["mean"] is None
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "6 of 6 trials diverged, so none has a result"
    assert "repeats, no trial" not in " ".join(lines)


def test_a_finished_study_says_that_nothing_is_left(tmp_path, capsys) -> None:
    study(tmp_path / "one", n_trials=2)
    repeated(FIXED, repeats=2, folder=tmp_path / "all", **given(WORDS))
    for folder in (tmp_path / "one", tmp_path / "all"):
        assert arlbench("tune", "--resume", folder) == 0
        shown, messages = capsys.readouterr()
        assert f"note: The study in {folder} is finished; nothing is left to train." in messages
        assert "compiling" not in messages
        assert "\n\n" not in messages
        assert "saved in" in shown
        assert arlbench("tune", "--resume", folder, "--quiet") == 0
        assert capsys.readouterr().err == ""


def test_a_study_with_something_left_does_not_say_so(tmp_path: Path, capsys) -> None:
    study(tmp_path / "one", words={"learning_rate": "1e-4..1e-3"}, n_trials=2, test_seeds=())
    for options in (("--more", "1"), ("--test-seeds", "1")):
        assert arlbench("tune", "--resume", tmp_path / "one", *options) == 0
        assert "nothing is left" not in capsys.readouterr().err
    assert arlbench("tune", "--resume", tmp_path / "one", "--test-seeds", "1") == 0
    assert "nothing is left" in capsys.readouterr().err
