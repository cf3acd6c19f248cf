"""Populations whose environment steps in Python: each process has its members' instances."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from arlbench import DQN
from arlbench.core.environments import make_env_from_spec
from arlbench.core.problem import Problem
from arlbench.errors import ConfigurationError
from arlbench.population import PopulationState, train_population
from host_probes import stairs
from probes import CAPACITY, SMALL, same_bits

LENGTH = {"n_total_timesteps": 160, "n_eval_steps": 2, "n_eval_episodes": 3}
NETWORK = {"hidden_size": 8}
CONFIGS = [{**SMALL, "learning_rate": rate} for rate in (1e-2, 1e-3)]
SEEDS = [3, 5]


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


def test_members_continue_in_new_episodes() -> None:
    begun = train(keep_state=True)
    assert all("env_state" not in member.parts for member in begun.members)
    further = [train(state=PopulationState.of(begun), keep_params=True) for _ in range(2)]
    np.testing.assert_array_equal(*(result.returns for result in further))
    assert not same_bits(*(member.params for member in further[0].members[:2]))


def test_they_are_not_batched() -> None:
    assert train(placement="auto").n_processes == 1
    with pytest.raises(ConfigurationError, match="an environment steps in Python; leave placement"):
        train(placement="batched")
