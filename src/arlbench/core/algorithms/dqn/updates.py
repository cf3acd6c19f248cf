"""Gradient steps and target updates: from a batch to new parameters."""

from __future__ import annotations

from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import optax

from arlbench.core.algorithms.dqn import losses
from arlbench.core.algorithms.dqn.hyperparameters import AgentStructure, TracedHyperparameters
from arlbench.core.algorithms.dqn.optimizer import with_learning_rate
from arlbench.core.algorithms.dqn.state import DQNTrainState
from arlbench.core.observations import action_mask, encode


class UpdateOutcome(NamedTuple):
    """What a gradient step gives.

    Attributes:
        train_state: After it.
        loss: ``[]``.
        td_error: ``[B]``.
        grads: Like the parameters.
        q_value: Values of the actions taken, before it, ``[B]``.
    """

    train_state: DQNTrainState
    loss: jax.Array
    td_error: jax.Array
    grads: Any
    q_value: jax.Array


def update(
    train_state: DQNTrainState,
    features: jax.Array,
    is_weights: jax.Array,
    actions: jax.Array,
    next_features: jax.Array,
    rewards: jax.Array,
    terminated: jax.Array,
    gamma: chex.Numeric,
    next_mask: jax.Array | None = None,
) -> UpdateOutcome:
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
        next_mask: Legal actions in the next states, ``[B, num_actions]``; None where all are.
    """
    bootstrap_params = train_state.target_params
    if bootstrap_params is None:
        bootstrap_params = train_state.params
    next_q = losses.legal_values(train_state.apply_fn(bootstrap_params, next_features), next_mask)
    targets = jax.vmap(losses.td_target, in_axes=(0, 0, 0, None))(
        rewards, terminated.astype(jnp.float32), next_q, gamma
    )
    targets = jax.lax.stop_gradient(targets)

    def loss_fn(params: Any) -> tuple[jax.Array, jax.Array]:
        q = train_state.apply_fn(params, features)
        td_error = jax.vmap(losses.td_error)(q, actions, targets)
        return losses.weighted_loss(td_error, is_weights), td_error

    (loss, td_error), grads = jax.value_and_grad(loss_fn, has_aux=True)(train_state.params)
    return UpdateOutcome(
        train_state.apply_gradients(grads=grads), loss, td_error, grads, td_error + targets
    )


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
    """:func:`update` on observations as the environment gives them, outside a run."""
    space = agent.env.observation_space
    if train_state.target_params is not None:
        train_state = follow_without_target(hp, train_state)
    train_state = train_state.replace(
        opt_state=with_learning_rate(train_state.opt_state, hp.learning_rate)
    )
    train_state, loss, td_error, grads, _ = update(
        train_state,
        encode(space, obs, agent.images),
        is_weights,
        actions,
        encode(space, next_obs, agent.images),
        rewards,
        dones,
        hp.gamma,
        action_mask(space, next_obs),
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
