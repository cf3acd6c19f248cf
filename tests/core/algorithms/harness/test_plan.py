"""How many iterations a training has, and when it is evaluated: numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arlbench.core.algorithms.harness.plan import Lengths, make_plan
from arlbench.core.algorithms.harness.progress import TrainingProgress
from arlbench.errors import ConfigurationError


def lengths(timesteps: float = 1000, evaluations: int = 4) -> Lengths:
    return Lengths.checked(timesteps, evaluations, 3)


@pytest.mark.parametrize(
    ("timesteps", "evaluations", "per_iteration", "expected"),
    [
        # Divisible numbers: equal intervals.
        (1000, 4, 10, [25, 50, 75, 100]),
        (1000, 1, 10, [100]),
        # 2,000 steps in iterations of 8 * 256 steps: one iteration, evaluated 20 times.
        (2000, 20, 2048, [0] * 9 + [1] * 11),
        # 100,000 steps in iterations of 2,560 steps are 40 iterations; earlier versions did 100.
        (100_000, 4, 2560, [10, 20, 30, 40]),
        # 3 parts of 8 iterations end after 2.67, 5.33 and 8 iterations.
        (31, 3, 4, [3, 5, 8]),
        # 2 parts of 5 iterations: 2.5 is rounded up.
        (5, 2, 1, [3, 5]),
        (1, 2, 64, [1, 1]),
    ],
)
def test_evaluations_follow_the_nearest_iterations(
    timesteps: int, evaluations: int, per_iteration: int, expected: list[int]
) -> None:
    plan = make_plan(lengths(timesteps, evaluations), per_iteration)
    assert plan.evaluate_after.tolist() == expected
    assert plan.total_timesteps == expected[-1] * per_iteration


@given(
    st.integers(1, 10**9), st.integers(1, 300), st.integers(1, 10**5), st.integers(-(10**6), 10**6)
)
def test_a_budget_is_met_to_within_an_iteration(
    timesteps: int, evaluations: int, per_iteration: int, overshoot: int
) -> None:
    plan = make_plan(lengths(timesteps, evaluations), per_iteration, overshoot)
    left = max(timesteps - overshoot, 0)
    assert left <= plan.total_timesteps < left + per_iteration
    after = plan.evaluate_after
    assert len(after) == evaluations
    assert np.all(np.diff(after) >= 0)
    ideal = np.arange(1, evaluations + 1) * (int(after[-1]) / evaluations)
    assert np.abs(after - ideal).max() <= 0.5 + 1e-6


def test_what_one_part_overshoots_the_next_has_less() -> None:
    # Ten budgets of 100 steps, with iterations of 64, 48 and 100 steps in turn.
    done = 0
    for part in range(10):
        per_iteration = (64, 48, 100)[part % 3]
        plan = make_plan(lengths(100, 1), per_iteration, done - 100 * part)
        done += plan.total_timesteps
        assert 100 * (part + 1) <= done < 100 * (part + 1) + per_iteration


def test_a_part_may_have_no_iteration() -> None:
    plan = make_plan(lengths(100, 3), 64, overshoot=100)
    assert plan.evaluate_after.tolist() == [0, 0, 0]
    assert plan.total_timesteps == 0


@given(st.integers(0, 2**31 - 1), st.integers(1, 200))
def test_a_traced_plan_is_the_same(n_iterations: int, evaluations: int) -> None:
    def traced(per_iteration: Any) -> Any:
        plan = make_plan(lengths(2**31 - 1, evaluations), per_iteration)
        assert plan.is_traced
        return plan.evaluate_after

    per_iteration = max(1, (2**31 - 1) // (n_iterations + 1))
    known = make_plan(lengths(2**31 - 1, evaluations), per_iteration).evaluate_after
    np.testing.assert_array_equal(jax.jit(traced)(per_iteration), known)


def traced_plan(n_iterations: int, evaluations: int) -> Any:
    def traced(per_iteration: Any) -> Any:
        return make_plan(lengths(n_iterations, evaluations), per_iteration).evaluate_after

    return jax.jit(traced)(1)


def test_a_traced_plan_has_a_limited_number_of_evaluations() -> None:
    most = 2**15
    # With the largest rest of the division.
    known = make_plan(lengths(2 * most - 1, most), 1).evaluate_after
    np.testing.assert_array_equal(traced_plan(2 * most - 1, most), known)
    with pytest.raises(ConfigurationError, match="at most 32768 evaluations, not 32769"):
        traced_plan(2 * most - 1, most + 1)


def standing(timesteps: int, n_evaluations: int, total: int = 32) -> TrainingProgress:
    return TrainingProgress(None, timesteps, total, np.zeros((n_evaluations, 3)))


@pytest.mark.parametrize(
    ("timesteps", "n_evaluations"), [(0, 0), (8, 0), (12, 0), (12, 1), (16, 1), (20, 2), (32, 3)]
)
def test_a_plan_continues_from_any_of_its_points(timesteps: int, n_evaluations: int) -> None:
    plan = make_plan(lengths(31, 3), 4, progress=standing(timesteps, n_evaluations))
    assert plan.done_iterations == timesteps // 4
    assert plan.done_evaluations == n_evaluations
    assert plan.remaining_timesteps == 32 - timesteps


@pytest.mark.parametrize(
    "progress",
    [
        standing(13, 1),  # within an iteration
        standing(12, 2),  # an evaluation too many
        standing(20, 0),  # one too few
        standing(36, 3),  # past the end
        standing(12, 1, total=36),  # of another training
        TrainingProgress(None, 12, 32, np.zeros((1, 4))),  # of other evaluations
    ],
)
def test_what_is_not_a_point_of_the_plan_is_refused(progress: TrainingProgress) -> None:
    with pytest.raises(ConfigurationError, match="not a point in a training run of 32 timesteps"):
        make_plan(lengths(31, 3), 4, progress=progress)


def test_evaluations_at_one_iteration_may_be_done_in_part() -> None:
    # 1 iteration with 2 evaluations after it, of which one has been made.
    plan = make_plan(lengths(1, 2), 64, progress=standing(64, 1, total=64))
    assert (plan.done_evaluations, plan.remaining_iterations) == (1, 0)


@pytest.mark.parametrize(
    ("given_lengths", "fault"),
    [
        ((0, 1, 1), "n_total_timesteps"),
        ((10, 0, 1), "n_eval_steps"),
        ((10, 1, 1.5), "n_eval_episodes"),
        ((10, 1, 1, 0), "schedule_timesteps"),
    ],
)
def test_impossible_lengths_are_refused(given_lengths: Any, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{fault} must be a positive whole number"):
        Lengths.checked(*given_lengths)
