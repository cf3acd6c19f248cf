"""What of a run can be saved, by name, and a run made of what was saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from arlbench.core.algorithms.dqn import beginning, recording
from arlbench.core.algorithms.dqn.hyperparameters import AgentStructure
from arlbench.core.algorithms.dqn.state import DQNRunnerState, DQNState, DQNTrainingResult
from arlbench.core.buffers import packing

_TRAIN_STATE = {
    "opt_state": "opt_state",
    "params": "params",
    "target_params": "target_params",
    "train_step": "step",
}
_RUNNER_STATE = ("normalizer_state", "env_state", "obs", "rng", "global_step")

#: Parts that belong to the environment.
ENVIRONMENT_PARTS = ("env_state", "obs")

#: Parts that are records, with the setting that keeps them.
TRACKED_PARTS = {
    "trajectories": "track_trajectories",
    "loss": "track_metrics",
    "grads": "track_metrics",
    "td_error": "track_metrics",
}


def checkpoint_factory(
    runner_state: DQNRunnerState, train_result: DQNTrainingResult | None
) -> dict[str, Callable[[], Any]]:
    """A function for each part that can be saved.

    Beside ``opt_state``, ``params``, ``target_params``, ``loss`` and ``trajectories`` what
    an exact continuation needs: ``train_step``, ``normalizer_state``, ``env_state``,
    ``obs``, ``rng`` and ``global_step``; and of the training's result ``eval_rewards``,
    ``grads`` and ``td_error``.
    """
    train_state = runner_state.train_state
    metrics = train_result.metrics if train_result else None
    return {
        "opt_state": lambda: train_state.opt_state,
        "params": lambda: train_state.params,
        "target_params": lambda: train_state.target_params,
        "loss": lambda: metrics.loss if metrics else None,
        "trajectories": lambda: train_result.trajectories if train_result else None,
        "train_step": lambda: train_state.step,
        "normalizer_state": lambda: runner_state.normalizer_state,
        "env_state": lambda: runner_state.env_state,
        "obs": lambda: runner_state.obs,
        "rng": lambda: runner_state.rng,
        "global_step": lambda: runner_state.global_step,
        "eval_rewards": lambda: train_result.eval_rewards if train_result else None,
        "grads": lambda: metrics.grads if metrics else None,
        "td_error": lambda: metrics.td_error if metrics else None,
    }


def template(agent: AgentStructure) -> dict[str, Any]:
    """Shapes of every part, and of the packed buffer; None stands for any length."""
    runner = beginning.fresh_runner(agent)
    example = beginning.example_transition(agent)
    records = recording.shapes(example, runner.train_state.params, agent.env.n_envs, 1, 1, 1)
    trajectories, metrics = jax.tree.map(_any_length, (records.trajectories, records.metrics))
    # A batch of another size is a record of the same kind.
    metrics = metrics._replace(td_error=_shape(metrics.td_error, None, None))
    eval_rewards: Any = jax.ShapeDtypeStruct((None, None), np.float32)  # type: ignore[arg-type]
    result = DQNTrainingResult(eval_rewards, trajectories, metrics)
    shapes = {name: part() for name, part in checkpoint_factory(runner, result).items()}
    return {**shapes, "buffer": packing.template(example)}


def restore(state: DQNState, parts: Mapping[str, Any]) -> DQNState:
    """The state with these parts in place of its own."""
    runner, buffer = state
    train_state = runner.train_state.replace(
        **{field: parts[name] for name, field in _TRAIN_STATE.items() if name in parts}
    )
    runner = runner._replace(
        train_state=train_state, **{name: parts[name] for name in _RUNNER_STATE if name in parts}
    )
    if "buffer" in parts:
        buffer = packing.unpack(parts["buffer"])
    return DQNState(runner, buffer)


def _any_length(leaf: Any) -> Any:
    return _shape(leaf, None, *leaf.shape[1:])


def _shape(leaf: Any, *lengths: int | None) -> Any:
    return jax.ShapeDtypeStruct(lengths, leaf.dtype)  # type: ignore[arg-type]
