"""Parts that do not fit together are refused by name, before anything is traced."""

from __future__ import annotations

from typing import Any

import flashbax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces

from arlbench.core.algorithms.dqn import DQN
from arlbench.core.buffers import sum_tree
from arlbench.errors import ArlbenchError, ConfigurationError
from probes import CAPACITY, OneStep, Walk, same_bits, small_dqn, small_state

TRAIN = {"n_total_timesteps": 64, "n_eval_steps": 1, "n_eval_episodes": 2}


class OtherSpace(OneStep):
    """Another task: observations of seven numbers."""

    observation_space = spaces.Discrete(7)


def with_train_state(dqn: DQN, **fields: Any) -> tuple[Any, Any]:
    runner, buffer = small_state(dqn)
    return runner._replace(train_state=runner.train_state.replace(**fields)), buffer


def a_flashbax_buffer() -> Any:
    buffer = flashbax.make_prioritised_flat_buffer(16, 2, 2)
    return buffer.init({"obs": jnp.zeros(2)})


def filled(dqn: DQN, rows: int) -> tuple[Any, Any]:
    """A state with 64 rows, after an earlier call has written this many."""
    runner, buffer = dqn.init(jax.random.key(0), capacity=64)
    return runner, buffer.replace(running_index=jnp.int32(rows))


def closed_over(dqn: DQN, state: tuple[Any, Any]) -> Any:
    """The shapes of what training returns if ``jax.jit`` knows the state."""
    return jax.eval_shape(lambda: dqn.train(*state, **TRAIN)[1].eval_rewards)


REFUSED = {
    "one observation": (
        lambda dqn: dqn.predict(small_state(dqn).runner_state, np.zeros(2, np.float32), None),
        r"obs has the shape \(2,\).*obs\[None\]",
    ),
    "a prediction with a whole state": (
        lambda dqn: dqn.predict(small_state(dqn), np.zeros((5, 2), np.float32), None),
        r"runner_state must be a DQNRunnerState, not a DQNState.*state\.runner_state",
    ),
    "an evaluation of a whole state": (
        lambda dqn: dqn.evaluate(small_state(dqn), 1),
        r"runner_state must be a DQNRunnerState, not a DQNState.*state\.runner_state",
    ),
    "an evaluation of another network": (
        lambda dqn: dqn.evaluate(small_state(small_dqn(hidden_size=5)).runner_state, 1),
        r"runner_state.*hidden_0.*shape.*same network",
    ),
    "a prediction of another network": (
        lambda dqn: dqn.predict(
            small_state(small_dqn(hidden_size=5)).runner_state, np.zeros((5, 2), np.float32), None
        ),
        r"runner_state.*hidden_0.*shape.*same network",
    ),
    "half an episode": (
        lambda dqn: dqn.play(small_state(dqn).runner_state, jax.random.key(0), 2.5),
        "n_episodes must be a positive whole number",
    ),
    "a progress that is something else": (
        lambda dqn: dqn.train(*small_state(dqn), **TRAIN, progress={}),
        "progress must be the TrainingProgress that on_progress received, not a dict",
    ),
    "earlier timesteps that are a text": (
        lambda dqn: dqn.train(*small_state(dqn), **TRAIN, timesteps_before="x"),
        "timesteps_before must be a whole number of at least 0, not 'x'",
    ),
    "observations of another width": (
        lambda dqn: dqn.predict(small_state(dqn).runner_state, np.zeros((5, 1)), None),
        r"obs has the shape \(5, 1\)",
    ),
    "an eval_env of another task": (
        lambda dqn: small_dqn(settings={"eval_env": OtherSpace()}),
        "eval_env has the observation_space Discrete",
    ),
    "a state of another network": (
        lambda dqn: dqn.train(*small_state(small_dqn(hidden_size=5)), **TRAIN),
        r"runner_state.*hidden_0.*shape.*same network",
    ),
    "a state of another number of environments": (
        lambda dqn: dqn.train(*small_state(small_dqn(Walk(n_envs=3))), **TRAIN),
        r"runner_state.*has the shape \(3",
    ),
    "a buffer of another environment": (
        lambda dqn: dqn.train(
            small_state(dqn).runner_state, small_state(small_dqn(OneStep())).buffer_state, **TRAIN
        ),
        r"buffer_state.*obs has the shape \(1, 256, 1\).*\(1, 256, 2\).*same network",
    ),
    "another target network": (
        lambda dqn: dqn.train(*with_train_state(dqn, target_params={"params": {}}), **TRAIN),
        r"runner_state\['target_params'\].* is missing",
    ),
    "states in the wrong order": (
        lambda dqn: dqn.train(*reversed(small_state(dqn)), **TRAIN),
        "in this order",
    ),
    "parameters of another dtype": (
        lambda dqn: dqn.init(
            jax.random.key(0),
            network_params=jax.tree.map(
                lambda x: x.astype(jnp.bfloat16), small_state(dqn).runner_state.train_state.params
            ),
        ),
        "bfloat16, but must be float32",
    ),
    "a buffer of another library": (
        lambda dqn: dqn.init(jax.random.key(0), buffer_state=a_flashbax_buffer()),
        "buffer of an arlbench DQN",
    ),
    "more episodes than can be counted": (
        lambda dqn: dqn.train(*small_state(dqn), 64, 1, 2**31),
        "n_eval_episodes must be a positive whole number of at most",
    ),
    "a buffer with earlier rows that would have to grow in jit": (
        lambda dqn: closed_over(dqn, filled(dqn, 40)),
        "Inside jax.jit a buffer cannot grow, and this one has 64 rows but needs 104",
    ),
    "a buffer that would have to grow in jit": (
        lambda dqn: jax.jit(
            lambda key: dqn.train(*dqn.init(key, capacity=4), **TRAIN)[1].eval_rewards
        )(jax.random.key(0)),
        "Inside jax.jit a buffer cannot grow, and this one has 4 rows",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_by_name(case: str) -> None:
    attempt, message = REFUSED[case]
    with pytest.raises(ConfigurationError, match=message):
        attempt(small_dqn(Walk()))


def test_an_agent_acts_with_a_state_of_another_number_of_environments() -> None:
    one, three = small_dqn(Walk(n_envs=1)), small_dqn(Walk(n_envs=3))
    state, obs = small_state(three), np.ones((5, 2), np.float32)
    actions = one.predict(state.runner_state, obs, None)
    np.testing.assert_array_equal(actions, three.predict(state.runner_state, obs, None))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"actions": jnp.zeros(3)}, "actions are float32, but must be integers"),
        ({"rewards": jnp.zeros((3, 1))}, r"rewards has the shape \(3, 1\)"),
        ({"dones": [0.0, 0.0]}, r"dones has the shape \(2,\)"),
        ({"next_observations": jnp.zeros((3, 9))}, "next_observations has the shape"),
    ],
)
def test_an_update_needs_parts_of_one_batch(changed: dict[str, Any], message: str) -> None:
    dqn = small_dqn(Walk())
    batch = {
        "observations": jnp.zeros((3, 2)),
        "is_weights": jnp.ones(3),
        "actions": jnp.zeros(3, jnp.int32),
        "next_observations": jnp.zeros((3, 2)),
        "rewards": jnp.zeros(3),
        "dones": jnp.zeros(3),
    }
    with pytest.raises(ArlbenchError, match=message):
        dqn.update(small_state(dqn).runner_state.train_state, **{**batch, **changed})


