"""DQN's learning as small pure functions: collect, update the target, learn, iterate.

Everything here is traceable. ``structure`` is static, ``hp`` is traced.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from arlbench.core import lockstep, running_statistics
from arlbench.core.algorithms.dqn import losses
from arlbench.core.algorithms.dqn.acting import (
    ActionDraws,
    draw_actions,
    epsilon_greedy,
    q_values,
    read,
)
from arlbench.core.algorithms.dqn.hyperparameters import Structure, TracedHyperparameters
from arlbench.core.algorithms.dqn.recording import Recorder, record_step, record_update
from arlbench.core.algorithms.dqn.state import (
    DQNMetrics,
    DQNState,
    StoredTransition,
    Transition,
)
from arlbench.core.algorithms.dqn.updates import follow_without_target, update, update_target
from arlbench.core.buffers import replay
from arlbench.core.lockstep import Active
from arlbench.core.observations import action_mask, encode
from arlbench.core.randomness import BLOCK, Block, Stream, current_block, no_block, row


class Inputs(NamedTuple):
    """What stays the same throughout a segment.

    Attributes:
        structure: Static.
        hp: Traced hyperparameters.
        schedule_timesteps: Environment steps of the exploration schedule, float32 ``[]``.
        axis: The name of the batch of members that train in lockstep; None for one alone.
    """

    structure: Structure
    hp: TracedHyperparameters
    schedule_timesteps: chex.Numeric
    axis: str | None


class CollectDraws(NamedTuple):
    """Random numbers of ``BLOCK`` vector steps.

    Attributes:
        actions: For choosing actions, ``[BLOCK, n_envs]``.
        env_key: For the environments, ``[BLOCK]``.
    """

    actions: ActionDraws
    env_key: chex.PRNGKey


class Carry(NamedTuple):
    """What changes from iteration to iteration.

    Attributes:
        state: The run.
        recorder: What is kept of it.
        collect_draws: Random numbers of a block of vector steps, ``CollectDraws``.
        sample_draws: For each of the structure's batch sizes, random numbers of a block of
            updates, ``[BLOCK, B]``.
    """

    state: DQNState
    recorder: Recorder
    collect_draws: Block
    sample_draws: dict[int, Block]


def run_segment(
    structure: Structure,
    hp: TracedHyperparameters,
    schedule_timesteps: chex.Numeric,
    state: DQNState,
    recorder: Recorder,
    n_iterations: chex.Numeric,
    axis: str | None = None,
) -> tuple[DQNState, Recorder]:
    """``n_iterations`` iterations of DQN, from state to state."""
    inputs = Inputs(structure, hp, schedule_timesteps, axis)
    rng = state.runner_state.rng
    carry = Carry(
        state,
        recorder,
        no_block(rng, partial(_draw_collect, structure)),
        {size: no_block(rng, partial(_draw_sample, structure, size))
         for size in structure.batch_sizes},
    )  # fmt: skip
    carry = lockstep.repeat(n_iterations, partial(iterate, inputs), carry, axis)
    return carry.state, carry.recorder


def iterate(inputs: Inputs, carry: Carry, active: Active) -> Carry:
    """``train_freq`` vector steps, the target updates due, ``gradient_steps`` updates."""
    step_before = carry.state.runner_state.global_step
    carry = collect(inputs, carry, active)
    runner, buffer = carry.state
    train_state = update_target(
        inputs.hp,
        inputs.structure.agent.env.n_envs,
        runner.train_state,
        step_before,
        runner.global_step,
    )
    state = DQNState(runner._replace(train_state=train_state), buffer)
    return learn(inputs, carry._replace(state=state), active)


def collect(inputs: Inputs, carry: Carry, active: Active) -> Carry:
    """``train_freq`` vector steps into the buffer."""
    n_steps = lockstep.turns(inputs.hp.train_freq, active)
    return lockstep.repeat(n_steps, partial(vector_step, inputs), carry, inputs.axis)


def vector_step(inputs: Inputs, carry: Carry, active: Active) -> Carry:
    """One step of all environments."""
    structure, hp, _, axis = inputs
    agent = structure.agent
    runner, buffer = carry.state
    step = runner.global_step
    draw = partial(_draw_collect, structure)
    draws = current_block(carry.collect_draws, runner.rng, Stream.COLLECT, step, draw, axis)
    now = row(draws, step)
    features = encode(agent.env.observation_space, runner.obs, agent.images)
    normalizer_state = running_statistics.update(runner.normalizer_state, features)
    q = q_values(
        agent, runner.train_state.params, normalizer_state, hp.normalize_observations, runner.obs
    )
    action = epsilon_greedy(agent, q, runner.obs, now.actions, exploration(inputs, step))
    env_state, (obs, reward, done, info) = agent.env.step(runner.env_state, action, now.env_key)
    stored = StoredTransition(
        runner.obs, action, reward, info["final_observation"], info["terminated"]
    )
    alpha = hp.buffer_alpha if structure.prioritised else None
    buffer = replay.append(buffer, stored, logical_size(hp, buffer), alpha, active)
    taken = Transition(done, action, reward, runner.obs, info)
    after = (normalizer_state, env_state, obs, step + 1)
    before = (runner.normalizer_state, runner.env_state, runner.obs, step)
    normalizer_state, env_state, obs, step = lockstep.keep(active, after, before)
    runner = runner._replace(
        normalizer_state=normalizer_state, env_state=env_state, obs=obs, global_step=step
    )
    return carry._replace(
        state=DQNState(runner, buffer),
        recorder=record_step(carry.recorder, taken),
        collect_draws=draws,
    )


def _draw_collect(structure: Structure, rng: chex.PRNGKey) -> CollectDraws:
    env = structure.agent.env
    action_key, env_key = jax.random.split(rng)
    return CollectDraws(
        draw_actions(structure.agent, action_key, (BLOCK, env.n_envs)),
        jax.random.split(env_key, BLOCK),
    )


def exploration(inputs: Inputs, global_step: chex.Numeric) -> jax.Array:
    """The probability of a random action in the vector step after ``global_step``."""
    hp = inputs.hp
    return losses.epsilon(
        jnp.asarray(global_step, jnp.float32) * inputs.structure.agent.env.n_envs,
        hp.initial_epsilon,
        hp.target_epsilon,
        hp.exploration_fraction,
        inputs.schedule_timesteps,
    )


def logical_size(hp: TracedHyperparameters, buffer: Any) -> jax.Array:
    """The buffer's logical size, which cannot exceed what is allocated."""
    return jnp.minimum(hp.buffer_size, replay.capacity(buffer))


