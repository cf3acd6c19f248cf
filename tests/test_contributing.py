"""The steps in CONTRIBUTING.md work as written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench import EnvSpec, Problem, make_env
from arlbench.autorl import objectives
from arlbench.core.algorithms import registry as algorithms
from arlbench.core.environments import registry as environments
from probes import Walk

PAGE = Path(__file__).parents[1] / "CONTRIBUTING.md"
LIBRARY, WRAPPER, OBJECTIVE, TUNER, ALGORITHM = re.findall(
    r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL
)


def run(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "contributed"}
    exec(compile(block, PAGE.name, "exec"), names)
    return names


def test_a_library_is_registered_listed_and_played(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "corridor_adapter.py").write_text(LIBRARY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(environments, "_frameworks", dict(environments._frameworks))
    environments.register_framework("corridors", "corridor_adapter")
    assert "Corridor" in [listing.name for listing in environments.list_environments()]
    env = make_env("corridors", "Corridor", n_envs=1)
    state, obs = env.reset(jax.random.key(0))
    rewards = []
    for _ in range(5):
        state, (obs, reward, done, _) = env.step(state, jnp.int32([1]), jax.random.key(1))
        rewards.append(float(reward[0]))
    assert rewards == [0, 0, 0, 0, 1]
    assert done.all()
    assert obs.tolist() == [0]


def test_a_wrapper_changes_what_it_says() -> None:
    env = Walk(n_envs=2)
    negated = run(WRAPPER)["NegateReward"](env)
    key, action = jax.random.key(0), jnp.int32([1, 1])
    state, _ = env.reset(key)
    _, (_, reward, _, _) = env.step(state, action, key)
    _, (_, other, _, _) = negated.step(state, action, key)
    np.testing.assert_array_equal(other, -reward)
    assert negated.spec_name == "negate_reward"


def test_an_objective_is_found_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objectives, "_objectives", dict(objectives._objectives))
    run(OBJECTIVE)
    (found,) = objectives.find_objectives(["worst_return"])
    assert found.maximise


def test_a_tuner_proposes_the_same_first_trials_however_many_are_asked_for() -> None:
    halton = run(TUNER)["Halton"]
    problem = Problem(EnvSpec("gymnax", "CartPole-v1"), n_total_timesteps=1000)
    four = halton(problem, {}, seed=3).ask(4)
    eight = halton(problem, {}, seed=3).ask(8)
    assert eight[:4] == four
    assert len({str(trial.config) for trial in eight}) == 8


def test_an_algorithm_is_registered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(algorithms, "_ALGORITHMS", dict(algorithms._ALGORITHMS))
    run(ALGORITHM)
    assert capsys.readouterr().out == "tabular_q\n"
