"""``arlbench evaluate`` from the arguments to the numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.cli import evaluate, tables
from arlbench.core.algorithms.harness import evaluation
from arlbench.core.algorithms.harness.evaluation import EpisodeOutcomes
from arlbench.report.statistics import spread
from drawn_framework import write_run
from in_process import arlbench

FORWARD, STAY = 1, 0


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """Agents of which the first and third go forward and the second stays."""
    return write_run(tmp_path_factory.mktemp("runs") / "run", FORWARD, STAY, FORWARD)


def as_json(capfd, *words: object) -> Any:
    assert arlbench("evaluate", *words, "--json") == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    return json.loads(printed.out)


def test_the_numbers_are_those_of_the_episodes(run: Path, capfd) -> None:
    result = as_json(capfd, run, "--episodes", 30)
    assert [agent["name"] for agent in result["agents"]] == ["seed 0", "seed 1", "seed 2"]
    length_of = {6.0: 3, 5.0: 2, 3.0: 1}
    for agent, action in zip(result["agents"], (FORWARD, STAY, FORWARD), strict=True):
        returns = np.array(agent["returns"])
        assert len(returns) == 30
        if action == FORWARD:
            assert agent["lengths"] == [length_of[value] for value in returns]
        else:
            assert set(returns) == {5.0, 10.0, 15.0}
            assert set(agent["lengths"]) == {5}
        assert agent["return_mean"] == pytest.approx(returns.mean())
        # Student's t for 29 degrees of freedom.
        half = 2.0452 * returns.std(ddof=1) / np.sqrt(30)
        assert agent["interval"] == pytest.approx(
            [returns.mean() - half, returns.mean() + half], rel=1e-4
        )
        assert agent["interval_over"] == "episodes"
        assert (agent["return_min"], agent["return_max"]) == (returns.min(), returns.max())
        assert agent["length_median"] == np.median(agent["lengths"])
        assert agent["parameters"] == "final parameters"


def test_all_is_the_mean_over_seeds_with_the_range_of_few_seeds(run: Path, capfd) -> None:
    result = as_json(capfd, run, "--episodes", 30)
    means = np.array([np.mean(agent["returns"]) for agent in result["agents"]])
    assert result["all"]["return_mean"] == pytest.approx(means.mean())
    assert result["all"]["interval"] == pytest.approx([means.min(), means.max()])
    assert result["all"]["interval_kind"] == "range of seeds"
    assert result["agents"][0]["interval_kind"] == "95 % interval"
    assert result["all"]["interval_over"] == "seeds"
    lengths = [length for agent in result["agents"] for length in agent["lengths"]]
    assert result["all"]["length_median"] == np.median(lengths)


def test_one_seed_of_a_run_is_what_it_is_among_all(run: Path, capfd) -> None:
    every = as_json(capfd, run, "--episodes", 8, "--seed", 4)
    one = as_json(capfd, run, "--episodes", 8, "--seed", 4, "--run-seed", 1)
    assert one["agents"] == every["agents"][1:2]
    assert one["all"].items() <= one["agents"][0].items()


def test_episodes_depend_on_their_seed_alone(run: Path, capfd) -> None:
    first, again, other = (
        as_json(capfd, run, "--episodes", 30, "--run-seed", 1, "--seed", seed)["agents"][0]
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first["returns"] != other["returns"]


def test_epsilon_makes_actions_random(run: Path, capfd) -> None:
    result = as_json(capfd, run, "--episodes", 30, "--run-seed", 1, "--epsilon", 0.5)
    assert result["epsilon"] == 0.5
    # An agent that stays in the first place cannot reach the end in one step.
    assert min(result["agents"][0]["lengths"]) < 5


def test_the_table_says_what_was_loaded_and_what_the_intervals_are_over(run: Path, capfd) -> None:
    assert arlbench("evaluate", run, "--episodes", 30) == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    lines = printed.out.splitlines()
    assert lines[0] == "Corridor (drawn), 30 episodes each, greedy, seed 0"
    assert lines[1] == f"{run}: final parameters of seeds 0, 1, 2"
    assert lines[2].split() == ["return", "interval", "median", "length", "min", "max"]
    assert [line.split("  ")[0].strip() for line in lines[3:7]] == [
        "seed 0", "seed 1", "seed 2", "all",
    ]  # fmt: skip
    assert lines[7] == (
        "In the row of a seed, the 95 % interval is over episodes; the last row has the range of "
        "the seeds' means."
    )
    assert arlbench("evaluate", run, "--episodes", 1, "--run-seed", 1, "--epsilon", 0.1) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].endswith("1 episode each, epsilon 0.1, seed 0")
    assert lines[1] == f"{run}: final parameters, seed 1"
    assert "95 % interval" in lines[2]
    assert "  -  " in lines[3]  # one episode does not have an interval
    assert lines[4].startswith("The interval is over episodes")


def test_seeds_that_have_come_differently_far_are_told_apart() -> None:
    early, late = (
        "checkpoint-000001, after 40 of 90 steps",
        "checkpoint-000002, after 80 of 90 steps",
    )
    rows = [
        row_of(name, [1.0])._replace(origin=origin)
        for name, origin in (("seed 0", late), ("seed 1", early), ("seed 2", late), ("all", ""))
    ]
    assert evaluate._origins(rows) == f"{late} of seeds 0, 2; {early} of seed 1"


def row_of(name: str, returns: list[float]) -> evaluate.Row:
    outcomes = EpisodeOutcomes(np.array(returns), np.array([100_000] * len(returns)))
    return evaluate.Row(name, "", spread(np.array(returns)), "seeds", len(returns), outcomes)


def test_at_80_columns_every_number_is_whole_and_apart() -> None:
    usual = evaluate._table([row_of("seed 12", [-1234.5, 99_999.99, 5.0, 7.0])])
    assert tables.fitting(usual, 80) == 6
    large = evaluate._table(
        [row_of("checkpoint-000012", [-123456.789, -9876543.21, 3e-5, 0.1]), row_of("all", [1.5])]
    )
    n_columns = tables.fitting(large, 80)
    lines = tables.lines([row[:n_columns] for row in large], range(1, 6))
    assert max(map(len, lines)) <= 80
    assert [re.split(r"\s{2,}", line)[1:] for line in lines[1:]] == [
        list(row[1:n_columns]) for row in large[1:]
    ]
    assert large[2][1:3] == ("1.50", "-")
    assert large[1][4] == "-9.87654e+06"


def test_one_episode_has_no_interval_in_json_either(run: Path, capfd) -> None:
    result = as_json(capfd, run, "--episodes", 1, "--run-seed", 0)
    assert result["all"]["interval"] == [None, None]


def test_what_is_left_out_is_said(run: Path, tmp_path: Path, capfd) -> None:
    import shutil

    partial = Path(shutil.copytree(run, tmp_path / "run"))
    (partial / "params-seed-1.npz").unlink()
    assert arlbench("evaluate", partial, "--episodes", 2) == 0
    printed = capfd.readouterr()
    assert "note: Left out, because training has not ended: seed 1." in printed.err
    assert "final parameters of seeds 0, 2" in printed.out
    assert as_json(capfd, partial, "--episodes", 2)["notes"] == [
        "Left out, because training has not ended: seed 1."
    ]


def test_episodes_that_would_not_end_are_said_to_be_cut_off(monkeypatch) -> None:
    monkeypatch.setattr(evaluation, "EPISODE_STEP_CAP", 7)
    outcomes = EpisodeOutcomes(np.zeros(3), np.array([7, 6, 7]))
    row = evaluate.Row("seed 0", "", (0.0, 0.0, 0.0), "episodes", 3, outcomes)
    assert evaluate._cap_note([row]) == "2 episodes were cut off after 7 steps."
    one = row._replace(outcomes=EpisodeOutcomes(np.zeros(2), np.array([6, 7])))
    assert evaluate._cap_note([one]) == "1 episode was cut off after 7 steps."
    none = row._replace(outcomes=EpisodeOutcomes(np.zeros(1), np.array([6])))
    assert evaluate._cap_note([none]) == ""


# Arguments, and what the one sentence must contain.
FAULTS = {
    "no episodes": (["RUN", "--episodes", "0"], ["--episodes must be a positive whole", "not 0"]),
    "half an episode": (["RUN", "--episodes", "1.5"], ["--episodes", "valid integer"]),
    "negative seed": (["RUN", "--seed=-1"], ["Seeds must be whole numbers from 0"]),
    "seed too large": (["RUN", "--seed", 2**32], ["Seeds must be whole numbers from 0"]),
    "no such seed": (["RUN", "--run-seed", "7"], ["no seed 7", "--run-seed takes one of 0, 1, 2"]),
    "epsilon above one": (["RUN", "--epsilon", "1.5"], ["epsilon", "between 0 and 1"]),
    "epsilon that is not a number": (["RUN", "--epsilon", "nan"], ["epsilon"]),
    "no run": ([], ["RUN"]),
    "no folder": (["nothing"], ["nothing is not an existing folder", "give the folder"]),
    "no agent": (["."], ["neither a run nor a checkpoint"]),
}


@pytest.mark.parametrize("case", FAULTS)
def test_a_mistake_is_named_with_its_cure(case: str, run: Path, capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words, expected = FAULTS[case]
    assert arlbench("evaluate", *[run if word == "RUN" else word for word in words]) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert len(printed.err.splitlines()) == 1
    for part in expected:
        assert part in printed.err
