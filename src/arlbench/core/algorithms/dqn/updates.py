"""Gradient steps and target updates: from a batch to new parameters."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp
import optax

from arlbench.core import lockstep
from arlbench.core.algorithms.dqn import losses
from arlbench.core.algorithms.dqn.hyperparameters import TracedHyperparameters
from arlbench.core.algorithms.dqn.state import DQNMetrics, DQNTrainState
from arlbench.core.promotion import leniently

#: The numbers of each update of which statistics are computed: the gradient's Euclidean norm and
#: the variance of its entries, the loss, and the batch's mean absolute TD error and mean value of
#: the actions taken.
STATISTICS = ("grad_norm", "grad_variance", "loss", "td_error", "q_value")


@functools.cache
def optimizer() -> optax.GradientTransformationExtraArgs:
    """Adam with its learning rate in its state; always returns the same object."""
    return optax.inject_hyperparams(optax.adam)(learning_rate=0.0)


def with_learning_rate(opt_state: Any, learning_rate: chex.Numeric) -> Any:
    """The optimiser's state with this learning rate."""
    rate = jnp.asarray(learning_rate, jnp.float32)
    return opt_state._replace(hyperparams={**opt_state.hyperparams, "learning_rate": rate})


class Batch(NamedTuple):
    """Transitions to learn from.

    Attributes:
        features: The input of the network, ``[B, ...]``.
        weights: Importance weights ``[B]``.
        actions: Integers ``[B]``.
        next_features: The input in the states from which to bootstrap, like ``features``.
        rewards: ``[B]``.
        discount: The factor of the bootstrapped value, 0 where the task has ended, ``[B]``.
        next_mask: Legal actions there, ``[B, num_actions]``; None if all are legal.
        mask: Legal actions in the first states; None if all are legal.
    """

    features: jax.Array
    weights: jax.Array
    actions: jax.Array
    next_features: jax.Array
    rewards: jax.Array
    discount: jax.Array
    next_mask: jax.Array | None = None
    mask: jax.Array | None = None


class UpdateOutcome(NamedTuple):
    """The outcome of a gradient step.

    Attributes:
        train_state: The state after the step.
        loss: ``[]``.
        td_error: Values minus targets, before the step, ``[B]``.
        grads: Gradients, with the shapes of the parameters.
        q_value: Values of the actions taken, before the step, ``[B]``.
        priorities: The transitions' new priorities, without ``buffer_epsilon``, ``[B]``.
    """

    train_state: DQNTrainState
    loss: jax.Array
    td_error: jax.Array
    grads: Any
    q_value: jax.Array
    priorities: jax.Array


def discounts(terminated: jax.Array, gamma: chex.Numeric) -> jax.Array:
    """The factor of each bootstrapped value, ``[B]``; only termination ends the sum of rewards."""
    return gamma * (1.0 - terminated.astype(jnp.float32))


def update(train_state: DQNTrainState, batch: Batch) -> UpdateOutcome:
    """One gradient step that lowers the weighted loss.

    Args:
        train_state: The state before; without ``target_params`` it bootstraps from ``params``.
        batch: The transitions to learn from.
    """
    next_q = train_state.apply_fn(_bootstrap_params(train_state), batch.next_features)
    next_q = losses.legal_values(next_q, batch.next_mask)
    targets = jax.vmap(losses.td_target)(batch.rewards, batch.discount, next_q)
    targets = jax.lax.stop_gradient(targets)

    def loss_fn(params: Any) -> tuple[jax.Array, jax.Array]:
        q = train_state.apply_fn(params, batch.features)
        td_error = jax.vmap(losses.td_error)(q, batch.actions, targets)
        return losses.weighted_loss(td_error, batch.weights), td_error

    (loss, td_error), grads = jax.value_and_grad(loss_fn, has_aux=True)(train_state.params)
    # optax divides floats by integers.
    after = leniently(train_state.apply_gradients)(grads=grads)
    return UpdateOutcome(after, loss, td_error, grads, td_error + targets, jnp.abs(td_error))


def _bootstrap_params(train_state: DQNTrainState) -> Any:
    params = train_state.target_params
    return train_state.params if params is None else params


