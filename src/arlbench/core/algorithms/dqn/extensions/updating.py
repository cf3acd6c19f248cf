"""One gradient step with the extensions that the program contains."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import chex
import jax
import jax.numpy as jnp

from arlbench.core.algorithms.dqn.extensions import bootstrapping, networks, regression
from arlbench.core.algorithms.dqn.extensions.bootstrapping import Bootstrap
from arlbench.core.algorithms.dqn.extensions.hyperparameters import ExtendedHyperparameters
from arlbench.core.algorithms.dqn.state import DQNTrainState
from arlbench.core.algorithms.dqn.updates import Batch, UpdateOutcome
from arlbench.core.promotion import leniently

#: The inputs if no extension is compiled in.
_NOTHING = ExtendedHyperparameters(*[None] * len(ExtendedHyperparameters._fields))


class _Noise(NamedTuple):
    """The noise of each network that an update evaluates; None without noise."""

    online: Any = None
    target: Any = None
    choice: Any = None


def update(
    train_state: DQNTrainState,
    batch: Batch,
    network: Any,
    extended: ExtendedHyperparameters | None,
    key: chex.PRNGKey | None = None,
) -> UpdateOutcome:
    """One gradient step that lowers the weighted loss.

    Args:
        train_state: The state before; without ``target_params`` it bootstraps from ``params``.
        batch: The transitions to learn from.
        network: The network.
        extended: The extended hyperparameters; None if none are compiled in.
        key: The key of the noise in the weights; None without noise.
    """
    known, head = extended or _NOTHING, networks.head_of(network)
    noise = _Noise() if key is None else _drawn(train_state.params, key)
    targets = _targets(train_state, batch, network, known, noise)
    expected, target = jax.lax.stop_gradient(targets)

    def loss_fn(params: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        outputs = networks.outputs(network, params, batch.features, noise.online)
        taken = outputs[jnp.arange(batch.actions.shape[0]), batch.actions]
        td_error = head.values(taken) - expected
        each = head.losses(taken, target, td_error, known)
        return jnp.mean(batch.weights * each), (td_error, each)

    (loss, (td_error, each)), grads = jax.value_and_grad(loss_fn, has_aux=True)(train_state.params)
    after = _stepped(train_state, grads, known)
    priorities = head.priorities(each, td_error)
    return UpdateOutcome(after, loss, td_error, grads, td_error + expected, priorities)


def _drawn(params: Any, key: chex.PRNGKey) -> _Noise:
    """Independent noise for each network, which all have the same layers."""
    draw = partial(networks.draw_noise, params)
    noise = jax.vmap(draw)(jax.random.split(key, len(_Noise._fields)))
    return _Noise(*(jax.tree.map(lambda x, i=i: x[i], noise) for i in range(len(_Noise._fields))))


def _targets(
    train_state: DQNTrainState,
    batch: Batch,
    network: Any,
    known: ExtendedHyperparameters,
    noise: _Noise,
) -> tuple[jax.Array, Any]:
    """The targets for the expected values ``[B]``, and for the head's outputs."""
    head, params = networks.head_of(network), train_state.target_params
    params = train_state.params if params is None else params
    outputs = networks.outputs(network, params, batch.next_features, noise.target)
    next_q = choosing = head.values(outputs)
    if known.double_q is not None:
        own = networks.outputs(network, train_state.params, batch.next_features, noise.choice)
        choosing = jnp.where(known.double_q, head.values(own), next_q)
    reward, bootstrap = batch.rewards, bootstrapping.greedy(choosing, batch.next_mask)
    if known.munchausen_alpha is not None:
        before = head.values(networks.outputs(network, params, batch.features, noise.target))
        bonus, bootstrap = _munchausen(batch, before, choosing, bootstrap, known)
        reward = reward + bonus
    reward = reward + batch.discount * bootstrap.bonus
    value = jnp.sum(bootstrap.policy * next_q, axis=-1)
    target = head.target(outputs, bootstrap.policy, reward, batch.discount)
    return reward + batch.discount * value, target


def _munchausen(
    batch: Batch,
    before: jax.Array,
    choosing: jax.Array,
    otherwise: Bootstrap,
    known: ExtendedHyperparameters,
) -> tuple[jax.Array, Bootstrap]:
    """The bonus to the reward ``[B]``, and the soft policy; 0 and ``otherwise`` if alpha is 0."""
    alpha, temperature = known.munchausen_alpha, known.munchausen_temperature
    bonus = bootstrapping.munchausen_reward(before, batch.mask, batch.actions, alpha, temperature)
    soft = bootstrapping.soft(choosing, batch.next_mask, temperature)
    chosen = jax.tree.map(lambda a, b: jnp.where(alpha > 0, a, b), soft, otherwise)
    return jnp.where(alpha > 0, bonus, 0.0), chosen


def _stepped(
    train_state: DQNTrainState, grads: Any, known: ExtendedHyperparameters
) -> DQNTrainState:
    """The state after a step of Adam; no extension changes the tree of the optimiser's state."""
    if known.max_grad_norm is not None:
        grads = regression.clipped(grads, known.max_grad_norm)
    before = train_state
    if known.adam_epsilon is not None:
        before = _with_epsilon(before, known.adam_epsilon)
    # optax divides floats by integers.
    after = leniently(before.apply_gradients)(grads=grads)
    if known.adam_epsilon is not None:
        # A program without this extension continues with the usual epsilon.
        after = _with_epsilon(after, train_state.opt_state.hyperparams["eps"])
    if known.weight_decay is not None:
        share = train_state.opt_state.hyperparams["learning_rate"] * known.weight_decay
        params = regression.decayed(after.params, train_state.params, share)
        after = after.replace(params=params)
    return after


def _with_epsilon(train_state: DQNTrainState, epsilon: Any) -> DQNTrainState:
    hyperparams = {**train_state.opt_state.hyperparams, "eps": epsilon}
    return train_state.replace(opt_state=train_state.opt_state._replace(hyperparams=hyperparams))
