"""``arlbench envs``: all names, whether their libraries are installed or not."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest

from arlbench.cli import envs, main
from arlbench.core.algorithms.dqn import DQN
from arlbench.core.environments import EnvListing, list_environments


def listed(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys) -> list[list[str]]:
    """The rows that the command prints to a pipe: cells with tabs between them."""
    monkeypatch.setattr(sys, "argv", ["arlbench", "envs", *words])
    with pytest.raises(SystemExit) as exit_info:
        main.run()
    assert not exit_info.value.code
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()]


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
        "-",
        "-",
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
    extras = {row[0]: row[5] for row in rows}
    assert extras["MiniGrid-DoorKey-5x5"] == "arlbench[xland]"


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("minigrid-*-5x5", {"MiniGrid-Empty-5x5", "MiniGrid-DoorKey-5x5"}),
        ("CARTPOLE-v1", {"CartPole-v1"}),
        ("*-v1", {"CartPole-v1", "Acrobot-v1"}),
        ("MiniGrid-Empty-?x?", {"MiniGrid-Empty-5x5", "MiniGrid-Empty-6x6", "MiniGrid-Empty-8x8"}),
    ],
)
def test_a_pattern_is_of_the_whole_name(pattern, wanted, monkeypatch, capsys) -> None:
    found = set(names(listed([pattern], monkeypatch, capsys)))
    assert wanted <= found
    assert not {"MiniGrid-Empty-16x16", "CartPole-v0"} & found


def test_json_has_everything(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["arlbench", "envs", "--all", "--json"])
    with pytest.raises(SystemExit):
        main.run()
    entries = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in entries] == [env.name for env in list_environments()]
    assert entries[0].keys() == {
        "name", "framework", "observation", "actions", "time_limit", "needs", "cannot_be_trained",
    }  # fmt: skip
    pendulum = next(entry for entry in entries if entry["name"] == "Pendulum-v1")
    assert pendulum["cannot_be_trained"] == "continuous actions"
    assert pendulum["time_limit"] == 200


@pytest.mark.parametrize("needs", [None, "craftax"])
def test_at_80_columns_every_name_and_number_is_whole(needs) -> None:
    learner = DQN.cannot_learn
    everything = [
        envs._Listed(env, needs, env.unusable or learner(env)) for env in list_environments()
    ]
    trainable = [entry for entry in everything if entry.reason is None]
    header, *lines = envs.table(trainable, 80)
    assert header.split()[:2] == ["environment", "framework"]
    assert len(lines) == len(trainable)
    for line, (env, _, _) in zip(lines, trainable, strict=True):
        assert len(line) <= 80
        cells = line.split()
        assert cells[:2] == [env.name, env.framework]
        assert cells[2] == str(env.n_actions or "-")
        assert cells[3] == str(env.time_limit or "-")
        if needs:
            assert cells[4] == f"[{needs}]"
    with_reasons = envs.table(everything, 80)
    n_reasons = sum("    cannot be trained: " in line for line in with_reasons)
    assert n_reasons == len(everything) - len(trainable)


def test_an_observation_that_does_not_fit_ends_with_a_whole_word() -> None:
    space = "board (10, 10), action_mask (10, 10), num_mines Discrete(100)"
    env = EnvListing("jumanji", "Minesweeper-v0", space, 100)
    (line,) = envs.table([envs._Listed(env, None, None)], 80)[1:]
    assert line.endswith("board (10, 10), action_mask (10, ...") or line.endswith(" ...")
    kept = line.split("  ")[-1].strip().removesuffix(" ...")
    assert space.startswith(kept)
    assert space[len(kept)] in ", "


def test_what_cannot_be_trained_is_told_apart_from_what_is_not_there(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["arlbench", "envs", "pendulum"])
    with pytest.raises(SystemExit) as exit_info:
        main.run()
    assert exit_info.value.code == 2
    assert "'arlbench envs --all' says why" in " ".join(capsys.readouterr().err.split())


def test_an_algorithm_that_learns_nowhere_is_named_as_the_reason(monkeypatch, capsys) -> None:
    monkeypatch.setattr(DQN, "cannot_learn", classmethod(lambda *_: "it cannot"))
    monkeypatch.setattr(sys, "argv", ["arlbench", "envs"])
    with pytest.raises(SystemExit):
        main.run()
    assert capsys.readouterr().err.startswith(
        "error: No environment can be trained with this algorithm; 'arlbench envs --all' says why."
    )


def test_no_name_with_such_a_part_is_an_error(monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["arlbench", "envs", "zzz"])
    with pytest.raises(SystemExit) as exit_info:
        main.run()
    assert exit_info.value.code == 2
    assert "No environment has 'zzz' in its name" in capsys.readouterr().err