def has_started(hp: TracedHyperparameters, n_envs: int, global_step: Any) -> Any:
    """Whether learning has begun: enough vector steps lie behind."""
    return global_step > hp.learning_starts // n_envs


def learn(inputs: Inputs, carry: Carry, active: Active) -> Carry:
    """``gradient_steps`` updates, none before learning begins."""
    structure, hp, _, axis = inputs
    started = has_started(hp, structure.agent.env.n_envs, carry.state.runner_state.global_step)
    n_updates = lockstep.turns(jnp.where(started, hp.gradient_steps, 0), active)
    # A loop for each, of which one makes any turns: so another batch size takes a sixth to a
    # quarter of the time to compile that another program takes, and updates are as fast.
    for batch_size in structure.batch_sizes:
        n = jnp.where(hp.buffer_batch_size == batch_size, n_updates, 0)
        carry = lockstep.repeat(n, partial(gradient_step, inputs, batch_size), carry, axis)
    return carry


def gradient_step(inputs: Inputs, batch_size: int, carry: Carry, active: Active) -> Carry:
    """One update on a fresh batch of so many transitions."""
    structure, hp, _, axis = inputs
    runner, buffer = carry.state
    counter = runner.train_state.step
    block, draw = carry.sample_draws[batch_size], partial(_draw_sample, structure, batch_size)
    draws = current_block(block, runner.rng, Stream.SAMPLE, counter, draw, axis)
    rows, weights = _sample(structure, hp, buffer, row(draws, counter))
    batch: StoredTransition = replay.gather(buffer, rows)

    read_batch = partial(read, structure.agent, runner.normalizer_state, hp.normalize_observations)
    outcome = update(
        runner.train_state,
        read_batch(batch.obs),
        weights,
        batch.action,
        read_batch(batch.next_obs),
        batch.reward,
        batch.terminated,
        hp.gamma,
        action_mask(structure.agent.env.observation_space, batch.next_obs),
    )
    if structure.prioritised:
        priorities = jnp.abs(outcome.td_error) + hp.buffer_epsilon
        buffer = replay.set_priorities(buffer, rows, priorities, hp.buffer_alpha, active)
    train_state = lockstep.keep(active, outcome.train_state, runner.train_state)
    runner = runner._replace(train_state=follow_without_target(hp, train_state))
    metrics = DQNMetrics(outcome.loss, outcome.grads, outcome.td_error)
    return carry._replace(
        state=DQNState(runner, buffer),
        recorder=record_update(carry.recorder, metrics, outcome.q_value, active),
        sample_draws={**carry.sample_draws, batch_size: draws},
    )


def _draw_sample(structure: Structure, batch_size: int, rng: chex.PRNGKey) -> jax.Array:
    shape = (BLOCK, batch_size)
    return jax.random.uniform(rng, shape) if structure.prioritised else jax.random.bits(rng, shape)


def _sample(
    structure: Structure, hp: TracedHyperparameters, buffer: Any, draws: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Rows ``[B]`` and their importance weights ``[B]``."""
    if structure.prioritised:
        rows, probabilities = replay.sample_prioritised(buffer, draws)
        return rows, losses.importance_weights(probabilities, hp.buffer_beta)
    rows = replay.sample_uniform(buffer, draws, logical_size(hp, buffer))
    return rows, jnp.ones(rows.shape)
