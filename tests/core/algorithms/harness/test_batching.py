"""Members of a batch: how one is taken out of it."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from accelerated import ACCELERATOR, CPU, batch_of
from probes import CAPACITY, as_numpy, same_bits, small_dqn

N_MEMBERS = 3


@pytest.mark.thorough
def test_a_member_is_its_rows_of_every_array_and_all_of_them_need_one_program(count_compilations):
    batch = batch_of([small_dqn(learning_rate=0.01 * (i + 1)) for i in range(N_MEMBERS)], CPU)
    state = batch.prepare(batch.init([5, 6, 7], {"capacity": CAPACITY}))
    state = batch.advance(state, np.array([20, 30, 0]))
    batch.member(state, 0)
    with count_compilations() as compilations:
        members = [batch.member(state, i) for i in range(N_MEMBERS)]
    assert compilations.names == []
    for i, member in enumerate(members):
        assert jax.tree.structure(member) == jax.tree.structure(state)
        rows = [leaf[i] for leaf in as_numpy(state)]
        for own, row in zip(as_numpy(member), rows, strict=True):
            np.testing.assert_array_equal(own, row)
    steps = [int(member.runner_state.global_step) for member in members]
    assert steps == [40, 60, 0]
    assert same_bits(members[2].runner_state.rng, jax.random.key(7))


@pytest.mark.thorough
def test_only_an_accelerator_has_programs_compiled_before_it_trains(count_compilations):
    agents = [small_dqn(learning_rate=0.03)] * N_MEMBERS
    options = {"capacity": CAPACITY}
    assert batch_of(agents, CPU).compilations(options, n_episodes=3) == []
    batch = batch_of(agents, ACCELERATOR)
    for compile_one in batch.compilations(options, n_episodes=3):
        compile_one()
    state = batch.init(range(N_MEMBERS), options)
    with count_compilations() as compilations:
        state = batch.advance(batch.prepare(state), np.full(N_MEMBERS, 5))
        batch.evaluate(state, 3)
    assert compilations.names == []
