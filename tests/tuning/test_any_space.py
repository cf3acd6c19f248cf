"""Every tuner stays within spaces in which any hyperparameter may be searched, listed or fixed."""

from __future__ import annotations

import importlib.util
import random

import numpy as np
import pytest

from arlbench.tuning import Result, Space
from arlbench.tuning.tuner import make_tuner
from arlbench.tuning.tuners import tuner_class, tuner_names
from fake_studies import FIXED, NEEDS

#: How each hyperparameter may be given. Many only have an effect at one value of another one.
WORDS = {
    "learning_rate": ["1e-5..1e-2", "1e-4,1e-3"],
    "gamma": ["0.9..0.999"],
    "train_freq": ["1..8"],
    "buffer_batch_size": ["16,32"],
    "normalize_observations": ["true,false"],
    "use_target_network": ["true,false"],
    "tau": ["0.1..1", "0.3"],
    "target_update_interval": ["1..2000:log", "7"],
    "buffer_prio_sampling": ["true,false"],
    "buffer_alpha": ["0.1..0.9", "0.2"],
    "buffer_beta_anneal": ["0,1", "0.5"],
    "loss": ["squared,huber"],
    "huber_delta": ["0.1..10", "3"],
    "exploration": ["epsilon_greedy,boltzmann,ez_greedy"],
    "exploration_temperature": ["0.1..2", "0.5"],
    "distribution": ["none,categorical,quantile", "none,quantile"],
    "n_atoms": ["11,51", "21"],
    "v_min": ["-20..-1", "-5"],
    "v_max": ["1..20", "5"],
    "n_quantiles": ["4..20", "8"],
    "n_step": ["1..5"],
    "munchausen_alpha": ["0,0.9"],
    "hidden_size": ["16,32", "8..64:log"],
    "activation": ["relu,gelu,tanh"],
    "noisy": ["true,false"],
}

#: They import much, or their models take longer.
SLOW = ("gp", "smac", "smac_hyperband")

TUNERS = [
    pytest.param(name, marks=pytest.mark.thorough if name in SLOW else ())
    for name in tuner_names()
    if name != "grid"  # it takes lists only
]

N_ROUNDS, N_AT_ONCE = 5, 3


def any_space(draw: random.Random) -> Space:
    """A space over a few hyperparameters and those on which their effect depends."""
    names = {"learning_rate", *draw.sample(sorted(WORDS), draw.randint(3, 8))}
    conditions = [FIXED.declarations[name].effect_if for name in names]
    names |= {condition.name for condition in conditions if condition is not None}
    return Space(FIXED, {name: draw.choice(WORDS[name]) for name in sorted(names)})


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("name", TUNERS)
def test_it_proposes_whole_configurations_of_the_space(name: str, number: int) -> None:
    if (needs := NEEDS.get(name)) is not None and importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed")
    draw = random.Random(number)
    space = any_space(draw)
    tuner = make_tuner(tuner_class(name), space, seed=number)
    n_told = 0
    for _ in range(N_ROUNDS):
        results = []
        for trial in tuner.ask(N_AT_ONCE):
            assert space.require(trial.config) == trial.config
            assert space.complete(space.choice(trial.config)) == trial.config
            length = trial.fidelity or FIXED.n_total_timesteps
            asked = trial._replace(number=n_told + len(results), fidelity=length)
            score = draw.choice([-np.inf, 1.0, 5.0, 100 * draw.random()])
            status = "finished" if np.isfinite(score) else "diverged"
            results.append(
                Result(asked, status, np.zeros((1, 1)), np.array([length]), score, 0, 0.0)
            )
        tuner.tell(results)
        n_told += len(results)
    assert n_told >= N_ROUNDS
