"""The benchmark of tuners: which studies it runs, and what its table says."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def tuners(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    return importlib.import_module("tuners")


def test_each_tuner_runs_once_before_the_second_tuner_seed(tuners) -> None:
    names = [study.name for study in tuners.all_studies()]
    assert len(names) == 7 * 3 + 5
    assert names[6:9] == ["cartpole-pb2-0", "cartpole-random-1", "cartpole-tpe-1"]
    assert names[-1] == "acrobot-random-1"


def test_studies_are_named_in_part_or_wholly(tuners) -> None:
    assert len(tuners.wanted([])) == 26
    assert [s.name for s in tuners.wanted(["acrobot/tpe", "cartpole/pbt/2"])] == [
        "cartpole-pbt-2",
        "acrobot-tpe-0",
    ]
    with pytest.raises(SystemExit, match="names no study"):
        tuners.wanted(["cartpole/tp"])


def test_methods_of_brackets_have_half_of_the_environment_steps(tuners) -> None:
    (study,) = tuners.wanted(["cartpole/hyperband/0"])
    # 16 whole trainings of 50,000 steps with 3 seeds.
    assert "--max-steps=2400000" in study.command(Path("runs"))


def test_a_row_has_means_over_tuner_seeds(tuners) -> None:
    def result(objective: float, test: float) -> dict[str, Any]:
        found = {"objective": objective, "test_objective": test}
        seconds = {"processor_seconds": 100.0, "wall_seconds": 60.0, "tuner_seconds": 0.5}
        return {"timesteps": 4_800_000, "incumbent": found, "cpu": "a processor", **seconds}

    studies = tuners.wanted(["cartpole/random"])[:2]
    results = dict(zip(studies, [result(500.0, 300.0), result(400.0, 200.0)], strict=True))
    (row,) = [line for line in tuners.table("cartpole", results).splitlines() if "random" in line]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        *("random", "2", "4.80M", "100", "60", "0.5"),
        *("450.0", "500, 400", "250.0", "300, 200", "486", "a processor"),
    ]
