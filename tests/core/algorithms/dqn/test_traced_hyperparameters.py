"""Hyperparameters that are tracers, in the user's own program."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.declarations import is_tracer
from arlbench.core.algorithms.dqn import DQN
from arlbench.core.algorithms.dqn.hyperparameters import HYPERPARAMETERS
from arlbench.errors import ConfigurationError
from changed_hyperparameters import ANOTHER_VALUE, BASE
from probes import CAPACITY, small_dqn, small_state

#: Traced hyperparameters; a batch size that is a tracer also needs all that it may be.
NAMES = [
    name
    for name, declared in HYPERPARAMETERS.items()
    if not declared.structural and name != "buffer_batch_size"
]


def agent(config: dict[str, Any], **settings: Any) -> DQN:
    return small_dqn(settings=settings, **{**BASE, **config})


def train(config: dict[str, Any], seed: Any = 0, timesteps: int = 144, **settings: Any) -> Any:
    dqn = agent(config, **settings)
    state = dqn.init(jax.random.key(seed), capacity=CAPACITY)
    state, result = dqn.train(*state, timesteps, 3, 2)
    return result.eval_rewards, state.runner_state.train_state.params


#: One program, in which every traced hyperparameter is a tracer.
compiled = jax.jit(train)


def train_inside(changed: dict[str, Any]) -> Any:
    """What training returns inside a program, with these values changed."""
    values = agent({}).hpo_config
    return compiled({name: jnp.asarray({**values, **changed}[name]) for name in NAMES})


def assert_close(left: Any, right: Any) -> None:
    for x, y in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


@pytest.mark.thorough
@pytest.mark.parametrize("name", NAMES)
def test_every_traced_hyperparameter_may_be_a_tracer(name: str) -> None:
    value = ANOTHER_VALUE[name]
    assert_close(train_inside({name: value}), train({name: value}))
    # It may also be the only tracer; tracing takes a tenth of the time of compiling.
    jax.eval_shape(lambda value: train({name: value}), value)


@pytest.mark.thorough
def test_all_of_them_may_change_at_once() -> None:
    changed = {name: ANOTHER_VALUE[name] for name in NAMES}
    assert_close(train_inside(changed), train(changed))


@pytest.mark.parametrize(
    "over",
    [
        pytest.param("vmap", marks=pytest.mark.stress),
        pytest.param("map", marks=pytest.mark.thorough),
    ],
)
def test_learning_rates_may_be_mapped_over(over: str) -> None:
    rates = jnp.array([1e-2, 1e-3, 1e-4])
    one = lambda rate: train({"learning_rate": rate})  # noqa: E731
    mapped = jax.vmap(one)(rates) if over == "vmap" else jax.lax.map(one, rates)
    for i, rate in enumerate(rates.tolist()):
        single = train({"learning_rate": rate})
        assert_close(jax.tree.map(lambda x, i=i: x[i], mapped), single)


@pytest.mark.thorough
def test_a_traced_batch_size_is_one_of_those_compiled() -> None:
    sizes = (3, 6)
    traced = jax.jit(lambda size: train({"buffer_batch_size": size}, batch_sizes=sizes))
    for size in sizes:
        assert_close(traced(size), train({"buffer_batch_size": size}, batch_sizes=sizes))


@pytest.mark.thorough
def test_lengths_that_are_not_known_meet_the_budget_all_the_same() -> None:
    # 144 steps in iterations of 7 * 4 steps are 6, evaluated after 2, 4 and 6 of them.
    def steps(frequency: Any) -> Any:
        dqn = agent({"train_freq": frequency})
        state = dqn.init(jax.random.key(0), capacity=CAPACITY)
        state, result = dqn.train(*state, 144, 3, 2)
        return state.runner_state.global_step, result.eval_rewards

    step, eval_rewards = jax.jit(steps)(7)
    assert step == 6 * 7
    assert eval_rewards.shape == (3, 2)
    np.testing.assert_allclose(eval_rewards, steps(7)[1], rtol=1e-5)


def refused(make: Any, value: Any, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        jax.jit(lambda value: (make(value), 0)[1])(value)


def test_a_traced_batch_size_alone_is_refused() -> None:
    refused(lambda v: agent({"buffer_batch_size": v}), 4, "must be in batch_sizes")


def test_a_traced_batch_size_has_no_records_of_one_size() -> None:
    make = lambda v: agent({"buffer_batch_size": v}, batch_sizes=(4, 8), track_metrics=True)  # noqa: E731
    refused(make, 4, "cannot be combined with track_metrics.*use track_losses")


def test_a_traced_buffer_size_needs_a_capacity() -> None:
    make = lambda v: agent({"buffer_size": v}).init(jax.random.key(0))  # noqa: E731
    refused(make, 64, "buffer_size is traced.*give init a capacity")


@pytest.mark.parametrize(
    ("name", "setting", "fault"),
    [
        ("train_freq", "track_trajectories", "set track_trajectories=False"),
        ("train_freq", "track_metrics", "track_metrics=False"),
        ("gradient_steps", "track_metrics", "gradient_steps is traced.*track_metrics=False"),
    ],
)
def test_records_of_an_unknown_number_are_refused(name: str, setting: str, fault: str) -> None:
    refused(lambda v: train({name: v}, **{setting: True}), 2, fault)


def test_what_shapes_the_program_cannot_be_traced() -> None:
    refused(lambda v: agent({"buffer_prio_sampling": v}), True, "make it a static argument")


def test_scalars_whose_value_is_known_are_ordinary_values() -> None:
    dqn = agent({"gamma": jnp.float32(0.5), "train_freq": np.int64(3), "tau": jnp.asarray(1)})
    assert (dqn.hpo_config["gamma"], dqn.hpo_config["train_freq"]) == (0.5, 3)
    assert not any(is_tracer(value) for value in dqn.hpo_config.values())


def test_an_assignment_into_the_configuration_fails() -> None:
    dqn = agent({})
    with pytest.raises(ConfigurationError, match="update_hpo_config"):
        dqn.hpo_config["gamma"] = 0.5  # type: ignore[index]
    dqn.update_hpo_config({"gamma": 0.5})
    assert dqn.hpo_config["gamma"] == 0.5


@pytest.mark.parametrize("hpo", [{}, {"train_freq": 7}])
def test_parts_of_a_schedule_share_a_budget(hpo: dict[str, Any]) -> None:
    dqn = small_dqn(**hpo)
    state, done = small_state(dqn), 0
    for part in range(4):
        state, _ = dqn.train(*state, 100, 1, 2, timesteps_before=100 * part)
        done = int(state.runner_state.global_step) * dqn.env.n_envs
        assert 100 * (part + 1) <= done < 100 * (part + 1) + dqn.steps_per_iteration
    whole, _ = dqn.train(*small_state(dqn), 400, 1, 2)
    assert done == int(whole.runner_state.global_step) * dqn.env.n_envs


def test_a_part_without_an_iteration_evaluates_the_present_agent() -> None:
    dqn = small_dqn(train_freq=100)
    state, first = dqn.train(*small_state(dqn), 10, 1, 2, timesteps_before=0)
    step = int(state.runner_state.global_step)
    state, second = dqn.train(*state, 10, 3, 2, timesteps_before=10)
    assert int(state.runner_state.global_step) == step == 100
    for row in np.asarray(second.eval_rewards):
        np.testing.assert_array_equal(row, first.eval_rewards[-1])
