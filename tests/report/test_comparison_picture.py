"""The picture of several studies: what is drawn, and how it can be told apart."""

from __future__ import annotations

import numpy as np

from arlbench.report.comparison_picture import DrawnStudy, draw, draw_studies
from arlbench.report.courses import Course


def drawn(name: str, steps, each) -> DrawnStudy:
    return DrawnStudy(name, Course(np.array(steps), np.array(each, float)))


THREE = drawn("three", [10, 20, 50], [[1, 2, 3], [3, 4, 5], [5, 9, 10]])
ONE = drawn("one", [5, 30], [[2, 8]])


def legend_of(figure) -> tuple[str, list[str]]:
    (legend,) = figure.legends
    return legend.get_title().get_text(), [text.get_text() for text in legend.get_texts()]


def test_means_and_ranges_are_drawn_and_held_a_little() -> None:
    figure = draw_studies([THREE, ONE])
    (panel,) = figure.axes
    three, one = panel.lines
    assert three.get_ydata().tolist() == [3, 5, 6, 6]
    assert three.get_xdata()[:3].tolist() == [10, 20, 50]
    assert three.get_xdata()[3] > 50
    assert one.get_ydata().tolist() == [2, 8, 8]
    # Only what is repeated has a range.
    (area,) = panel.collections
    corners = area.get_paths()[0].vertices[:, 1]
    assert (corners.min(), corners.max()) == (1, 10)
    assert legend_of(figure) == (
        "tuning seeds: mean and range of repeats",
        ["three (3 repeats)", "one (1 repeat)"],
    )


def test_the_number_of_repeats_is_said_once_if_it_is_that_of_all() -> None:
    title, names = legend_of(draw_studies([THREE, THREE._replace(name="again")]))
    assert title == "tuning seeds: mean and range of repeats (3 repeats)"
    assert names == ["three", "again"]
    assert legend_of(draw_studies([ONE])) == ("tuning seeds", ["one"])


def test_the_interval_of_few_repeats_does_not_squeeze_the_returns() -> None:
    # The 95 % interval of the mean of 0, 0, 0 and 100 reaches from -54.6 to 104.6.
    wide = drawn("wide", [10, 20], [[0, 100], [0, 100], [0, 100], [100, 100]])
    (panel,) = draw_studies([wide]).axes
    assert panel.get_ylim() == (-5, 105)


def test_many_studies_look_different() -> None:
    (panel,) = draw_studies([ONE._replace(name=str(i)) for i in range(20)]).axes
    looks = {(line.get_color(), line.get_linestyle()) for line in panel.lines}
    assert len(looks) == 20


def test_long_names_fit_into_the_picture() -> None:
    long = [ONE._replace(name=f"{i} {'name ' * 12}") for i in range(3)]
    figure = draw_studies([*long, THREE])
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert legend.get_window_extent().x1 <= figure.bbox.x1
    (panel,) = figure.axes
    assert panel.get_window_extent().height > 200
    assert draw(long, "title").startswith(b"\x89PNG")


def test_any_name_is_in_the_legend_as_it_is() -> None:
    names = ["_baseline", "$x^{$", "$5 or $7", "100 %", r"\alpha_1"]
    figure = draw_studies([ONE._replace(name=name) for name in names])
    assert legend_of(figure)[1] == names
    (legend,) = figure.legends
    (panel,) = figure.axes
    colours = [line.get_color() for line in panel.lines]
    assert [line.get_color() for line in legend.get_lines()] == colours
    assert draw([ONE._replace(name=name) for name in names], "$x^{$").startswith(b"\x89PNG")
