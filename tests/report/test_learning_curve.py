"""Curves read from a run's files, and drawn from nothing else."""

from __future__ import annotations

from pathlib import Path

from arlbench.core.environments import EnvSpec
from arlbench.report import learning_curve
from arlbench.runs.folder import RunFolder
from arlbench.runs.settings import resolve

HEADER = "seed,evaluation,timesteps,episode,episode_return\n"


def write_run(path: Path, rows: str) -> None:
    folder = RunFolder(path)
    folder.write_settings(resolve(EnvSpec("gymnax", "CartPole-v1", 8), {}))
    (path / "evaluations.csv").write_text(HEADER + rows)


def test_a_point_is_the_mean_of_its_episodes(tmp_path: Path) -> None:
    write_run(tmp_path, "0,1,100,0,1.0\n0,1,100,1,3.0\n0,2,200,0,9.0\n4,1,100,0,5.0\n")
    curves = learning_curve.read_evaluations(tmp_path)
    assert curves == {0: {100: 2.0, 200: 9.0}, 4: {100: 5.0}}


def test_seeds_of_different_lengths_are_drawn(tmp_path: Path) -> None:
    write_run(tmp_path, "0,1,100,0,1.0\n0,2,200,0,9.0\n4,1,100,0,5.0\n")
    path = learning_curve.draw(tmp_path)
    assert path is not None
    assert path.read_bytes().startswith(b"\x89PNG")


def test_nothing_evaluated_is_nothing_drawn(tmp_path: Path) -> None:
    write_run(tmp_path, "")
    assert learning_curve.draw(tmp_path) is None
    assert not (tmp_path / "learning_curve.png").exists()