def test_a_state_without_target_parameters_begins_with_a_copy_of_its_own() -> None:
    dqn = small_dqn(Walk())
    without, _ = dqn.train(*with_train_state(dqn, target_params=None), **TRAIN)
    usual, _ = dqn.train(*small_state(dqn), **TRAIN)
    assert same_bits(without.runner_state.train_state, usual.runner_state.train_state)


def test_earlier_rows_need_no_more_room_than_the_whole_buffer() -> None:
    dqn = small_dqn(Walk(), buffer_size=64)
    assert closed_over(dqn, filled(dqn, 40)).shape == (1, 2)


@pytest.mark.thorough
def test_a_state_that_jit_closes_over_is_trained_and_kept() -> None:
    dqn = small_dqn(Walk())
    state = small_state(dqn)
    traced = jax.jit(lambda: dqn.train(*state, **TRAIN)[1].eval_rewards)()
    _, result = dqn.train(*state, **TRAIN)
    np.testing.assert_array_equal(traced, result.eval_rewards)


@pytest.mark.thorough
def test_empty_levels_above_a_tree_change_no_draw() -> None:
    values = jax.random.uniform(jax.random.key(0), (CAPACITY,))
    quantiles = jax.random.uniform(jax.random.key(1), (2000,))
    small = sum_tree.find(sum_tree.build(values), quantiles)
    for factor in (2, 4, 8):
        padded = jnp.pad(values, (0, CAPACITY * (factor - 1)))
        np.testing.assert_array_equal(sum_tree.find(sum_tree.build(padded), quantiles), small)
