"""What a training of DQN would take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from arlbench.core.algorithms.algorithm import Forecast
from arlbench.core.algorithms.dqn import ahead, allocation, hyperparameters, training

# A step of a simple environment in Python takes some 20 microseconds.
_HOST_STEP_COST = 40.0


class DQNForecast(Forecast):
    """See :class:`Forecast`."""

    def __init__(self, dqn: Any) -> None:
        self._dqn = dqn

    def rows(self, capacity: int | None = None, size: int | None = None) -> int:
        dqn = self._dqn
        size = dqn.hpo_config["buffer_size"] if size is None else size
        return allocation.rows_to_allocate(
            dqn.structure.agent, size, capacity, dqn.memory_limit_gib
        )

    def evaluation_interval(self, n_total_timesteps: int | float, n_eval_steps: int) -> int:
        steps = self._dqn.env.n_envs * self._dqn.hpo_config["train_freq"]
        plan = training.make_plan(n_total_timesteps, n_eval_steps, 1, None, steps)
        return plan.n_iterations * steps

    def cost(self, n_total_timesteps: int | float) -> float:
        """In gradient steps of one transition, roughly."""
        env = self._dqn.env
        on_host = _HOST_STEP_COST * n_total_timesteps if env.kind == "host" else 0.0
        return on_host + hyperparameters.estimated_cost(
            self._dqn.hpo_config, env.n_envs, n_total_timesteps
        )

    def rehearsals(self, capacity: int, n_eval_episodes: int) -> dict[str, Callable[[], Any]]:
        dqn = self._dqn
        return ahead.rehearsals(
            dqn.structure, dqn.hp, dqn.track_statistics, capacity, n_eval_episodes
        )
