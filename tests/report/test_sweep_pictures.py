"""The pictures of a sweep: drawn from the parts alone, whatever has ended."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from arlbench.report import sweep_pictures
from arlbench.report.sweep_results import read_results
from arlbench.sweeps.sampling import draw
from arlbench.experiments.folder import SweepFolder
from fake_training import make_experiment, result_of


def fill(path: Path, members=None, **settings) -> Path:
    experiment = make_experiment(**settings)
    with SweepFolder(path, experiment) as store:
        for member in store.missing() if members is None else members:
            store.add(result_of(experiment, *member))
    return path


def only_parts(folder: Path) -> Path:
    """The same folder without anything but its parts."""
    bare = folder.with_name("bare")
    shutil.copytree(folder / "parts", bare / "parts")
    return bare


def texts_of(figure: Figure) -> set[str]:
    titles = {panel.get_title(loc="left") for panel in figure.axes if panel.get_visible()}
    return titles | {text.get_text() for text in figure.texts}


def test_two_pictures_of_some_size_from_the_parts_alone(tmp_path) -> None:
    folder = only_parts(fill(tmp_path / "sweep"))
    assert [path.name for path in sweep_pictures.draw(folder)] == ["landscape.png", "curves.png"]
    for name in ("landscape.png", "curves.png"):
        content = (folder / name).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 10_000


def test_a_panel_for_each_hyperparameter_that_varies(tmp_path) -> None:
    configs = tuple(
        draw("sobol", {"learning_rate": "1e-5..1e-2", "activation": "tanh,relu"}, 20, 0)
    )
    results = read_results(fill(tmp_path, configs=configs, n_total_timesteps=10_000))
    figure = sweep_pictures.draw_landscape(results)
    texts = texts_of(figure)
    assert texts >= results.varied.keys()
    assert len(results.varied) == 19
    # The fake return depends on the learning rate alone.
    assert figure.axes[0].get_title(loc="left") == "learning_rate"
    assert figure.axes[0].get_xscale() == "log"
    by_name = {panel.get_title(loc="left"): panel for panel in figure.axes}
    assert by_name["gamma"].get_xscale() == "linear"
    labels = [label.get_text() for label in by_name["activation"].get_xticklabels()]
    assert labels == ["relu", "tanh"]


def test_the_points_are_the_configurations(tmp_path) -> None:
    configs = tuple({"learning_rate": 10.0**-k} for k in range(2, 6))
    results = read_results(fill(tmp_path, configs=configs))
    (panel,) = (axes for axes in sweep_pictures.draw_landscape(results).axes if axes.get_visible())
    points = panel.collections[0].get_offsets()
    np.testing.assert_allclose(points[:, 1], results.final.mean(axis=1))
    labels = [label.get_text() for label in panel.get_xticklabels()]
    assert labels == ["1e-05", "0.0001", "0.001", "0.01"]


def test_the_best_curves_are_named_and_have_bands(tmp_path) -> None:
    configs = tuple({"learning_rate": 10.0**-k} for k in np.linspace(2, 6, 12))
    results = read_results(fill(tmp_path, configs=configs, n_seeds=5))
    axes = sweep_pictures.draw_curves(results).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    # The lower the rate, the higher the fake return.
    assert [label.split(":")[0] for label in labels[:3]] == ["config 11", "config 10", "config 9"]
    assert labels[3] == "the others"
    assert "±" in labels[0]
    assert len(axes.collections[0].get_segments()) == 9
    assert len(axes.collections) == 1 + 3


@pytest.mark.parametrize("n_seeds", [1, 2, 4])
def test_few_seeds_have_no_band(n_seeds, tmp_path) -> None:
    results = read_results(fill(tmp_path, n_seeds=n_seeds))
    axes = sweep_pictures.draw_curves(results).axes[0]
    assert len(axes.collections) == 1
    assert len(axes.lines) == 1 + n_seeds


def test_whatever_has_ended_can_be_drawn(tmp_path) -> None:
    members = {
        "nothing": ([], []),
        "one training": ([(1, 0)], ["curves.png"]),
        "part of the seeds": ([(1, 0), (2, 0), (2, 1), (2, 2)], ["landscape.png", "curves.png"]),
        "no configuration with every seed": ([(0, 0), (1, 1)], ["curves.png"]),
        "diverged alone": ([(3, 0), (3, 1), (3, 2)], ["curves.png"]),
    }
    for name, (ended, drawn) in members.items():
        folder = fill(tmp_path / name, ended)
        assert [path.name for path in sweep_pictures.draw(folder)] == drawn
    alike = fill(tmp_path / "alike", configs=({},))
    assert [path.name for path in sweep_pictures.draw(alike)] == ["curves.png"]
