"""The picture of several studies of one problem: how good the best trial was, and how soon."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from arlbench.report.courses import Course
from arlbench.report.figures import png_of
from arlbench.report.statistics import spread, spread_name
from arlbench.report.study_pictures import BEST, HELD, LINE, TEST, new_figure

# Further studies have the same colours again, with another style of line.
_COLOURS = (LINE, BEST, TEST, "#7048a8", "#c2255c", "#0b7285", "#8a6d1a", "#343a40")
_STYLES = ("-", "--", ":", "-.")

#: How far the panel reaches beyond the returns, as a fraction of their range.
_MARGIN = 0.05

# Characters that fit into a row of the legend, and those that a line's sample takes in it.
_LEGEND_WIDTH, _SAMPLE_WIDTH = 88, 8

#: Inches of height for each further row of the legend.
_ROW = 0.17


class DrawnStudy(NamedTuple):
    """A study.

    Attributes:
        name: Its name.
        course: The best returns so far of its repeats, where all of them exist; not empty.
    """

    name: str
    course: Course


def draw(studies: Sequence[DrawnStudy], title: str) -> bytes:
    """The best return so far of each study against environment steps, as a PNG file."""
    figure = draw_studies(studies)
    figure.suptitle(title, fontsize=10, x=0.01, ha="left", parse_math=False)
    return png_of(figure)


def draw_studies(studies: Sequence[DrawnStudy]) -> Figure:
    """The best return so far of each study: the mean over its repeats, and the spread."""
    figure, panel = new_figure()
    labels = _labels(studies)
    for index, study in enumerate(studies):
        colour = _COLOURS[index % len(_COLOURS)]
        style = _STYLES[index // len(_COLOURS) % len(_STYLES)]
        _draw_study(panel, study.course, color=colour, ls=style)
    _fit_to_returns(panel, studies)
    panel.set_xlabel("environment steps of all trials of a repeat")
    panel.set_ylabel("final return of the best trial so far")
    n_columns = max(_LEGEND_WIDTH // (max(map(len, labels)) + _SAMPLE_WIDTH), 1)
    figure.set_figheight(figure.get_figheight() + _ROW * (1 + math.ceil(len(labels) / n_columns)))
    legend = figure.legend(
        panel.lines, map(str, range(len(labels))), loc="outside lower left", ncols=n_columns,
        fontsize=8, frameon=False, title=_title_of(studies), title_fontsize=8, alignment="left",
    )  # fmt: skip
    # Set afterwards, because a legend leaves out names that begin with an underscore.
    for text, label in zip(legend.get_texts(), labels, strict=True):
        text.set_parse_math(False)
        text.set_text(label)
    return figure


def _draw_study(panel: Any, course: Course, color: str, **style: str) -> None:
    # Held a little longer, so that what the last trial found is seen.
    steps = np.append(course.steps, course.steps[-1] * HELD)
    mean, low, high = spread(np.append(course.each, course.each[:, -1:], axis=1))
    if len(course.each) > 1:
        panel.fill_between(steps, low, high, step="post", color=color, alpha=0.12, lw=0)
    panel.step(steps, mean, where="post", color=color, **style)


def _fit_to_returns(panel: Any, studies: Sequence[DrawnStudy]) -> None:
    """Scales the axis to the returns; the interval of few repeats may reach far beyond them."""
    returns = np.concatenate([study.course.each.ravel() for study in studies])
    margin = _MARGIN * (np.ptp(returns) or 1.0)
    panel.set_ylim(returns.min() - margin, returns.max() + margin)


def _labels(studies: Sequence[DrawnStudy]) -> list[str]:
    """The names, with the numbers of repeats if these differ."""
    counts = _counts(studies)
    if len(set(counts)) == 1:
        return [study.name for study in studies]
    return [f"{study.name} ({_repeats(n)})" for study, n in zip(studies, counts, strict=True)]


def _title_of(studies: Sequence[DrawnStudy]) -> str:
    """The title of the legend, which says what the lines and areas are."""
    counts = _counts(studies)
    names = dict.fromkeys(spread_name(n, "repeats") for n in counts if n > 1)
    of_all = f" ({_repeats(counts[0])})" if len(set(counts)) == 1 else ""
    return f"tuning seeds: mean and {' or '.join(names)}{of_all}" if names else "tuning seeds"


def _counts(studies: Sequence[DrawnStudy]) -> list[int]:
    return [len(study.course.each) for study in studies]


def _repeats(n: int) -> str:
    return f"{n} repeat{'s' * (n != 1)}"
