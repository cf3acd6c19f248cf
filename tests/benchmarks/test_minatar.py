"""MinAtar with sticky actions: what is trained, and the table."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def minatar(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    return importlib.import_module("minatar")


def test_both_agents_train_with_sticky_actions(minatar, monkeypatch, tmp_path) -> None:
    commands = {}
    monkeypatch.setattr("command_line.trained", lambda out, words: commands.update({out: words}))
    for name, agent in minatar.AGENTS.items():
        minatar.TASKS["Freeway"].run(agent, tmp_path / name)
    plain, extended = commands[tmp_path / "plain"], commands[tmp_path / "extended"]
    assert plain[0] == extended[0] == "Freeway-MinAtar"
    assert {"--timesteps=1000000", "--seeds=3"} <= set(plain)
    assert plain[-2:] == extended[-2:] == ["--wrap", "sticky_action:probability=0.1"]
    assert {"double_q=true", "n_step=3", "noisy=true", "v_max=20"} <= set(extended) - set(plain)


def test_the_table_has_what_has_ended(minatar, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("reporting.RESULTS", tmp_path)
    for agent, returns, status in (("plain", (1, 2, 3), "finished"), ("extended", (9,), "stopped")):
        out = tmp_path / "Breakout" / agent
        out.mkdir(parents=True)
        by_seed = dict(enumerate(returns))
        content = {"status": status, "final_return_by_seed": by_seed}
        (out / "summary.json").write_text(json.dumps(content))
    minatar.write(minatar.ended(tmp_path))
    # Student's t with two degrees of freedom: 4.303 / sqrt(3) = 2.48 on each side of the mean.
    row = (tmp_path / "minatar.md").read_text().splitlines()[-1]
    assert row == "| Breakout | 2.0 (-0.5 to 4.5) |  |"
    # Without the folders, what has been written stays.
    minatar.write(minatar.ended(tmp_path / "elsewhere"))
    assert (tmp_path / "minatar.md").read_text().splitlines()[-1] == row
