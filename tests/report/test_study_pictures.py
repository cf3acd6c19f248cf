"""Pictures of studies: what is drawn where."""

from __future__ import annotations

import numpy as np
import pytest

from arlbench.cli.tune_pictures import draw, drawn_trials
from arlbench.report import study_pictures
from arlbench.report.study_pictures import (
    draw_incumbent,
    draw_lineage,
    draw_schedules,
    draw_trials,
    evolves,
    lineage,
)
from arlbench.tuning import load
from fake_studies import FakePopulation, study
from own_tuner import Own

PBT = {"n_trials": None, "tuner_settings": {"n_members": 8, "n_steps": 3}}


def test_a_study_has_two_pictures_and_a_population_four(tmp_path) -> None:
    study(tmp_path / "random")
    drawn = draw(load(tmp_path / "random"), tmp_path / "random")
    assert [path.name for path in drawn] == ["incumbent.png", "trials.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)
    study(tmp_path / "pbt", "pbt", **PBT)
    drawn = draw(load(tmp_path / "pbt"), tmp_path / "pbt")
    assert [path.stem for path in drawn] == ["incumbent", "trials", "lineage", "schedules"]


def test_brackets_do_not_evolve(tmp_path) -> None:
    study(tmp_path / "study", "hyperband", n_trials=22, parallel=64)
    assert not evolves(drawn_trials(load(tmp_path / "study")))


def test_nothing_is_drawn_before_a_trial_has_ended(tmp_path) -> None:
    study(tmp_path / "study", train=FakePopulation(stop_after=0))
    assert draw(load(tmp_path / "study"), tmp_path / "study") == []


def test_the_incumbent_is_a_step_at_each_improvement(tmp_path) -> None:
    outcome = study(tmp_path / "study")
    trials = drawn_trials(load(tmp_path / "study"))
    (line, tests) = draw_incumbent(trials).axes[0].lines
    best = [result.returns[:, -1].mean() for result in outcome.incumbents]
    np.testing.assert_allclose(line.get_ydata(), [*best, best[-1]])
    costs = np.cumsum([result.cost for result in outcome.results])
    expected = [costs[result.number] for result in outcome.incumbents]
    # Held a little beyond the end, so that what the last trial found is seen.
    np.testing.assert_allclose(line.get_xdata(), [*expected, 1.03 * costs[-1]])
    assert len(tests.get_xdata()) == len(outcome.tests)


@pytest.mark.parametrize(
    ("tuner", "explained"),
    [("random", ""), ("successive_halving", "a longer trial replaces any shorter one")],
)
def test_a_curve_that_may_fall_is_explained(tuner: str, explained: str, tmp_path) -> None:
    study(tmp_path / "study", tuner, n_trials=13)
    legend = draw_incumbent(drawn_trials(load(tmp_path / "study"))).axes[0].get_legend()
    assert legend.get_title().get_text() == explained


def test_every_trial_is_a_curve(tmp_path) -> None:
    study(tmp_path / "study")
    trials = drawn_trials(load(tmp_path / "study"))
    # A curve and its end for each, and the best again.
    assert len(draw_trials(trials).axes[0].lines) == 2 * 8 + 2


def test_the_lineage_is_that_of_the_best(tmp_path) -> None:
    outcome = study(tmp_path / "study", "pbt", **PBT)
    trials = drawn_trials(load(tmp_path / "study"))
    line = lineage(trials)
    assert [trial.ends for trial in line] == [300, 600, 900]
    assert outcome.incumbent is not None
    assert line[-1].number == outcome.incumbent.number
    assert [(t.begins, t.parent) for t in line[1:]] == [
        (300, line[0].number),
        (600, line[1].number),
    ]
    n_children = sum(trial.parent is not None for trial in trials)
    assert len(draw_lineage(trials).axes[0].lines) == n_children
    panels = [panel for panel in draw_schedules(trials).axes if panel.get_visible()]
    titles = {panel.get_title(loc="left") for panel in panels}
    assert titles == {"learning_rate", "use_target_network", "tau"}


def test_pictures_name_the_class_of_a_tuner_of_ones_own(tmp_path, monkeypatch) -> None:
    titles = []
    monkeypatch.setattr(study_pictures, "draw", lambda _, title: titles.append(title) or {})
    study(tmp_path / "study", Own, n_trials=2)
    draw(load(tmp_path / "study"), tmp_path)
    assert [title.partition(" ")[0] for title in titles] == ["Own"]
