"""A schedule: the run of one learner over several configurations."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from arlbench.autorl.step_result import StepResult
from arlbench.errors import ConfigurationError


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The state of a schedule between two steps.

    Attributes:
        seed: The seed of the run's random key.
        config_step: Number of steps done.
        timesteps: Number of environment steps done.
        budget: The sum of the budgets of the steps so far. Steps end with whole iterations, so
            ``timesteps`` may be larger; then the next step is shorter.
        last_returns: Mean return of the last evaluation of each step, ``[config_step]``.
        state: The learner's state; None before the first step.
        over: Why no further step can follow; empty if one can.
    """

    seed: int
    config_step: int = 0
    timesteps: int = 0
    budget: int = 0
    last_returns: tuple[float, ...] = ()
    state: Any = None
    over: str = ""

    def require_open(self) -> None:
        """Raises if no further step can follow."""
        if self.over:
            raise ConfigurationError(f"{self.over}; call reset() first.")

    def after(self, result: StepResult, state: Any, budget: int, n_steps: int) -> Schedule:
        """The state of the schedule one step later.

        Args:
            result: The result of the step. If it diverged, the schedule ends, and the state is
                dropped.
            state: The learner's state.
            budget: The budget of the step in environment steps.
            n_steps: Number of steps in the whole schedule.
        """
        config_step, over = self.config_step + 1, ""
        if result.diverged_at is not None:
            state, over = None, "Learning diverged in the last step"
        elif config_step >= n_steps:
            over = f"All {n_steps} steps of this schedule are done"
        returns = (*self.last_returns, float(result.curve[-1]))
        return Schedule(
            seed=self.seed,
            config_step=config_step,
            timesteps=result.ended_at,
            budget=self.budget + budget,
            last_returns=returns,
            state=state,
            over=over,
        )


Begun = TypeVar("Begun")


def begun(schedule: Begun | None) -> Begun:
    """Returns the schedule, or several, after checking that ``reset`` has started them."""
    if schedule is None:
        raise ConfigurationError(
            "step() before reset(): no schedule has started, or a step was interrupted; call "
            "reset()."
        )
    return schedule
