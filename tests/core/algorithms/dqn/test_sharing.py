"""Programs that are made for several batch sizes."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.dqn.hyperparameters import MAX_BATCH_SIZES
from arlbench.errors import ConfigurationError
from probes import CAPACITY, same_bits, small_dqn

# A network that no other test uses, so that nothing has been compiled for it.
HIDDEN_SIZE = 6
SIZES = (3, 6, 9)


def agent(batch_size: int, batch_sizes: Any = SIZES, prioritised: bool = False, **more: Any) -> DQN:
    return small_dqn(
        hidden_size=HIDDEN_SIZE,
        settings={"batch_sizes": batch_sizes, **more},
        buffer_batch_size=batch_size,
        buffer_prio_sampling=prioritised,
    )


def train(dqn: DQN, timesteps: int = 400) -> Any:
    state = dqn.init(jax.random.key(0), capacity=CAPACITY)
    return dqn.train(*state, timesteps, 2, 3)


@pytest.mark.parametrize(
    "prioritised",
    [pytest.param(False, marks=pytest.mark.stress), pytest.param(True, marks=pytest.mark.thorough)],
)
def test_one_program_does_the_updates_of_each_batch_size_bit_by_bit(
    prioritised: bool, count_compilations: Any
) -> None:
    with count_compilations() as counter:
        shared = [train(agent(size, SIZES, prioritised)) for size in SIZES]
    assert counter.names.count("jit(run_segment)") == 1
    for size, (state, result) in zip(SIZES, shared, strict=True):
        own_state, own_result = train(agent(size, (), prioritised))
        assert same_bits(state, own_state)
        assert same_bits(result, own_result)
    # The trainings are not all the same.
    assert not same_bits(shared[0], shared[1])


@pytest.mark.thorough
def test_a_change_to_another_of_the_batch_sizes_compiles_nothing(count_compilations: Any) -> None:
    dqn = agent(3)
    state, _ = train(dqn)
    with count_compilations() as counter:
        dqn.update_hpo_config({"buffer_batch_size": 9})
        state, _ = dqn.train(*state, 400, 2, 3)
    assert counter.names == []
    apart = agent(3, ())
    expected, _ = train(apart)
    apart.update_hpo_config({"buffer_batch_size": 9})
    expected, _ = apart.train(*expected, 400, 2, 3)
    assert same_bits(state, expected)


def test_the_structure_has_the_configurations_own_batch_size_too() -> None:
    assert agent(4).structure.batch_sizes == (3, 4, 6, 9)
    assert agent(6).structure == agent(3, [9, 6.0, np.int64(3)]).structure


@pytest.mark.thorough
def test_records_of_updates_leave_the_others_out() -> None:
    dqn = agent(6, track_metrics=True)
    assert dqn.structure.batch_sizes == (6,)
    _, result = train(dqn)
    n_updates, width = result.metrics.td_error.shape
    assert width == 6
    assert n_updates > 0


@pytest.mark.parametrize(
    ("batch_sizes", "fault"),
    [
        ((3, 0), "buffer_batch_size must be at least 1"),
        ((2.5,), "buffer_batch_size must be a whole number, not 2.5"),
        ((True,), "buffer_batch_size must be a whole number"),
        (64, "batch_sizes must be several values of buffer_batch_size, not 64"),
        ("64", "batch_sizes must be several values"),
    ],
)
def test_impossible_batch_sizes_are_refused(batch_sizes: Any, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        agent(3, batch_sizes)


def test_what_differs_in_batch_size_alone_shares_a_program() -> None:
    algorithms = [
        agent(8, ()), agent(4, ()), agent(16, (), prioritised=True), agent(4, (), prioritised=True)
    ]  # fmt: skip
    assert DQN.options_to_share(algorithms) == [
        {"batch_sizes": (4, 8)},
        {"batch_sizes": (4, 8)},
        {"batch_sizes": (4, 16)},
        {"batch_sizes": (4, 16)},
    ]


@pytest.mark.parametrize("capacity", ["x", 0.5, -3, True])
def test_a_shared_capacity_must_be_a_number_of_rows(capacity: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^capacity must be a positive whole"):
        DQN.shared_init_options([agent(8)], [100], given={"capacity": capacity})
    # Rounded up to a power of two.
    many = DQN.shared_init_options([agent(8)], [100], given={"capacity": 1e6})
    assert many == {"capacity": 2**20}


def test_a_program_is_made_for_a_limited_number_of_batch_sizes() -> None:
    sizes = range(1, MAX_BATCH_SIZES + 3)
    shared = DQN.options_to_share([agent(size, ()) for size in reversed(sizes)])
    first, rest = tuple(range(1, MAX_BATCH_SIZES + 1)), (MAX_BATCH_SIZES + 1, MAX_BATCH_SIZES + 2)
    assert shared[:2] == [{"batch_sizes": rest}] * 2
    assert shared[2:] == [{"batch_sizes": first}] * MAX_BATCH_SIZES
