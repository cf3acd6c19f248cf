"""Members with extensions of DQN equal single runs with the same set of them."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np
import pytest

from arlbench.core.problem import Problem
from arlbench.population import train_population
from probe_framework import walk
from probes import CAPACITY, SMALL, same_bits, small_dqn, small_state

EXTENSIONS = ["loss", "double_q", "n_step=3", "exploration"]
CONFIGS = [
    {**SMALL, "loss": "huber", "n_step": 2},
    {**SMALL, "double_q": True, "n_step": 3, "exploration": "ez_greedy"},
]
LENGTH = {"n_total_timesteps": 240, "n_eval_steps": 2, "n_eval_episodes": 3}


def train(placement: str) -> Any:
    options = {"extensions": EXTENSIONS}
    problem = Problem(walk(), **LENGTH, nas_config={"hidden_size": 8}, options=options)
    init_options = {"capacity": CAPACITY}
    return train_population(
        problem, CONFIGS, [3], init_options=init_options, keep_params=True, placement=placement
    )


@pytest.mark.thorough
def test_members_share_a_program_and_are_the_single_runs_bit_by_bit() -> None:
    found = train("sequential")
    assert found.n_groups == 1
    for member, config in zip(found.members, CONFIGS, strict=True):
        dqn = small_dqn(settings={"extensions": EXTENSIONS}, **config)
        state, result = dqn.train(*small_state(dqn, 3), *LENGTH.values())
        np.testing.assert_array_equal(member.returns, result.eval_rewards)
        assert same_bits(member.params, state.runner_state.train_state.params)


@pytest.mark.thorough
def test_batched_members_are_the_same_up_to_rounding() -> None:
    alone, batched = train("sequential"), train("batched")
    assert batched.n_groups == 1
    np.testing.assert_array_equal(batched.returns, alone.returns)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6)
    for one, other in zip(batched.members, alone.members, strict=True):
        jax.tree.map(close, one.params, other.params)
