"""``arlbench envs``: every name, whether its library is installed or not."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from arlbench.cli import main
from arlbench.core.algorithms.dqn import DQN
from arlbench.core.environments import list_environments


def listed(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys) -> list[list[str]]:
    """The rows that the command prints, without the header."""
    monkeypatch.setattr(sys, "argv", ["arlbench", "envs", *words])
    monkeypatch.setenv("COLUMNS", "500")
    with pytest.raises(SystemExit) as exit_info:
        main.run()
    assert not exit_info.value.code
    lines = capsys.readouterr().out.splitlines()[1:]
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines]


def names(rows: list[list[str]]) -> list[str]:
    return [row[0] for row in rows]


def test_everything_that_can_be_trained_is_listed(monkeypatch, capsys) -> None:
    rows = listed([], monkeypatch, capsys)
    trainable = [
        env.name for env in list_environments() if not env.unusable and not DQN.cannot_learn(env)
    ]
    assert names(rows) == trainable
    cartpole = next(row for row in rows if row[0] == "CartPole-v1")
    assert cartpole == [
        "CartPole-v1",
        "gymnax",
        "(4,)",
        "2",
        "500",
        "yes",
    ]


def test_all_lists_also_what_cannot_be_trained_and_why(monkeypatch, capsys) -> None:
    rows = listed(["--all"], monkeypatch, capsys)
    assert names(rows) == [env.name for env in list_environments()]
    pendulum = next(row for row in rows if row[0] == "Pendulum-v1")
    assert pendulum[-1] == "continuous actions"
    tetris = next(row for row in rows if row[0] == "Tetris-v0")
    assert tetris[-1] == "an action consists of several choices"
    bandit = next(row for row in rows if row[0] == "MNISTBandit-bsuite")
    assert "downloads" in bandit[-1]


def test_a_part_of_a_name_is_enough(monkeypatch, capsys) -> None:
    rows = listed(["minatar"], monkeypatch, capsys)
    games = {"Asterix", "Breakout", "Freeway", "Seaquest", "SpaceInvaders"}
    assert set(names(rows)) == {f"{game}-MinAtar" for game in games}


def test_what_is_not_installed_names_its_extra(monkeypatch, capsys) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    rows = listed(["DoorKey-5x5"], monkeypatch, capsys)
    extras = {row[0]: row[-1] for row in rows}
    assert extras["MiniGrid-DoorKey-5x5"] == "arlbench[xland]"


def test_no_name_with_such_a_part_is_an_error(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["arlbench", "envs", "zzz"])
    with pytest.raises(SystemExit) as exit_info:
        main.run()
    assert exit_info.value.code == 2
    assert "No environment has 'zzz' in its name" in capsys.readouterr().err
