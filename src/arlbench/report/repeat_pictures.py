"""The picture of a study that was repeated with other seeds of its tuner."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from arlbench.report.courses import Course, DrawnRepeat, course
from arlbench.report.figures import png_of
from arlbench.report.statistics import MeanInterval, spread, spread_name
from arlbench.report.study_pictures import FAINT, HELD, LINE, TEST, new_figure


def draw(repeats: Sequence[DrawnRepeat], title: str) -> dict[str, bytes]:
    """The pictures as PNG files, by name; none if no repeat has a best trial."""
    if not repeats:
        return {}
    figure = draw_incumbent(repeats)
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    return {"incumbent": png_of(figure)}


def _beyond_the_end(found: Course) -> Course:
    """The course, held a little longer, so that what the last trial found is seen."""
    steps = np.append(found.steps, found.steps[-1] * HELD)
    return Course(steps, np.append(found.each, found.each[:, -1:], axis=1))


def draw_incumbent(repeats: Sequence[DrawnRepeat]) -> Figure:
    """The best return so far against the environment steps spent: each repeat, and their mean."""
    figure, panel = new_figure()
    steps, each = _beyond_the_end(course(repeats))
    for repeat in repeats:
        ends = np.append(repeat.spent, steps[-1])
        panel.step(ends, np.append(repeat.best, repeat.best[-1]), where="post", color=FAINT, lw=0.8)
    mean, low, high = spread(each)
    panel.fill_between(steps, low, high, step="post", color=LINE, alpha=0.15, lw=0)
    name = spread_name(len(repeats), "repeats")
    label = f"tuning seeds: mean and {name}" if len(repeats) > 1 else "tuning seeds"
    panel.step(steps, mean, where="post", color=LINE, label=label)
    tested = np.array([repeat.test for repeat in repeats if not np.isnan(repeat.test)])
    if tested.size:
        _draw_test(panel, float(steps[-1]), spread(tested), len(tested))
    panel.set_xlabel("environment steps of all trials of a repeat")
    panel.set_ylabel("final return of the best trial so far")
    panel.legend(fontsize=8, frameon=False)
    return figure


def _draw_test(panel: object, at: float, test: MeanInterval, n: int) -> None:
    """The mean return with the test seeds at the end, and its spread."""
    ends = np.array([[test.mean - test.low], [test.high - test.mean]])
    label = f"test seeds: mean and {spread_name(n, 'repeats')}" if n > 1 else "test seeds"
    panel.errorbar(  # type: ignore[attr-defined]
        [at], [test.mean], yerr=ends if n > 1 else None,
        fmt="o", color=TEST, capsize=3, label=label, clip_on=False, zorder=3,
    )  # fmt: skip
