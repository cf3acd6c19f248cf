"""The best returns of repeats at steps that all of them share."""

from __future__ import annotations

import numpy as np

from arlbench.report.courses import DrawnRepeat, course, shared_course


def repeat(spent, best, end=100) -> DrawnRepeat:
    return DrawnRepeat(np.array(spent), np.array(best, float), end, np.nan)


TWO = [repeat([10, 40], [1, 3], 90), repeat([20, 40, 60], [2, 5, 6], 80)]


def test_the_course_holds_each_best_until_the_next() -> None:
    steps, each = course(TWO)
    # It begins where both have a best trial, and ends with the longer one.
    assert steps.tolist() == [20, 40, 60, 90]
    assert each.tolist() == [[1, 3, 3, 3], [2, 5, 6, 6]]


def test_a_repeat_that_begins_late_is_waited_for() -> None:
    late = [repeat([10], [1], 50), repeat([70], [2], 70)]
    steps, each = course(late)
    assert steps.tolist() == [70, 70]
    assert each.tolist() == [[1, 1], [2, 2]]


def test_on_a_grid_only_steps_at_which_all_repeats_run_are_left() -> None:
    # The second has no best trial before 20, and ends at 80.
    steps, each = shared_course(TWO, np.array([10, 19, 20, 39, 40, 80, 85, 90]))
    assert steps.tolist() == [20, 39, 40, 80]
    assert each.tolist() == [[1, 1, 3, 3], [2, 2, 5, 6]]


def test_a_repeat_that_ends_a_little_before_the_others_is_held() -> None:
    # The last trials of two repeats end one and four steps after that of the first.
    three = [repeat([10, 96], [1, 3], 96), repeat([9, 97], [2, 5], 97), repeat([8], [4], 100)]
    steps, each = shared_course(three, np.array([8, 10, 95, 96, 97, 100, 101]))
    assert steps.tolist() == [10, 95, 96, 97, 100]
    assert each.tolist() == [[1, 1, 3, 3, 3], [2, 2, 2, 5, 5], [4] * 5]


def test_repeats_that_never_ran_together_have_an_empty_course() -> None:
    steps, each = shared_course([repeat([10], [1], 50), repeat([70], [2], 70)], np.arange(100))
    assert (steps.shape, each.shape) == ((0,), (2, 0))
