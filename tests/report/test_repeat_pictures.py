"""The picture of a repeated study: what is drawn where."""

from __future__ import annotations

import numpy as np
import pytest

from arlbench.report.courses import DrawnRepeat
from arlbench.report.repeat_pictures import draw, draw_incumbent


def repeat(spent, best, end=100, test=np.nan) -> DrawnRepeat:
    return DrawnRepeat(np.array(spent), np.array(best, float), end, test)


TWO = [repeat([10, 40], [1, 3], 90, 2.5), repeat([20, 40, 60], [2, 5, 6], 80, 4.5)]


def test_each_repeat_their_mean_and_the_test_are_drawn() -> None:
    figure = draw_incumbent(TWO)
    (panel,) = figure.axes
    lines = {tuple(line.get_ydata()) for line in panel.lines if len(line.get_ydata()) > 1}
    assert {(1.0, 3.0, 3.0), (2.0, 5.0, 6.0, 6.0), (1.5, 4.0, 4.5, 4.5, 4.5)} <= lines
    (test,) = panel.containers
    assert test.lines[0].get_ydata().tolist() == [3.5]
    bars = test.lines[2][0].get_segments()[0]
    # The range of two repeats.
    np.testing.assert_allclose(bars[:, 1], [2.5, 4.5])
    assert test.get_label() == "test seeds: mean and range of repeats"


@pytest.mark.parametrize("n", [1, 3, 5])
def test_any_number_of_repeats_is_drawn(n) -> None:
    drawn = draw([repeat([10 + i, 50], [i, 9 + i], 100, float(i)) for i in range(n)], "title")
    assert drawn["incumbent"].startswith(b"\x89PNG")


def test_without_a_best_trial_nothing_is_drawn() -> None:
    assert draw([], "title") == {}
    assert len(draw([repeat([10], [1])], "untested")["incumbent"]) > 1000


def test_what_the_last_trial_found_is_seen() -> None:
    (panel,) = draw_incumbent([repeat([10, 100], [1, 9], 100), repeat([10], [1], 100)]).axes
    line = next(line for line in panel.lines if str(line.get_label()).startswith("tuning seeds"))
    ends = [x for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True) if y == 5]
    assert ends[0] == 100
    assert ends[-1] > 100
