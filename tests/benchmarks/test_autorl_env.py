"""The variants in the benchmark of AutoRLEnv do the same work, and the verdicts are right."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arlbench import DQN

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Imports a module of the scripts, which do not form a package."""
    for folder in (BENCHMARKS / "peers", BENCHMARKS):
        monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module


def test_configurations_are_complete_and_differ(script) -> None:
    parts = script("autorl_env_parts")
    steps = parts.actions(parts.Scale(), 64)
    configs = [config for learners in steps for config in learners]
    assert (len(steps), len(configs)) == (10, 640)
    assert all(config.keys() == set(DQN.get_hpo_config_space()) for config in configs)
    assert len({tuple(config.items()) for config in configs}) == len(configs)


@pytest.mark.stress
def test_a_step_and_the_training_beside_it_do_the_same(script) -> None:
    second = script("autorl_env_parts").SecondStep(2_000)
    assert second.step() > 0
    assert second.train() > 0
    assert len(second.returns) == 1
    assert second.compiled == []


@pytest.mark.parametrize(
    ("ratio", "compiled", "verdict"),
    [(1.1, [], "; reached)"), (1.11, [], "; **missed**)"), (1.0, ["segment"], "; **missed**)")],
)
def test_a_verdict_follows_the_numbers(
    ratio: float, compiled: list[str], verdict: str, script
) -> None:
    times = {"median": 1.0, "smallest": 1.0, "largest": 1.0}
    length = {
        "timesteps": 10_000,
        "seconds": {"`step`": times},
        "ratio": ratio,
        "compilations": compiled,
        "same_returns": True,
    }
    text = script("autorl_env").step_text({"lengths": [length]})
    assert verdict in text
