"""What of a run can be saved, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from arlbench.core.algorithms.dqn.state import DQNRunnerState, DQNTrainingResult


def checkpoint_factory(
    runner_state: DQNRunnerState, train_result: DQNTrainingResult | None
) -> dict[str, Callable[[], Any]]:
    """A function for each part that can be saved; see :meth:`DQN.get_checkpoint_factory`."""
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
        "rng": lambda: jax.random.key_data(runner_state.rng),
        "global_step": lambda: runner_state.global_step,
    }
