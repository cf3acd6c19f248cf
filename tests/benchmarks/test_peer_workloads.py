"""The committed configurations of the comparison with peers, and the check of their work."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from arlbench import DQN, make_env
from arlbench.autorl.action_space import inactive

PEERS = Path(__file__).resolve().parents[2] / "benchmarks" / "peers"


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """Imports a module of the scripts, which do not form a package."""
    monkeypatch.syspath_prepend(str(PEERS))
    return importlib.import_module


def test_shipped_configurations_are_legal_and_complete_in_number(peers) -> None:
    designs, workloads = peers("designs"), peers("workloads")
    sweep, landscape = designs.read_sweep(), designs.read_landscape()
    assert (len(sweep), len(landscape)) == (64, 32)
    # Duplicates would make a sweep cheaper than it seems.
    assert len({tuple(config.items()) for config in sweep}) == len(sweep)
    env, space = make_env("gymnax", "CartPole-v1", n_envs=8), DQN.get_hpo_config_space()
    for config in sweep + landscape:
        given = {**workloads.BASE, **config}
        resolved = DQN(given, env).hpo_config
        # Inactive values are ignored; all others are as requested.
        ignored = inactive(space, given)
        active = {name: value for name, value in given.items() if name not in ignored}
        assert resolved == {**resolved, **active}
        assert active.keys() >= {"learning_rate", "gamma", "buffer_size", "buffer_batch_size"}


def test_jobs_leave_no_hyperparameter_to_a_default_of_a_peer(peers) -> None:
    assert set(peers("workloads").BASE) == set(DQN.get_hpo_config_space())


def test_drawing_the_sweep_again_gives_what_is_shipped(peers) -> None:
    designs = peers("designs")
    assert designs.draw_sweep() == designs.read_sweep()


@pytest.mark.stress
def test_expected_work_is_what_a_training_counts(peers) -> None:
    workloads, accounting = peers("workloads"), peers("accounting")
    config = {"buffer_size": 512, "learning_starts": 100, "train_freq": 3, "gradient_steps": 2}
    job = {"n_envs": 4, "timesteps": 500, "evaluations": 2, "episodes": 1, "hidden_size": 64}
    config = {**workloads.BASE, **config}
    dqn = DQN(config, make_env("gymnax", "CartPole-v1", n_envs=4))
    import jax

    state, _ = dqn.train(*dqn.init(jax.random.key(0)), job["timesteps"], job["evaluations"], 1)
    expected = accounting.expected(job, config)
    assert expected["environment_steps"] == 4 * int(state.runner_state.global_step)
    assert expected["gradient_steps"] == int(state.runner_state.train_state.step)
