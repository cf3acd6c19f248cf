"""The pictures of a sweep are drawn only from rows, however many trainings have ended."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from arlbench.experiments.table import table_of
from arlbench.report import sweep_pictures
from arlbench.report.sweep_results import SweepResults, results_of
from fake_training import make_experiment, result_of
from proposing import propose


def results(members=None, **settings) -> SweepResults:
    """The results of a sweep that was never on disk."""
    experiment = make_experiment(**settings)
    ended = [result_of(experiment, *member) for member in members or experiment.members]
    found = results_of(table_of(experiment, ended))
    assert found is not None
    return found


def texts_of(figure: Figure) -> set[str]:
    titles = {panel.get_title(loc="left") for panel in figure.axes if panel.get_visible()}
    return titles | {text.get_text() for text in figure.texts}


def test_two_pictures_of_some_size() -> None:
    pictures = sweep_pictures.draw(results())
    assert list(pictures) == ["landscape", "curves"]
    for content in pictures.values():
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000


def test_the_title_names_what_learnt_and_where() -> None:
    titles = texts_of(sweep_pictures.draw_landscape(results()))
    assert "DQN on CartPole-v1: 4 configurations, 3 seeds" in titles


@pytest.mark.parametrize(("n_configs", "orange"), [(7, "the best"), (8, "the best 2")])
def test_the_explanation_says_how_many_points_are_orange(n_configs: int, orange: str) -> None:
    configs = tuple({"learning_rate": 10.0 ** -(2 + k / 4)} for k in range(n_configs))
    texts = texts_of(sweep_pictures.draw_landscape(results(configs=configs)))
    assert f"a point for each configuration, mean over seeds; orange: {orange}" in {
        text.partition("; line")[0] for text in texts
    }


def test_a_panel_for_each_hyperparameter_that_varies() -> None:
    words = {"learning_rate": "1e-5..1e-2", "activation": "tanh,relu"}
    configs = tuple(propose("sobol", words, 20))
    found = results(configs=configs, n_total_timesteps=10_000)
    figure = sweep_pictures.draw_landscape(found)
    texts = texts_of(figure)
    assert texts >= found.varied.keys()
    assert len(found.varied) == 19
    # The fake return depends only on the learning rate.
    assert figure.axes[0].get_title(loc="left") == "learning_rate"
    assert figure.axes[0].get_xscale() == "log"
    by_name = {panel.get_title(loc="left"): panel for panel in figure.axes}
    assert by_name["gamma"].get_xscale() == "linear"
    labels = [label.get_text() for label in by_name["activation"].get_xticklabels()]
    assert labels == ["relu", "tanh"]


def test_the_points_are_the_configurations() -> None:
    configs = tuple({"learning_rate": 10.0**-k} for k in range(2, 6))
    found = results(configs=configs)
    (panel,) = (axes for axes in sweep_pictures.draw_landscape(found).axes if axes.get_visible())
    points = panel.collections[0].get_offsets()
    np.testing.assert_allclose(points[:, 1], found.final.mean(axis=1))
    labels = [label.get_text() for label in panel.get_xticklabels()]
    assert labels == ["1e-05", "0.0001", "0.001", "0.01"]


def test_the_best_curves_are_named_and_have_bands() -> None:
    configs = tuple({"learning_rate": 10.0**-k} for k in np.linspace(2, 6, 12))
    found = results(configs=configs, n_seeds=5)
    axes = sweep_pictures.draw_curves(found).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    # The lower the rate, the higher the fake return.
    assert [label.split(":")[0] for label in labels[:3]] == ["config 11", "config 10", "config 9"]
    assert labels[3] == "the others"
    assert "±" in labels[0]
    assert len(axes.collections[0].get_segments()) == 9
    assert len(axes.collections) == 1 + 3


@pytest.mark.parametrize("n_seeds", [1, 2, 4])
def test_few_seeds_have_no_band(n_seeds) -> None:
    found = results(n_seeds=n_seeds)
    axes = sweep_pictures.draw_curves(found).axes[0]
    assert len(axes.collections) == 1
    assert len(axes.lines) == 1 + n_seeds
    label = axes.get_legend().get_texts()[0].get_text()
    title = axes.get_legend().get_title().get_text()
    assert ("±" in label, " to " in label) == (n_seeds == 4, n_seeds == 2)
    assert ("95 % interval" in title, "range of seeds" in title) == (n_seeds == 4, n_seeds == 2)


def test_whatever_has_ended_can_be_drawn() -> None:
    members = {
        "one training": ([(1, 0)], ["curves"]),
        "part of the seeds": ([(1, 0), (2, 0), (2, 1), (2, 2)], ["landscape", "curves"]),
        "no configuration with every seed": ([(0, 0), (1, 1)], ["curves"]),
        "diverged alone": ([(3, 0), (3, 1), (3, 2)], ["curves"]),
    }
    for ended, drawn in members.values():
        assert list(sweep_pictures.draw(results(ended))) == drawn
    assert list(sweep_pictures.draw(results(configs=({},)))) == ["curves"]


def test_nothing_reached_is_nothing_drawn() -> None:
    found = results()
    nothing = found._replace(returns=np.full_like(found.returns, np.nan))
    assert sweep_pictures.draw(nothing) == {}
