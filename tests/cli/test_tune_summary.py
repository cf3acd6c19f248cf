"""What ``arlbench tune --json`` prints if it is stopped."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import typer

from arlbench.cli import tune_repeats, tune_running
from arlbench.cli.stopping import StoppableWork
from arlbench.tuning import load
from arlbench.tuning import tune_repeats as repeat
from arlbench.tuning.replaying import PreparedReplay, prepare_replay
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


@pytest.mark.parametrize(
    ("n_parts", "n_members", "ended"), [(1, 2, {"400", "401"}), (1, 0, set()), (2, 2, set())]
)
def test_a_replay_that_is_stopped_prints_the_seeds_that_have_ended(
    n_parts: int, n_members: int, ended: set[str], tmp_path: Path, monkeypatch, capsys
) -> None:
    study(tmp_path, n_trials=2)
    plain = PreparedReplay.run

    def run(self: PreparedReplay, *calls: Any, **others: Any) -> Any:
        # After the first of several parts of a schedule, no seed has its final return.
        parts = dataclasses.replace(self, schedule=self.schedule * n_parts)
        return plain(parts, *calls, train=FakePopulation(stop_after=n_members), **others)

    monkeypatch.setattr(PreparedReplay, "run", run)
    monkeypatch.setattr(StoppableWork, "leave", lambda _, at_once: _leave(at_once))
    options = ("--seeds", "3", "--seed", "400", "--json")
    assert arlbench("tune", "--replay", tmp_path, *options) == 130
    printed = json.loads(capsys.readouterr().out)
    assert (printed["status"], printed["objective_value"]) == ("interrupted", None)
    assert set(printed["final_returns"]) == ended
    assert not load(tmp_path).replays


def test_a_replay_prints_the_same_returns_as_it_reports_on_the_way(tmp_path: Path) -> None:
    study(tmp_path, n_trials=2)
    told: dict[int, float] = {}
    prepared = prepare_replay(tmp_path, (400, 401))
    found = prepared.run(train=FakePopulation(), on_seed=told.__setitem__)
    assert found is not None
    assert [told[seed] for seed in found.seeds] == found.returns[:, -1].tolist()
