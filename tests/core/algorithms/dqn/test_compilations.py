"""One program for a whole hyperparameter space: programs are counted, and values have an effect."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.dqn.hyperparameters import HYPERPARAMETERS
from changed_hyperparameters import ANOTHER_VALUE, BASE
from probes import CAPACITY, Walk, same_bits, small_dqn, small_state

TIMESTEPS = 400

# What needs another program: the way of sampling, a batch size, a network, an environment.
STRUCTURAL = {
    "buffer_prio_sampling": lambda: small_dqn(**{**BASE, "buffer_prio_sampling": False}),
    "buffer_batch_size": lambda: small_dqn(**BASE, buffer_batch_size=4),
    "hidden_size": lambda: small_dqn(hidden_size=5, **BASE),
    "n_envs": lambda: small_dqn(Walk(n_envs=3), **BASE),
    "environment": lambda: small_dqn(Walk(max_episode_steps=40), **BASE),
    "eval_eps": lambda: small_dqn(settings={"eval_eps": 0.2}, **BASE),
}


def train(dqn: DQN, timesteps: float = TIMESTEPS, schedule: int | None = None) -> Any:
    state = dqn.init(jax.random.key(0), capacity=CAPACITY)
    return dqn.train(*state, timesteps, 2, 3, schedule_timesteps=schedule)


@pytest.fixture(scope="module")
def base_run() -> Any:
    return train(small_dqn(Walk(), **BASE))


def test_every_traced_hyperparameter_is_tried() -> None:
    # Among the batch sizes of a program, the size is an input: see test_sharing.py.
    traced = {name for name, declared in HYPERPARAMETERS.items() if not declared.structural}
    assert ANOTHER_VALUE.keys() == traced - {"buffer_batch_size"}
    published = set(DQN.get_hpo_config_space())
    assert published - ANOTHER_VALUE.keys() == {"buffer_batch_size", "buffer_prio_sampling"}


@pytest.mark.parametrize("name", ANOTHER_VALUE)
def test_changing_a_traced_hyperparameter_compiles_nothing_but_changes_the_run(
    name: str, base_run: Any, count_compilations: Any
) -> None:
    # Another object and another environment, which are equal but share nothing.
    dqn = small_dqn(Walk(), **{**BASE, name: ANOTHER_VALUE[name]})
    with count_compilations() as counter:
        state, _ = train(dqn)
    assert counter.names == []
    assert not same_bits(learnt(state), learnt(base_run[0]))


def learnt(state: Any) -> Any:
    """What a hyperparameter must influence, directly or through the resulting actions."""
    return state.runner_state.train_state.params


def test_changing_all_of_them_at_once_compiles_nothing(
    base_run: Any, count_compilations: Any
) -> None:
    dqn = small_dqn(Walk(), **BASE)
    with count_compilations() as counter:
        dqn.update_hpo_config(ANOTHER_VALUE)
        train(dqn)
    assert counter.names == []


def test_going_on_under_other_values_compiles_nothing(
    base_run: Any, count_compilations: Any
) -> None:
    dqn = small_dqn(Walk(), **BASE)
    state, _ = train(dqn)
    with count_compilations() as counter:
        dqn.update_hpo_config(ANOTHER_VALUE)
        dqn.train(*state, TIMESTEPS, 2, 3)
    assert counter.names == []


@pytest.mark.parametrize("timesteps", [160, 1.6e3])
def test_the_number_of_timesteps_compiles_nothing(
    timesteps: float, base_run: Any, count_compilations: Any
) -> None:
    with count_compilations() as counter:
        state, _ = train(small_dqn(**BASE), timesteps)
    assert counter.names == []
    assert state.runner_state.global_step == timesteps / 4


def test_the_number_of_evaluations_compiles_nothing(base_run: Any, count_compilations: Any) -> None:
    state = small_state(small_dqn(**BASE))
    with count_compilations() as counter:
        _, result = small_dqn(**BASE).train(*state, TIMESTEPS, 5, 3)
    # The host stacks the returns; only their transfer to the device depends on their shape.
    assert set(counter.names) <= {"jit(stage)"}
    assert result.eval_rewards.shape == (5, 3)


def test_the_schedule_compiles_nothing_but_changes_the_run(
    base_run: Any, count_compilations: Any
) -> None:
    with count_compilations() as counter:
        state, _ = train(small_dqn(**BASE), schedule=10 * TIMESTEPS)
    assert counter.names == []
    assert not same_bits(learnt(state), learnt(base_run[0]))


def test_seeds_and_predictions_compile_nothing_the_second_time(
    base_run: Any, count_compilations: Any
) -> None:
    dqn = small_dqn(**BASE)
    dqn.predict(base_run[0].runner_state, np.zeros((4, 2), np.float32), None)
    key = jax.random.key(77)
    with count_compilations() as counter:
        state = dqn.init(key, capacity=CAPACITY)
        small_dqn(gamma=0.5, **{k: v for k, v in BASE.items() if k != "gamma"}).predict(
            state.runner_state, np.ones((4, 2), np.float32), None
        )
    assert counter.names == []


def test_a_trained_state_trains_on_without_compiling(
    base_run: Any, count_compilations: Any
) -> None:
    dqn = small_dqn(**BASE)
    state, _ = train(dqn)
    with count_compilations() as counter:
        state, _ = dqn.train(*state, TIMESTEPS, 2, 3)
        dqn.train(*state, TIMESTEPS, 2, 3)
    assert counter.names == []


def test_equal_structures_are_equal_whatever_objects_they_are_of() -> None:
    one, other = small_dqn(Walk(), **BASE), small_dqn(Walk(), **{**BASE, **ANOTHER_VALUE})
    assert one.structure == other.structure
    assert hash(one.structure) == hash(other.structure)


@pytest.mark.parametrize("name", STRUCTURAL)
def test_what_shapes_the_program_is_part_of_the_structure(name: str) -> None:
    assert STRUCTURAL[name]().structure != small_dqn(**BASE).structure


def test_another_structure_compiles_anew(base_run: Any, count_compilations: Any) -> None:
    # No other test may use this batch size, or the program would already exist.
    dqn = small_dqn(**BASE, buffer_batch_size=5)
    with count_compilations() as counter:
        train(dqn, 16)
    assert "jit(run_segment)" in counter.names
