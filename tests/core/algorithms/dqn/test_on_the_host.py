"""Training if the environment steps in Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from arlbench.core.algorithms.checkpointing import Checkpointer
from arlbench.core.algorithms.dqn import DQN
from arlbench.core.environments import make_env_from_spec
from arlbench.core.environments.adapters.instances import INSTANCES
from arlbench.core.environments.wrappers import FrameStack
from arlbench.errors import ConfigurationError
from host_probes import TOP, stairs
from probes import CAPACITY, Walk, same_bits, small_dqn, small_state

TIMESTEPS = 192


def climber(wrapped: bool = False, **settings: Any) -> DQN:
    env = make_env_from_spec(stairs())
    env = FrameStack(env, 2) if wrapped else env
    return small_dqn(env, settings=settings, buffer_size=CAPACITY)


def train(dqn: DQN, state: Any, timesteps: int = TIMESTEPS, n_eval_steps: int = 2) -> Any:
    return dqn.train(*state, timesteps, n_eval_steps, 3, schedule_timesteps=TIMESTEPS)


def learnt(state: Any) -> Any:
    """Everything except the numbers of instances, which are never the same."""
    runner = state.runner_state
    return runner._replace(env_state=None), state.buffer_state


@pytest.mark.thorough
@pytest.mark.parametrize(
    "wrapped",
    [
        pytest.param(False, id="bare"),
        pytest.param(True, id="wrapped", marks=pytest.mark.thorough),
    ],
)
def test_a_run_in_parts_is_the_whole_run(wrapped: bool) -> None:
    dqn = climber(wrapped)
    whole, result = train(dqn, small_state(dqn))
    state, returns = small_state(dqn), []
    for _ in range(2):
        state, part = train(dqn, state, TIMESTEPS // 2, 1)
        returns.append(part.eval_rewards[0])
    assert same_bits(learnt(state), learnt(whole))
    np.testing.assert_array_equal(np.stack(returns), result.eval_rewards)


def test_what_is_stored_is_what_happened() -> None:
    dqn = climber(track_trajectories=True)
    state, result = train(dqn, small_state(dqn))
    path = jax.tree.map(np.asarray, result.trajectories)
    before, after = path.obs[..., 0], path.info["final_observation"][..., 0]
    np.testing.assert_array_equal(after, before + path.action)
    np.testing.assert_array_equal(path.reward, before + 1)
    np.testing.assert_array_equal(path.info["terminated"], after == TOP)
    np.testing.assert_array_equal(path.obs[1:, :, 0][~path.done[:-1]], after[:-1][~path.done[:-1]])
    stored = state.buffer_state.experience.transition
    np.testing.assert_array_equal(np.asarray(stored.next_obs)[0, :TIMESTEPS, 0], after.reshape(-1))


def test_another_object_of_equal_structure_compiles_nothing(count_compilations: Any) -> None:
    train(climber(), small_state(climber()))
    with count_compilations() as counter:
        dqn = climber()
        train(dqn, small_state(dqn))
    assert counter.names == []


@pytest.mark.thorough
def test_training_is_traceable() -> None:
    dqn = climber()
    state, result = jax.jit(lambda state: train(dqn, state))(small_state(dqn))
    loop, by_loop = train(dqn, small_state(dqn))
    np.testing.assert_array_equal(result.eval_rewards, by_loop.eval_rewards)
    assert same_bits(state.runner_state.obs, loop.runner_state.obs)


def test_members_cannot_be_batched() -> None:
    dqn = climber()
    with pytest.raises(ConfigurationError, match="cannot be batched by jax"):
        jax.vmap(dqn.init)(jax.random.split(jax.random.key(0), 2))
    # As the message says, members can be mapped.
    one_by_one = jax.lax.map(lambda rng: dqn.init(rng)[0].obs, jax.random.split(jax.random.key(0)))
    assert one_by_one.shape == (2, 2, 2)


def test_a_state_that_was_trained_already_begins_new_episodes() -> None:
    dqn = climber()
    first, _ = train(dqn, small_state(dqn))

    def again() -> Any:
        state = jax.tree.map(jnp.copy, first)
        return train(dqn, state, 40, 1)[0]

    on = again()
    assert not dqn.env.is_present(first.runner_state.env_state)
    twice = [again(), again()]
    assert same_bits(*map(learnt, twice))
    assert not same_bits(learnt(on)[1], learnt(twice[0])[1])
    assert twice[0].runner_state.global_step == on.runner_state.global_step
    # What was learnt earlier is kept.
    n_before = int(first.buffer_state.running_index)
    rows = [
        np.asarray(x.buffer_state.experience.transition.obs)[0, :n_before] for x in (on, *twice)
    ]
    assert same_bits(rows[0], rows[1])


def test_of_a_checkpoint_fresh_episodes_begin(tmp_path: Path) -> None:
    dqn = climber()
    state, _ = train(dqn, small_state(dqn))
    Checkpointer(tmp_path).save(dqn, state)
    ended = []
    for _ in range(2):
        loaded = Checkpointer.load(tmp_path, dqn)
        (note,) = loaded.notes
        assert note == "The state of host_probes:Stairs-v0 cannot be saved, so new episodes begin."
        assert not dqn.env.is_present(loaded.state.runner_state.env_state)
        ended.append(train(dqn, loaded.state, 40, 1)[0])
    assert same_bits(*map(learnt, ended))


def test_evaluations_leave_the_training_alone() -> None:
    dqn = climber()
    often, _ = train(dqn, small_state(dqn), n_eval_steps=6)
    once, _ = train(dqn, small_state(dqn), n_eval_steps=1)
    assert same_bits(learnt(often), learnt(once))


def test_evaluations_leave_no_instances_behind() -> None:
    dqn = climber()
    runner_state, _ = small_state(dqn)
    dqn.evaluate(runner_state, 3)
    before = len(INSTANCES)
    for _ in range(3):
        dqn.evaluate(runner_state, 3)
    assert len(INSTANCES) == before


def test_it_may_be_evaluated_where_it_does_not_train() -> None:
    env, compiled = make_env_from_spec(stairs()), Walk()
    assert DQN(None, env).uses_host
    assert not DQN(None, compiled).uses_host


def test_a_step_on_the_host_is_counted_as_work() -> None:
    env = make_env_from_spec(stairs(n_envs=4))
    on_host, compiled = small_dqn(env), small_dqn(Walk(n_envs=4))
    assert on_host.cost(1000) == compiled.cost(1000) + 40 * 1000
