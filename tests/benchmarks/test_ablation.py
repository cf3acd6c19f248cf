"""The ablation: its agents, and runs that are not repeated."""

from __future__ import annotations

import importlib
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def ablation(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    return importlib.import_module("ablation")


def test_each_component_is_added_to_the_plain_agent_and_removed_from_the_full_one(ablation) -> None:
    agents = {agent: ablation.components_of(agent) for agent in ablation.agents()}
    assert len(agents) == 2 + 2 * 7
    assert agents["plain"] == []
    assert agents["+noisy"] == ["noisy"]
    assert len(agents["full"]) == 7
    assert sorted([*agents["-double"], "double"]) == sorted(agents["full"])


def test_a_distribution_gets_the_range_of_the_returns_of_its_task(ablation) -> None:
    settings = ablation.TASKS["doorkey"].settings("+distribution")
    assert settings[-3:] == ["distribution=categorical", "v_min=0", "v_max=1"]


def test_components_take_precedence_over_what_the_plain_agent_sets(ablation) -> None:
    task = ablation.TASKS["doorkey"]
    assert "target_epsilon=0.1305" in task.settings("plain")
    assert "target_epsilon=0" in task.settings("+noisy")
    for agent in ablation.agents():
        names = [setting.partition("=")[0] for setting in task.settings(agent)]
        assert len(set(names)) == len(names)


def test_a_run_is_begun_once_and_resumed_until_it_has_ended(
    ablation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "doorkey" / "plain"
    commands = []

    def fake(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        commands.append(command[4:])
        out.mkdir(parents=True, exist_ok=True)
        (out / "settings.json").touch()
        status = "finished" if len(commands) == 2 else "interrupted"
        content = {"status": status, "final_return_by_seed": {"0": 0.25, "1": 0.75}}
        (out / "summary.json").write_text(json.dumps(content))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", fake)
    task = ablation.TASKS["doorkey"]
    with pytest.raises(SystemExit, match="failed"):
        task.run("plain", out)
    for _ in range(2):
        np.testing.assert_array_equal(task.run("plain", out), [0.25, 0.75])
    begun, resumed = commands
    assert begun[:2] == ["train", "MiniGrid-DoorKey-5x5"]
    assert {"--timesteps=300000", "--seeds=10"} <= set(begun)
    assert resumed == ["train", "--resume", str(out), "--quiet"]


def test_what_was_written_stays_until_it_is_measured_again(
    ablation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("reporting.RESULTS", tmp_path)

    def measured(folder: str, agent: str, *returns: float) -> None:
        out = tmp_path / folder / "cartpole" / agent
        out.mkdir(parents=True)
        content = {"status": "finished", "final_return_by_seed": dict(enumerate(returns))}
        (out / "summary.json").write_text(json.dumps(content))

    measured("first", "plain", 1, 2, 3)
    measured("first", "full", 9, 9, 9)
    measured("second", "full", 4, 4, 4)
    for folder in ("first", "second"):
        ablation.write(dict(ablation.ended(tmp_path / folder)))
    rows = (tmp_path / "ablation.md").read_text().splitlines()
    # Student's t with two degrees of freedom: 4.303 / sqrt(3) = 2.48 on each side of the mean.
    assert "| plain | 2.00 (-0.48 to 4.48) |" in rows
    assert "| full | 4.00 (4.00 to 4.00) |" in rows
