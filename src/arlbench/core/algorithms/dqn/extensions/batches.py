"""From rows of the replay buffer to a batch, and one gradient step on it."""

from __future__ import annotations

from functools import partial
from typing import Any

import chex
import jax
import jax.numpy as jnp

from arlbench.core.algorithms.dqn.agent import AgentStructure
from arlbench.core.algorithms.dqn.extensions import networks, updating, windows
from arlbench.core.algorithms.dqn.extensions.regression import linear
from arlbench.core.algorithms.dqn.hyperparameters import TracedHyperparameters
from arlbench.core.algorithms.dqn.state import DQNRunnerState, DQNTrainState, StoredTransition
from arlbench.core.algorithms.dqn.updates import (
    Batch,
    UpdateOutcome,
    discounts,
    follow_without_target,
    update,
    with_learning_rate,
)
from arlbench.core.buffers import storage
from arlbench.core.checks import INT32_MAX


def logical_size(hp: TracedHyperparameters, buffer: Any) -> jax.Array:
    """The buffer's logical size, limited to the allocated rows."""
    return jnp.minimum(hp.buffer_size, storage.capacity(buffer))


def timesteps_done(global_step: chex.Numeric, n_envs: int) -> jax.Array:
    """Environment steps after ``global_step`` vector steps, int32 ``[]``.

    A run in parts may take more steps than 32 bits can count. Then it is a number close to the
    largest one, to which no schedule is longer.
    """
    return jnp.minimum(global_step, INT32_MAX // n_envs) * n_envs


def scheduled(
    hp: TracedHyperparameters, timesteps: chex.Numeric, schedule_timesteps: chex.Numeric
) -> TracedHyperparameters:
    """The hyperparameters after some environment steps of a schedule.

    The learning rate falls to ``learning_rate_final_factor`` times its initial value, and beta
    rises (Schaul et al. 2016), both linearly.
    """
    extended = hp.extended
    if extended is None:
        return hp
    progress = jnp.asarray(timesteps, jnp.float32) / schedule_timesteps
    if (factor := extended.learning_rate_final_factor) is not None:
        rate = linear(hp.learning_rate, factor * hp.learning_rate, progress)
        hp = hp._replace(learning_rate=rate)
    if (anneal := extended.buffer_beta_anneal) is not None:
        end = hp.buffer_beta + anneal * (1.0 - hp.buffer_beta)
        hp = hp._replace(buffer_beta=linear(hp.buffer_beta, end, progress))
    return hp


def batch_of(
    agent: AgentStructure,
    hp: TracedHyperparameters,
    runner: DQNRunnerState,
    buffer: Any,
    rows: jax.Array,
    weights: jax.Array,
    n_step: int,
) -> Batch:
    """The transitions of these rows ``[B]``, with their weights ``[B]``.

    Args:
        agent: The agent.
        hp: The hyperparameters.
        runner: The runner state, which knows how to standardise observations.
        buffer: The buffer.
        rows: ``[B]``.
        weights: Importance weights ``[B]``.
        n_step: The largest ``n_step`` of the program.
    """
    stored: StoredTransition = storage.gather(buffer, rows)
    next_obs, reward, discount = stored.next_obs, stored.reward, None
    if hp.extended is not None and (steps := hp.extended.n_step) is not None:
        size = logical_size(hp, buffer)
        of_each = windows.window(buffer, rows, size, agent.env.n_envs, steps, n_step, hp.gamma)
        next_obs = storage.gather(buffer, of_each.last).next_obs
        reward, discount = of_each.reward, of_each.discount
    else:
        discount = discounts(stored.terminated, hp.gamma)
    read = partial(agent.read, runner.normalizer_state, hp.normalize_observations)
    return Batch(
        read(stored.obs),
        weights,
        stored.action,
        read(next_obs),
        reward,
        discount,
        agent.legal(next_obs),
        None if hp.extended is None else agent.legal(stored.obs),
    )


def learn_from(
    agent: AgentStructure,
    hp: TracedHyperparameters,
    train_state: DQNTrainState,
    batch: Batch,
    key: chex.PRNGKey | None = None,
) -> UpdateOutcome:
    """One gradient step; without extensions, exactly that of the published algorithm.

    Args:
        agent: The agent.
        hp: The hyperparameters, at this point of their schedules.
        train_state: The state before.
        batch: The transitions to learn from.
        key: The key of the noise in the network's weights; None without noise.
    """
    network, extended = agent.network, hp.extended
    if extended is None and not networks.needs_extended_update(network):
        return update(train_state, batch)
    if extended is not None and extended.learning_rate_final_factor is not None:
        opt_state = with_learning_rate(train_state.opt_state, hp.learning_rate)
        train_state = train_state.replace(opt_state=opt_state)
    return updating.update(train_state, batch, network, extended, key)


@partial(jax.jit, static_argnames=("agent",))
def update_once(
    agent: AgentStructure,
    train_state: DQNTrainState,
    obs: Any,
    next_obs: Any,
    *,
    is_weights: jax.Array,
    actions: jax.Array,
    rewards: jax.Array,
    dones: jax.Array,
    hp: TracedHyperparameters,
) -> tuple[DQNTrainState, jax.Array, jax.Array, Any]:
    """One update outside of a run, on observations of the environment and without noise."""
    if train_state.target_params is not None:
        train_state = follow_without_target(hp, train_state)
    train_state = train_state.replace(
        opt_state=with_learning_rate(train_state.opt_state, hp.learning_rate)
    )
    batch = Batch(
        agent.features(obs),
        is_weights,
        actions,
        agent.features(next_obs),
        rewards,
        discounts(dones, hp.gamma),
        agent.legal(next_obs),
        agent.legal(obs),
    )
    train_state, loss, td_error, grads, *_ = learn_from(agent, hp, train_state, batch)
    if train_state.target_params is not None:
        train_state = follow_without_target(hp, train_state)
    return train_state, loss, td_error, grads
