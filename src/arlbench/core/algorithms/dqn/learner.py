"""DQN's learning as small pure functions: collect, update the target, learn, iterate.

Everything here is traceable. ``structure`` is static, ``hp`` is traced.
"""

from __future__ import annotations

from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax

from arlbench.core import running_statistics
from arlbench.core.algorithms.dqn import losses
from arlbench.core.algorithms.dqn.acting import epsilon_greedy, q_values
from arlbench.core.algorithms.dqn.hyperparameters import (
    AgentStructure,
    Structure,
    TracedHyperparameters,
)
from arlbench.core.algorithms.dqn.optimizer import with_learning_rate
from arlbench.core.algorithms.dqn.recording import Recorder, record_step, record_update
from arlbench.core.algorithms.dqn.state import (
    DQNMetrics,
    DQNState,
    DQNTrainState,
    StoredTransition,
    Transition,
)
from arlbench.core.buffers import replay
from arlbench.core.observations import encode
from arlbench.core.randomness import Stream, stream_key


def collect(
    structure: Structure,
    hp: TracedHyperparameters,
    schedule_timesteps: chex.Numeric,
    state: DQNState,
    recorder: Recorder,
) -> tuple[DQNState, Recorder]:
    """``train_freq`` vector steps into the buffer."""
    return jax.lax.fori_loop(
        0,
        hp.train_freq,
        lambda _, carry: vector_step(structure, hp, schedule_timesteps, *carry),
        (state, recorder),
    )


def vector_step(
    structure: Structure,
    hp: TracedHyperparameters,
    schedule_timesteps: chex.Numeric,
    state: DQNState,
    recorder: Recorder,
) -> tuple[DQNState, Recorder]:
    """One step of all environments."""
    runner, buffer = state
    agent = structure.agent
    action_key, env_key = jax.random.split(
        stream_key(runner.rng, Stream.COLLECT, runner.global_step)
    )
    normalizer_state = running_statistics.update(
        runner.normalizer_state, encode(agent.env.observation_space, runner.obs, agent.images)
    )
    q = q_values(
        agent, runner.train_state.params, normalizer_state, hp.normalize_observations, runner.obs
    )
    action = epsilon_greedy(
        action_key, q, exploration(hp, schedule_timesteps, runner.global_step, agent.env.n_envs)
    )
    env_state, (obs, reward, done, info) = agent.env.step(runner.env_state, action, env_key)
    stored = StoredTransition(
        runner.obs, action, reward, info["final_observation"], info["terminated"]
    )
    buffer = replay.append(
        buffer, stored, logical_size(hp, buffer), hp.buffer_alpha if structure.prioritised else None
    )
    recorder = record_step(recorder, Transition(done, action, reward, runner.obs, info))
    runner = runner._replace(
        normalizer_state=normalizer_state,
        env_state=env_state,
        obs=obs,
        global_step=runner.global_step + 1,
    )
    return DQNState(runner, buffer), recorder


def exploration(
    hp: TracedHyperparameters,
    schedule_timesteps: chex.Numeric,
    global_step: chex.Numeric,
    n_envs: int,
) -> jax.Array:
    """The probability of a random action in the vector step after ``global_step``."""
    return losses.epsilon(
        jnp.asarray(global_step, jnp.float32) * n_envs,
        hp.initial_epsilon,
        hp.target_epsilon,
        hp.exploration_fraction,
        schedule_timesteps,
    )


def logical_size(hp: TracedHyperparameters, buffer: Any) -> jax.Array:
    """The buffer's logical size, which cannot exceed what is allocated."""
    return jnp.minimum(hp.buffer_size, replay.capacity(buffer))


def has_started(hp: TracedHyperparameters, n_envs: int, global_step: Any) -> Any:
    """Whether learning has begun: enough vector steps lie behind."""
    return global_step > hp.learning_starts // n_envs


