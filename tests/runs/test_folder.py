"""Run folders: numbered, never written over, every file whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from arlbench.errors import RunFolderError
from arlbench.runs.folder import RunFolder, next_folder


def test_the_next_folder_has_the_first_free_number(tmp_path: Path) -> None:
    assert next_folder(tmp_path, "CartPole-v1").name == "CartPole-v1-001"
    (tmp_path / "CartPole-v1-001").mkdir()
    (tmp_path / "CartPole-v1-003").mkdir()
    assert next_folder(tmp_path, "CartPole-v1").name == "CartPole-v1-002"
    assert next_folder(tmp_path, "a/b c").name == "a-b-c-001"


def test_an_empty_folder_is_used_and_a_full_one_refused(tmp_path: Path) -> None:
    RunFolder(tmp_path)
    (tmp_path / "something").write_text("")
    with pytest.raises(RunFolderError, match="already holds something"):
        RunFolder(tmp_path)


def test_evaluations_are_one_row_per_episode(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.write_evaluations({7: np.array([[1.0, 2.5], [3.0, 4.0]])}, interval=100)
    lines = (tmp_path / "run" / "evaluations.csv").read_text().splitlines()
    assert lines == [
        "seed,evaluation,timesteps,episode,episode_return",
        "7,1,100,0,1.0",
        "7,1,100,1,2.5",
        "7,2,200,0,3.0",
        "7,2,200,1,4.0",
    ]


def test_parameters_are_named_by_their_path(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.write_params(3, {"params": {"out": {"bias": np.arange(2.0)}}})
    with np.load(tmp_path / "run" / "params-seed-3.npz") as saved:
        np.testing.assert_array_equal(saved["params/out/bias"], [0.0, 1.0])
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"params-seed-3.npz", "run.lock"}
