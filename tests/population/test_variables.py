"""Environment variables of populations are checked on every machine, before anything begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from arlbench.core.environments import EnvSpec
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.experiments.experiment import Experiment
from arlbench.experiments.run_settings import resolve
from arlbench.experiments.training import check
from arlbench.population import train_population
from arlbench.population.break_even import BREAK_EVEN_VARIABLE
from arlbench.population.workers import CORES_VARIABLE
from arlbench.tuning import tune

SPEC = EnvSpec("gymnax", "CartPole-v1", n_envs=4)
PROBLEM = Problem(SPEC, n_total_timesteps=4_000, n_eval_steps=2)


@pytest.mark.parametrize("variable", [BREAK_EVEN_VARIABLE, CORES_VARIABLE])
def test_a_wrong_value_is_refused_wherever_training_starts(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("nothing may be trained")

    monkeypatch.setenv(variable, "many")
    study = tmp_path / "study"
    for starts in (
        lambda: train_population(PROBLEM, [{}], [0]),
        lambda: check(Experiment(PROBLEM, ({},), (0,)), 4.0),
        lambda: resolve(SPEC, {}),
        lambda: tune(PROBLEM, "random", n_trials=1, folder=study, train=never),
    ):
        with pytest.raises(ConfigurationError, match=f"{variable} must be .* 1, not 'many'"):
            starts()
    assert not study.exists()
