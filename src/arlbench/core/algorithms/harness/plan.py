"""The plan of one call to ``train``: how many iterations, and when to evaluate.

A budget is met to within one iteration: a training run has ``ceil(budget / steps of an
iteration)`` iterations, and evaluation ``k`` of ``n`` follows the iteration nearest to
``k / n`` of them. If several evaluations follow the same iteration, one counts for all.

Parts of one schedule share a cumulative budget. A part ends with the iteration that reaches
the sum of the budgets so far. If a part does more steps than its budget, the next part does
this many fewer.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from arlbench.core.algorithms.harness.progress import TrainingProgress
from arlbench.core.checks import INT32_MAX, positive_whole
from arlbench.errors import ConfigurationError

# With ``n`` evaluations, a traced plan counts to ``n * (2 * n - 1)``, which must fit in 32 bits.
_MOST_TRACED_EVALUATIONS = 2**15


class Lengths(NamedTuple):
    """The lengths of a call to ``train``, checked.

    Attributes:
        n_total_timesteps: Environment steps.
        n_eval_steps: Evaluations.
        n_eval_episodes: Episodes of each evaluation.
        schedule_timesteps: Environment steps over which exploration schedules run.
    """

    n_total_timesteps: int
    n_eval_steps: int
    n_eval_episodes: int
    schedule_timesteps: int

    @classmethod
    def checked(
        cls,
        n_total_timesteps: int | float,
        n_eval_steps: int,
        n_eval_episodes: int,
        schedule_timesteps: int | float | None = None,
    ) -> Lengths:
        """Checks the lengths that a caller gave.

        Raises:
            ConfigurationError: If one of them is not a positive whole number.
        """
        total = positive_whole("n_total_timesteps", n_total_timesteps)
        horizon = total if schedule_timesteps is None else schedule_timesteps
        return cls(
            total,
            positive_whole("n_eval_steps", n_eval_steps),
            positive_whole("n_eval_episodes", n_eval_episodes),
            positive_whole("schedule_timesteps", horizon),
        )


class Plan(NamedTuple):
    """What a call to ``train`` will do. Iterations are counted from the start of the call.

    Attributes:
        evaluate_after: The iterations after which an evaluation follows, int64
            ``[n_eval_steps]``, not decreasing; the last one is the end. If the number of steps
            in an iteration is traced, this is int32 and traced too.
        n_eval_episodes: Episodes of each evaluation.
        schedule_timesteps: Environment steps over which exploration schedules run.
        steps_per_iteration: Environment steps of one iteration.
        done_iterations: Iterations that an earlier call has already done.
        done_evaluations: Evaluations that an earlier call has already done.
        spare_iterations: Iterations that the budget allows, but that earlier parts of the same
            schedule have done already.
    """

    evaluate_after: Any
    n_eval_episodes: int
    schedule_timesteps: np.float32
    steps_per_iteration: Any
    done_iterations: int = 0
    done_evaluations: int = 0
    spare_iterations: Any = 0

    @property
    def n_eval_steps(self) -> int:
        return len(self.evaluate_after)

    @property
    def n_iterations(self) -> Any:
        """Iterations of the whole call."""
        return self.evaluate_after[-1]

    @property
    def remaining_iterations(self) -> int:
        return int(self.n_iterations) - self.done_iterations

    @property
    def remaining_timesteps(self) -> int:
        return self.remaining_iterations * self.steps_per_iteration

    @property
    def done_timesteps(self) -> int:
        return self.done_iterations * self.steps_per_iteration

    @property
    def total_timesteps(self) -> int:
        return int(self.n_iterations) * self.steps_per_iteration

    @property
    def is_traced(self) -> bool:
        """Whether the number of iterations is not known before the program runs."""
        return isinstance(self.evaluate_after, jax.core.Tracer)

    def continued(self, progress: TrainingProgress) -> Plan:
        """The plan, continued from the progress of an earlier call with the same lengths.

        Raises:
            ConfigurationError: If the earlier call had other lengths.
        """
        done_iterations, rest = divmod(progress.timesteps, self.steps_per_iteration)
        n_done, shape = len(progress.eval_rewards), np.shape(progress.eval_rewards)
        # Evaluations before this iteration are done; the one that follows it may still be due.
        least = int(np.searchsorted(self.evaluate_after, done_iterations, side="left"))
        most = int(np.searchsorted(self.evaluate_after, done_iterations, side="right"))
        if (
            rest
            or not 0 <= progress.timesteps <= self.total_timesteps
            or progress.total_timesteps != self.total_timesteps
            or shape[1:] != (self.n_eval_episodes,)
            or not least <= n_done <= most
        ):
            raise ConfigurationError(
                f"progress is at {progress.timesteps} of {progress.total_timesteps} timesteps "
                f"with evaluations {shape}, which is not a point in a training run of "
                f"{self.total_timesteps} timesteps with {self.n_eval_steps} evaluations of "
                f"{self.n_eval_episodes} episodes; give train the lengths of the earlier call."
            )
        return self._replace(done_iterations=done_iterations, done_evaluations=n_done)


def make_plan(
    lengths: Lengths,
    steps_per_iteration: Any,
    overshoot: Any = 0,
    progress: TrainingProgress | None = None,
) -> Plan:
    """Divides a training run into iterations and evaluations.

    Args:
        lengths: The lengths of the call.
        steps_per_iteration: Environment steps of an iteration; may be traced.
        overshoot: Environment steps by which earlier parts of the same schedule exceeded
            their budgets; may be traced.
        progress: The progress of an earlier call with the same lengths, which is not repeated.

    Raises:
        ConfigurationError: If ``progress`` is not a point in such a training run, or if there are
            more evaluations than a traced plan can count.
    """
    budget = lengths.n_total_timesteps - overshoot
    # Python's integers if they are known, because timesteps times evaluations may be large.
    n_iterations = -(-budget // steps_per_iteration)
    plan = Plan(
        evaluate_after=_evaluate_after(n_iterations, lengths.n_eval_steps),
        n_eval_episodes=lengths.n_eval_episodes,
        schedule_timesteps=np.float32(lengths.schedule_timesteps),
        steps_per_iteration=steps_per_iteration,
        spare_iterations=-(-lengths.n_total_timesteps // steps_per_iteration) - n_iterations,
    )
    return plan if progress is None else plan.continued(progress)


def require_countable(plan: Plan, done: Any = 0) -> None:
    """Raises if an agent would do more environment steps than its counters can hold.

    They count the steps from the agent's beginning in 32 bits. Steps that are only known when the
    traced program runs cannot be checked.

    Args:
        plan: The plan of a call.
        done: Environment steps that the agent has done before this call; may be traced.

    Raises:
        ConfigurationError: If there would be more than ``INT32_MAX``.
    """
    if plan.is_traced:
        return
    total = plan.total_timesteps + (0 if isinstance(done, jax.core.Tracer) else done)
    if total > INT32_MAX:
        raise ConfigurationError(
            f"After this training, the agent would have done {total} environment steps (one "
            f"iteration has {plan.steps_per_iteration}), but its counters have 32 bits and hold "
            f"at most {INT32_MAX}; train it for fewer steps, or start a new agent."
        )


def _evaluate_after(n_iterations: Any, n_eval_steps: int) -> Any:
    """``round(k * n_iterations / n_eval_steps)`` for ``k`` from 1, halves rounded up."""
    if isinstance(n_iterations, jax.core.Tracer):
        return _evaluate_after_traced(n_iterations, n_eval_steps)
    k = np.arange(1, n_eval_steps + 1, dtype=np.int64)
    return (2 * k * max(int(n_iterations), 0) + n_eval_steps) // (2 * n_eval_steps)


def _evaluate_after_traced(n_iterations: jax.Array, n_eval_steps: int) -> jax.Array:
    if n_eval_steps > _MOST_TRACED_EVALUATIONS:
        raise ConfigurationError(
            f"The number of iterations depends on a traced value, so there can be at most "
            f"{_MOST_TRACED_EVALUATIONS} evaluations, not {n_eval_steps}; lower n_eval_steps."
        )
    # In 32 bits the product would overflow, so whole multiples and the rest are separate.
    k = jnp.arange(1, n_eval_steps + 1, dtype=jnp.int32)
    whole, rest = jnp.divmod(jnp.maximum(n_iterations, 0).astype(jnp.int32), n_eval_steps)
    return k * whole + (2 * k * rest + n_eval_steps) // (2 * n_eval_steps)