def update_by_kernel(
    nonlinearity: str,
    train_state: DQNTrainState,
    batch: Batch,
    active: lockstep.Active,
    with_grads: bool,
) -> UpdateOutcome:
    """:func:`update` by one GPU kernel, of :mod:`arlbench.core.algorithms.two_layers`.

    Args:
        nonlinearity: The activation of the network.
        train_state: The state before, with ``target_params``.
        batch: The transitions to learn from, without masks.
        active: Whether the step counts; if not, the state stays as it is.
        with_grads: Whether the gradients are needed.
    """
    # Pallas takes long to import, and is for GPUs only.
    from arlbench.core.algorithms import two_layers  # noqa: PLC0415

    opt_state = train_state.opt_state
    adam_state, *others = opt_state.inner_state
    # Like optax's own counters, these stay at their largest value instead of overflowing.
    counts = (opt_state.count, adam_state.count)
    numbers, (opt_count, count) = opt_state.hyperparams, tuple(map(optax.safe_increment, counts))
    adam = two_layers.Adam(
        *(numbers[name] for name in ("learning_rate", "b1", "b2", "eps", "eps_root")),
        *(1.0 / (1.0 - numbers[name] ** count) for name in ("b1", "b2")),
    )
    found = two_layers.step(
        nonlinearity,
        train_state.params,
        train_state.target_params,
        (adam_state.mu, adam_state.nu),
        two_layers.Batch(**{name: getattr(batch, name) for name in two_layers.Batch._fields}),
        adam,
        True if active is None else active,
        with_grads,
    )
    steps, opt_count, count = lockstep.keep(
        active, (train_state.step + 1, opt_count, count), (train_state.step, *counts)
    )
    adam_state = adam_state._replace(count=count, mu=found.mu, nu=found.nu)
    opt_state = opt_state._replace(count=opt_count, inner_state=(adam_state, *others))
    after = train_state.replace(step=steps, params=found.params, opt_state=opt_state)
    loss, priorities = losses.weighted_loss(found.td_error, batch.weights), jnp.abs(found.td_error)
    return UpdateOutcome(after, loss, found.td_error, found.grads, found.q_value, priorities)


def statistics_of(metrics: DQNMetrics, q_value: jax.Array) -> jax.Array:
    """The numbers that ``STATISTICS`` names, for one update, float32 ``[5]``.

    Args:
        metrics: The record of the update.
        q_value: Values of the batch's actions, ``[B]``.
    """
    leaves = jax.tree.leaves(metrics.grads)
    size = sum(leaf.size for leaf in leaves)
    squares = sum(jnp.sum(jnp.square(leaf)) for leaf in leaves)
    mean = sum(jnp.sum(leaf) for leaf in leaves) / size
    variance = jnp.maximum(squares / size - jnp.square(mean), 0.0)
    td_error = jnp.mean(jnp.abs(metrics.td_error))
    numbers = [jnp.sqrt(squares), variance, metrics.loss, td_error, jnp.mean(q_value)]
    return jnp.stack(numbers).astype(jnp.float32)


def follow_without_target(hp: TracedHyperparameters, train_state: DQNTrainState) -> DQNTrainState:
    """Without a target network, makes the target equal to the network itself."""
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
    by_kernel: bool = False,
) -> DQNTrainState:
    """Makes the target updates that became due in vector steps ``(step_before, step_now]``.

    ``target = tau * params + (1 - tau) * target`` (Lillicrap et al. 2016), every
    ``target_update_interval`` environment steps, rounded up to whole vector steps, once learning
    has started.
    """
    interval = -(-hp.target_update_interval // n_envs)
    begin = jnp.maximum(step_before, last_idle_step(hp.learning_starts, n_envs))
    n_due = jnp.maximum(step_now // interval - begin // interval, 0)

    def polyak(_: Any, target_params: Any) -> Any:
        return optax.incremental_update(train_state.params, target_params, hp.tau)

    if not lockstep.may_wait():
        share = jnp.where(n_due > 0, 1.0 - (1.0 - hp.tau) ** n_due, 0.0)
        return _follow(train_state, share, by_kernel)
    # Usually this loop makes no turn, so the parameters are not touched without need.
    target_params = jax.lax.fori_loop(0, n_due, polyak, train_state.target_params)
    return train_state.replace(target_params=target_params)


def _follow(train_state: DQNTrainState, share: jax.Array, by_kernel: bool) -> DQNTrainState:
    """Moves the target towards the parameters by a share ``[]`` of the distance."""
    params, target_params = train_state.params, train_state.target_params
    if by_kernel:
        # Pallas takes long to import, and is for GPUs only.
        from arlbench.core.algorithms import two_layers  # noqa: PLC0415

        target_params = two_layers.follow(params, target_params, share)
    else:
        target_params = optax.incremental_update(params, target_params, share)
    return train_state.replace(target_params=target_params)


def last_idle_step(learning_starts: Any, n_envs: int) -> Any:
    """The last vector step after which nothing is learnt yet.

    Learning starts with the first vector step after which more than ``learning_starts``
    environment steps have been taken.
    """
    return learning_starts // n_envs
