"""Populations with environments that step in Python: each process has its members' instances."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
import pytest

from arlbench import DQN, EnvSpec
from arlbench.core.environments import make_env_from_spec
from arlbench.core.environments.adapters.instances import INSTANCES
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.population import PopulationState, train_population
from host_probes import stairs
from own_probes import OBS, giving
from probes import CAPACITY, SMALL, same_bits

LENGTH = {"n_total_timesteps": 160, "n_eval_steps": 2, "n_eval_episodes": 3}
NETWORK = {"hidden_size": 8}
CONFIGS = [{**SMALL, "learning_rate": rate} for rate in (1e-2, 1e-3)]
SEEDS = [3, 5]

MAIN_PROGRAM = """
import arlbench
from arlbench import make_env, Problem
from arlbench.population import cores, train_population
from own_probes import Counting

class Mine(Counting):
    pass

cores._WORTH_A_PROCESS = 1.0
problem = Problem(make_env("gymnasium", Mine, 2).spec, n_total_timesteps=4000, n_eval_steps=1)
result = train_population(problem, [{"learning_starts": 64}], [0, 1, 2, 3])
print(result.n_processes, result.returns.mean())
"""


def train(**changed: Any) -> Any:
    problem = Problem(stairs(), nas_config=NETWORK, **LENGTH)
    settings = {"init_options": {"capacity": CAPACITY}, **changed}
    return train_population(problem, CONFIGS, SEEDS, **settings)


@pytest.mark.thorough
def test_members_in_worker_processes_are_single_runs(two_processes: None) -> None:
    population = train(keep_params=True)
    assert population.n_processes == 2
    for member in population.members:
        dqn = DQN(CONFIGS[member.config_index], make_env_from_spec(stairs()), nas_config=NETWORK)
        state = dqn.init(jax.random.key(SEEDS[member.seed_index]), capacity=CAPACITY)
        state, result = dqn.train(*state, **LENGTH)
        assert same_bits(member.returns, np.asarray(result.eval_rewards))
        assert same_bits(member.params, state.runner_state.train_state.params)


@pytest.mark.thorough
def test_members_continue_in_new_episodes() -> None:
    begun = train(keep_state=True)
    assert all("env_state" not in member.parts for member in begun.members)
    further = [train(state=PopulationState.of(begun), keep_params=True) for _ in range(2)]
    np.testing.assert_array_equal(*(result.returns for result in further))
    assert not same_bits(*(member.params for member in further[0].members[:2]))


@pytest.mark.thorough
def test_members_take_the_copies_of_those_that_have_ended() -> None:
    problem = Problem(stairs(), nas_config=NETWORK, **LENGTH)

    def copies(n_members: int) -> int:
        before = len(INSTANCES)
        train_population(
            problem, CONFIGS[:1], range(n_members), init_options={"capacity": CAPACITY}
        )
        return len(INSTANCES) - before

    # Those that train and those that evaluate stay for the next population.
    assert copies(1) <= 2 * problem.env_spec.n_envs
    assert copies(4) == 0


@pytest.mark.thorough
def test_they_are_not_batched() -> None:
    assert train(placement="auto").n_processes == 1
    with pytest.raises(ConfigurationError, match="an environment steps in Python; leave placement"):
        train(placement="batched")


def registered(name: str, cls: Any) -> Problem:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gymnasium's warning that a name is registered again
        gymnasium.register(name, cls)
    return Problem(EnvSpec("gymnasium", name, 2), nas_config=NETWORK, **LENGTH)


def rewards(problem: Problem, **changed: Any) -> Any:
    """The transitions that one member stores, and the number of processes."""
    settings = {"init_options": {"capacity": CAPACITY}, "keep_parts": ["buffer"], **changed}
    result = train_population(problem, CONFIGS[:1], SEEDS, **settings)
    stored = [member.parts["buffer"].transition.reward for member in result.members]
    return {float(x) for rows in stored for x in np.ravel(rows)}, result.n_processes


def earning(amount: float) -> Any:
    return giving(step=lambda n: (OBS, amount, n % 4 == 3, False, {}))


@pytest.mark.thorough
def test_workers_are_sent_what_is_registered_here_and_registered_again(
    only_in_the_worker: None,
) -> None:
    for amount in (1.0, 2.0):
        assert rewards(registered("Here-v0", earning(amount))) == ({amount}, 2)


@pytest.mark.thorough
def test_what_cannot_be_sent_trains_here_and_says_so(two_processes: None) -> None:
    lock, told = threading.Lock(), []
    locked = giving(step=lambda n: (OBS, float(lock.locked()), n % 4 == 3, False, {}))
    problem = registered("Locked-v0", locked)
    assert rewards(problem, on_notice=told.append) == ({0.0}, 1)
    assert len(told) == 1
    assert "trains on one core, because Locked-v0 cannot be sent" in told[0]
    with pytest.warns(RuntimeWarning, match="put its class into a separate module"):
        rewards(problem)


@pytest.mark.thorough
def test_an_environment_of_the_main_program_trains_on_every_core(tmp_path: Path) -> None:
    script = tmp_path / "main_program.py"
    script.write_text(MAIN_PROGRAM)
    path = os.pathsep.join([*sys.path, str(Path(__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "ARLBENCH_CORES": "2", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stdout.split() == ["2", "4.0"]