def update_target(
    hp: TracedHyperparameters,
    n_envs: int,
    train_state: DQNTrainState,
    step_before: chex.Numeric,
    step_now: chex.Numeric,
) -> DQNTrainState:
    """The target updates that fell due in vector steps ``(step_before, step_now]``.

    ``target = tau * params + (1 - tau) * target`` (Lillicrap et al. 2016), every
    ``target_update_interval`` environment steps once learning has begun.
    """
    interval = -(-hp.target_update_interval // n_envs)
    begin = jnp.maximum(step_before, hp.learning_starts // n_envs)
    n_due = jnp.maximum(step_now // interval - begin // interval, 0)

    def polyak(_: Any, target_params: Any) -> Any:
        return optax.incremental_update(train_state.params, target_params, hp.tau)

    # A loop that mostly makes no turn: the parameters are not touched without need.
    target_params = jax.lax.fori_loop(0, n_due, polyak, train_state.target_params)
    return train_state.replace(target_params=target_params)


def learn(
    structure: Structure, hp: TracedHyperparameters, state: DQNState, recorder: Recorder
) -> tuple[DQNState, Recorder]:
    """``gradient_steps`` gradient steps, none before learning begins."""
    started = has_started(hp, structure.agent.env.n_envs, state.runner_state.global_step)
    return jax.lax.fori_loop(
        0,
        jnp.where(started, hp.gradient_steps, 0),
        lambda _, carry: gradient_step(structure, hp, *carry),
        (state, recorder),
    )


def gradient_step(
    structure: Structure, hp: TracedHyperparameters, state: DQNState, recorder: Recorder
) -> tuple[DQNState, Recorder]:
    """One gradient step on a fresh batch."""
    runner, buffer = state
    key = stream_key(runner.rng, Stream.SAMPLE, runner.train_state.step)
    rows, weights = _sample(structure, hp, buffer, key)
    batch: StoredTransition = replay.gather(buffer, rows)

    def read(obs: Any) -> jax.Array:
        features = encode(structure.agent.env.observation_space, obs, structure.agent.images)
        return running_statistics.normalize(
            runner.normalizer_state, features, hp.normalize_observations
        )

    train_state, loss, td_error, grads = update(
        runner.train_state,
        read(batch.obs),
        weights,
        batch.action,
        read(batch.next_obs),
        batch.reward,
        batch.terminated,
        hp.gamma,
    )
    if structure.prioritised:
        priorities = jnp.abs(td_error) + hp.buffer_epsilon
        buffer = replay.set_priorities(buffer, rows, priorities, hp.buffer_alpha)
    recorder = record_update(recorder, DQNMetrics(loss, grads, td_error))
    runner = runner._replace(train_state=follow_without_target(hp, train_state))
    return DQNState(runner, buffer), recorder


def update(
    train_state: DQNTrainState,
    features: jax.Array,
    is_weights: jax.Array,
    actions: jax.Array,
    next_features: jax.Array,
    rewards: jax.Array,
    terminated: jax.Array,
    gamma: chex.Numeric,
) -> tuple[DQNTrainState, jax.Array, jax.Array, Any]:
    """One step down the gradient of the weighted loss.

    Args:
        train_state: Where to start; without ``target_params`` it bootstraps from ``params``.
        features: What the network reads, ``[B, ...]``.
        is_weights: Importance weights ``[B]``.
        actions: Integers ``[B]``.
        next_features: Like ``features``.
        rewards: ``[B]``.
        terminated: ``[B]``.
        gamma: Discount.

    Returns:
        ``(train_state, loss [], td_error [B], grads)``.
    """
    bootstrap_params = train_state.target_params
    if bootstrap_params is None:
        bootstrap_params = train_state.params
    next_q = train_state.apply_fn(bootstrap_params, next_features)
    targets = jax.vmap(losses.td_target, in_axes=(0, 0, 0, None))(
        rewards, terminated.astype(jnp.float32), next_q, gamma
    )
    targets = jax.lax.stop_gradient(targets)

    def loss_fn(params: Any) -> tuple[jax.Array, jax.Array]:
        q = train_state.apply_fn(params, features)
        td_error = jax.vmap(losses.td_error)(q, actions, targets)
        return losses.weighted_loss(td_error, is_weights), td_error

    (loss, td_error), grads = jax.value_and_grad(loss_fn, has_aux=True)(train_state.params)
    return train_state.apply_gradients(grads=grads), loss, td_error, grads


def update_once(
    agent: AgentStructure,
    train_state: DQNTrainState,
    obs: Any,
    is_weights: jax.Array,
    actions: jax.Array,
    next_obs: Any,
    rewards: jax.Array,
    terminated: jax.Array,
    hp: TracedHyperparameters,
) -> tuple[DQNTrainState, jax.Array, jax.Array, Any]:
    """:func:`update` on observations as the environment gives them, outside a run."""
    space = agent.env.observation_space
    if train_state.target_params is not None:
        train_state = follow_without_target(hp, train_state)
    train_state = train_state.replace(
        opt_state=with_learning_rate(train_state.opt_state, hp.learning_rate)
    )
    train_state, loss, td_error, grads = update(
        train_state,
        encode(space, obs, agent.images),
        is_weights,
        actions,
        encode(space, next_obs, agent.images),
        rewards,
        terminated,
        hp.gamma,
    )
    if train_state.target_params is not None:
        train_state = follow_without_target(hp, train_state)
    return train_state, loss, td_error, grads


def follow_without_target(hp: TracedHyperparameters, train_state: DQNTrainState) -> DQNTrainState:
    """Without a target network the target is the network itself, at every step."""
    target_params = jax.tree.map(
        lambda target, online: jnp.where(hp.use_target_network, target, online),
        train_state.target_params,
        train_state.params,
    )
    return train_state.replace(target_params=target_params)


def _sample(
    structure: Structure, hp: TracedHyperparameters, buffer: Any, key: chex.PRNGKey
) -> tuple[jax.Array, jax.Array]:
    """Rows ``[B]`` and their importance weights ``[B]``."""
    if structure.prioritised:
        rows, probabilities = replay.sample_prioritised(buffer, key, structure.batch_size)
        return rows, losses.importance_weights(probabilities, hp.buffer_beta)
    rows = replay.sample_uniform(buffer, key, structure.batch_size, logical_size(hp, buffer))
    return rows, jnp.ones(structure.batch_size)


def run_segment(
    structure: Structure,
    hp: TracedHyperparameters,
    schedule_timesteps: chex.Numeric,
    state: DQNState,
    recorder: Recorder,
    n_iterations: chex.Numeric,
) -> tuple[DQNState, Recorder]:
    """``n_iterations`` times: collect, update the target, learn."""
    return jax.lax.fori_loop(
        0,
        n_iterations,
        lambda _, carry: iterate(structure, hp, schedule_timesteps, *carry),
        (state, recorder),
    )


def iterate(
    structure: Structure,
    hp: TracedHyperparameters,
    schedule_timesteps: chex.Numeric,
    state: DQNState,
    recorder: Recorder,
) -> tuple[DQNState, Recorder]:
    """One iteration: ``train_freq`` vector steps, then ``gradient_steps`` gradient steps."""
    step_before = state.runner_state.global_step
    (runner, buffer), recorder = collect(structure, hp, schedule_timesteps, state, recorder)
    train_state = update_target(
        hp, structure.agent.env.n_envs, runner.train_state, step_before, runner.global_step
    )
    state = DQNState(runner._replace(train_state=train_state), buffer)
    return learn(structure, hp, state, recorder)


