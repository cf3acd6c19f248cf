"""The types that a DQN run consists of, with the shape of every field.

Shapes: ``n_envs`` environments, ``B`` transitions in a batch, ``S`` recorded vector steps,
``U`` recorded updates.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import chex
import jax
import jax.numpy as jnp
import optax
from flashbax.buffers.prioritised_trajectory_buffer import PrioritisedTrajectoryBufferState
from flax.core.frozen_dict import FrozenDict
from flax.training.train_state import TrainState

from arlbench.core.running_statistics import RunningStatisticsState


class DQNTrainState(TrainState):
    """Network, optimiser and target network.

    Attributes:
        step: Gradient steps taken, int32 ``[]``. It only distinguishes random draws, so it may
            overflow: up to 2**32 gradient steps, each draw has a key of its own.
        apply_fn: ``apply_fn(params, x)`` gives values ``[B, num_actions]``.
        params: Parameters of the network.
        tx: The optimiser, whose learning rate is part of ``opt_state``.
        opt_state: The optimiser's state.
        target_params: Target network parameters, like ``params``. If they are None,
            ``DQN.update`` bootstraps from ``params``, and ``DQN.train`` begins with a copy of them.
    """

    opt_state: optax.OptState
    target_params: chex.Array | dict | FrozenDict | None = None

    @classmethod
    def create_with_opt_state(
        cls,
        *,
        apply_fn: Any,
        params: Any,
        target_params: Any,
        tx: optax.GradientTransformation,
        opt_state: optax.OptState | None,
        **kwargs: Any,
    ) -> DQNTrainState:
        """A state at step 0 with this optimiser state; None takes a fresh one."""
        return cls(
            step=jnp.zeros((), jnp.int32),
            apply_fn=apply_fn,
            params=params,
            tx=tx,
            opt_state=tx.init(params) if opt_state is None else opt_state,
            target_params=target_params,
            **kwargs,
        )


class DQNRunnerState(NamedTuple):
    """DQN runner state: the agent, its environments and the counter of steps.

    Attributes:
        rng: The run's key ``[]``. It stays the same: the key of each draw is made from it
            and a counter.
        train_state: Network and optimiser.
        normalizer_state: Statistics of the observations.
        env_state: State of the environments, leaves ``[n_envs, ...]``.
        obs: Observations to act on next, leaves ``[n_envs, ...]``.
        global_step: Vector steps taken, int32 ``[]``; each is ``n_envs`` environment steps.
    """

    rng: chex.PRNGKey
    train_state: DQNTrainState
    normalizer_state: RunningStatisticsState
    env_state: Any
    obs: Any
    global_step: jax.Array | int


class DQNState(NamedTuple):
    """DQN algorithm state. Consists of (runner_state, buffer_state)."""

    runner_state: DQNRunnerState
    buffer_state: PrioritisedTrajectoryBufferState


class DQNMetrics(NamedTuple):
    """Records of updates; everything except the loss is None if only losses were tracked.

    Attributes:
        loss: ``[U]``.
        grads: Gradients, like the parameters with a first axis of length ``U``.
        td_error: ``[U, B]``.
    """

    loss: jax.Array
    grads: Any
    td_error: Any


class Transition(NamedTuple):
    """Records of vector steps.

    Attributes:
        done: Whether the episode ended, bool ``[S, n_envs]``.
        action: int32 ``[S, n_envs]``.
        reward: float32 ``[S, n_envs]``.
        obs: The observation on which the action was chosen, leaves ``[S, n_envs, ...]``.
        info: ``terminated`` and ``truncated``, bool ``[S, n_envs]``, and
            ``final_observation``, the observation after the action, leaves ``[S, n_envs, ...]``.
    """

    done: jax.Array
    action: jax.Array
    reward: jax.Array
    obs: Any
    info: dict[str, Any]


class StoredTransition(NamedTuple):
    """A transition as the replay buffer stores it.

    Attributes:
        obs: The observation on which the action was chosen, with the environment's dtype.
        action: int32.
        reward: float32.
        next_obs: The observation after the action, before any reset.
        terminated: Whether the task ended after the action, bool; a time limit does not count.
        cut_off: Whether the episode was cut off after the action, as by a time limit, bool; None
            if the program does not need to know.
    """

    obs: Any
    action: jax.Array
    reward: jax.Array
    next_obs: Any
    terminated: jax.Array
    cut_off: jax.Array | None = None


class DQNTrainingResult(NamedTuple):
    """The result of a training run, besides the new state.

    Attributes:
        eval_rewards: Undiscounted returns, ``[n_eval_steps, n_eval_episodes]``.
        trajectories: Records of all steps in order, or None if they were not tracked.
        metrics: Records of all updates in order, or None if they were not tracked.
    """

    eval_rewards: jax.Array
    trajectories: Transition | None
    metrics: DQNMetrics | None


DQNTrainReturnT = tuple[DQNState, DQNTrainingResult]

# Stands for an array when only its shape is known yet.
_Shape = cast(Any, jax.ShapeDtypeStruct)


def transition_shape(example: StoredTransition, n_envs: int) -> Transition:
    """Shapes and dtypes of the record of one vector step, from those of a stored transition."""
    flag = _Shape((n_envs,), jnp.bool_)
    stacked = jax.tree.map(lambda x: _Shape((n_envs, *x.shape), x.dtype), example)
    return Transition(
        done=flag,
        action=stacked.action,
        reward=stacked.reward,
        obs=stacked.obs,
        info={"terminated": flag, "truncated": flag, "final_observation": stacked.next_obs},
    )


def metrics_shape(params: Any, batch_size: int) -> DQNMetrics:
    """Shapes and dtypes of the record of one update; gradients are like the parameters."""
    return DQNMetrics(
        loss=_Shape((), jnp.float32),
        grads=jax.tree.map(lambda x: _Shape(x.shape, x.dtype), params),
        td_error=_Shape((batch_size,), jnp.float32),
    )
