"""A small population, and the single runs that its members must equal."""

from __future__ import annotations

from typing import Any

import jax

from arlbench import DQN
from arlbench.core.environments import make_env_from_spec
from arlbench.core.problem import Problem
from arlbench.population import PopulationResult, train_population
from probe_framework import walk
from probes import CAPACITY, SMALL

TIMESTEPS = 800
LENGTH = {"n_total_timesteps": TIMESTEPS, "n_eval_steps": 2, "n_eval_episodes": 3}

UNIFORM = {**SMALL, "learning_rate": 1e-2}
SLOW = {**SMALL, "learning_rate": 1e-3, "gamma": 0.9}
PRIORITISED = {**SMALL, "buffer_prio_sampling": True, "normalize_observations": True}
CONFIGS = [UNIFORM, PRIORITISED, SLOW]
SEEDS = [3, 5]
NETWORK = {"hidden_size": 8}

_OF_THE_PROBLEM = {
    "algorithm",
    "n_eval_episodes",
    "n_eval_steps",
    "nas_config",
    "options",
    "schedule_timesteps",
}


def train(configs: Any = CONFIGS, seeds: Any = SEEDS, **changed: Any) -> PopulationResult:
    """Trains them; changes are fields of the problem or arguments of the call."""
    own = {name: changed.pop(name) for name in _OF_THE_PROBLEM & changed.keys()}
    if isinstance(own.get("n_eval_steps"), list):
        changed["n_eval_steps"] = own.pop("n_eval_steps")
    problem = Problem(walk(), **{**LENGTH, "nas_config": NETWORK, **own})
    settings = {"init_options": {"capacity": CAPACITY}, **changed}
    return train_population(problem, configs, seeds, **settings)


def single(config: dict[str, Any], seed: int, init_options: Any, **changed: Any) -> Any:
    """State and result of the single run."""
    dqn = DQN(config, make_env_from_spec(walk()), nas_config=NETWORK)
    state = dqn.init(jax.random.key(seed), **init_options)
    return dqn.train(*state, **{**LENGTH, **changed})
