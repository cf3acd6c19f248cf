"""What ``arlbench tune --json`` prints if it is stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer

from arlbench.cli import tune_repeats, tune_running
from arlbench.cli.stopping import StoppableWork
from arlbench.tuning import tune_repeats as repeat
from fake_studies import FIXED, WORDS, FakePopulation, study
from in_process import arlbench


def _leave(at_once: bool) -> None:
    raise typer.Exit(130)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> StoppableWork[Any]:
    work: StoppableWork[Any] = StoppableWork(lambda: None)
    monkeypatch.setattr(work, "leave", _leave)
    return work


@pytest.mark.parametrize("in_time", [True, False])
def test_a_study_that_is_stopped_prints_what_is_kept(
    in_time: bool, work: Any, tmp_path: Path, monkeypatch, capsys
) -> None:
    out = tmp_path / "study"
    stopped = study(out, train=FakePopulation(stop_after=9))
    assert stopped.status == "interrupted"
    outcome = stopped if in_time else None
    monkeypatch.setattr(tune_running, "_work", lambda *_: (outcome, work))
    assert arlbench("tune", "--resume", out, "--json") == 130
    printed = json.loads(capsys.readouterr().out)
    assert printed["status"] == "interrupted"
    assert printed["n_trials"] == len(stopped.results) > 0
    assert printed["incumbent"]["number"] == stopped.incumbents[-1].number
    assert (printed["trained_now"] is None) is not in_time


@pytest.mark.parametrize("in_time", [True, False])
def test_a_study_without_a_trial_prints_nothing(
    in_time: bool, work: Any, tmp_path: Path, monkeypatch, capsys
) -> None:
    out = tmp_path / "study"
    stopped = study(out, train=FakePopulation(stop_after=0))
    outcome = stopped if in_time else None
    monkeypatch.setattr(tune_running, "_work", lambda *_: (outcome, work))
    assert arlbench("tune", "--resume", out, "--json") == 130
    assert capsys.readouterr().out == ""


def test_repeats_that_are_stopped_print_what_is_kept(
    work: Any, tmp_path: Path, monkeypatch, capsys
) -> None:
    out = tmp_path / "all"
    given = {"words": WORDS, "seeds": (0, 1), "test_seeds": (), "train": FakePopulation()}
    repeat(FIXED, repeats=2, n_trials=2, folder=out, **given)
    monkeypatch.setattr(tune_repeats, "work", lambda *_: (None, work))
    assert arlbench("tune", "--resume", out, "--json") == 130
    printed = json.loads(capsys.readouterr().out)
    assert printed["status"] == "interrupted"
    assert [each["n_trials"] for each in printed["repeats"]] == [2, 2]
