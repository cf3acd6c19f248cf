"""Run folders: numbered, never written over, every file whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from arlbench.core.environments import EnvSpec
from arlbench.core.running_statistics import init_state
from arlbench.errors import RunFolderError
from arlbench.runs.folder import RunFiles, RunFolder, next_folder
from arlbench.runs.settings import RunSettings
from probes import same_bits


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


def tree_of(*shape: int) -> dict[str, Any]:
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return {"params": {"out": {"bias": np.full(2, 0.5, np.float32), "kernel": values}}}


def test_parameters_and_statistics_come_back_as_they_were(tmp_path: Path) -> None:
    folder, statistics = RunFolder(tmp_path), init_state((3,))
    folder.write_params(4, tree_of(3, 2))
    folder.write_normalizer(4, statistics)
    files = RunFiles(tmp_path)
    assert same_bits(files.read_params(4, tree_of(3, 2)), tree_of(3, 2))
    assert same_bits(files.read_normalizer(4, statistics), statistics)
    with np.load(tmp_path / "normalizer-seed-4.npz") as saved:
        assert set(saved.files) == {"count", "mean", "summed_variance", "std"}


def foreign(folder: Path) -> None:
    RunFolder(folder).write_params(4, tree_of(5, 2))


def renamed(folder: Path) -> None:
    RunFolder(folder).write_params(4, {"params": {"head": tree_of(3, 2)["params"]["out"]}})


def no_archive(folder: Path) -> None:
    (folder / "params-seed-4.npz").write_bytes(b"something else")


def one_array(folder: Path) -> None:
    with (folder / "params-seed-4.npz").open("wb") as file:
        np.save(file, np.zeros(3))


def cut_short(folder: Path) -> None:
    RunFolder(folder).write_params(4, tree_of(3, 2))
    whole = (folder / "params-seed-4.npz").read_bytes()
    (folder / "params-seed-4.npz").write_bytes(whole[: len(whole) // 2])


def flipped(folder: Path) -> None:
    RunFolder(folder).write_params(4, tree_of(3, 2))
    content = bytearray((folder / "params-seed-4.npz").read_bytes())
    content[content.index(np.float32(5.0).tobytes())] ^= 1
    (folder / "params-seed-4.npz").write_bytes(content)


def pickled(folder: Path) -> None:
    with (folder / "params-seed-4.npz").open("wb") as file:
        np.savez(file, allow_pickle=True, **{"params/out/bias": np.array([{}], object)})


def missing(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (foreign, r"kernel is float32\[5, 2\] there and float32\[3, 2\] here"),
        (renamed, r"params/head/bias is float32\[2\] there and absent here"),
        (no_archive, "is damaged"),
        (one_array, "is damaged"),
        (cut_short, "is damaged"),
        (flipped, "is damaged .*CRC"),
        (pickled, "is damaged"),
        (missing, "No such file"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    damage: Any, complaint: str, tmp_path: Path
) -> None:
    damage(tmp_path)
    with pytest.raises(RunFolderError, match=complaint):
        RunFiles(tmp_path).read_params(4, tree_of(3, 2))


def test_statistics_that_were_not_kept_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"normalizer-seed-4\.npz is missing.*checkpoints"):
        RunFiles(tmp_path).read_normalizer(4, init_state((3,)))


def settings_of(*seeds: int, n_evaluations: int) -> RunSettings:
    return RunSettings(EnvSpec("gymnax", "CartPole-v1"), {}, {}, seeds, 100, n_evaluations, 1)


def test_a_seed_has_ended_when_all_of_its_evaluations_are_there(tmp_path: Path) -> None:
    folder, settings = RunFolder(tmp_path), settings_of(9, 10, 11, n_evaluations=2)
    assert folder.ended_seeds(settings) == []
    returns = {9: np.zeros((2, 3)), 10: np.zeros((2, 3)), 11: np.zeros((1, 3))}
    folder.write_evaluations(returns, interval=50)
    for seed in (9, 11):  # 10 was evaluated, but its parameters are not there
        folder.write_params(seed, {"w": np.zeros(1)})
    assert folder.ended_seeds(settings) == [9]
    folder.write_summary({"status": "interrupted"})
    assert folder.ended_seeds(settings) == [9]
    folder.write_summary({"status": "finished"})
    assert folder.ended_seeds(settings) == [9, 11]


@pytest.mark.parametrize("name", ["evaluations.csv", "summary.json"])
@pytest.mark.parametrize("content", ["[1]", '{"a', "seed,evaluation\n1,x\n", "\0"])
def test_files_that_say_nothing_are_named(name: str, content: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_params(9, {"w": np.zeros(1)})
    folder.write_evaluations({9: np.zeros((2, 1))}, interval=50)
    (tmp_path / name).write_text(content)
    settings = settings_of(9, n_evaluations=2)
    if name == "evaluations.csv" and "evaluation" not in content:
        # A table without rows of episodes: no evaluation was made.
        assert folder.ended_seeds(settings) == []
        return
    with pytest.raises(RunFolderError, match=f"{name} is damaged"):
        folder.ended_seeds(settings)


def test_settings_that_are_no_object_are_named(tmp_path: Path) -> None:
    for content in ("[]", "3", '"text"', json.dumps({"versions": {}}), "{"):
        (tmp_path / "settings.json").write_text(content)
        with pytest.raises(RunFolderError, match=r"settings\.json is damaged"):
            RunFiles(tmp_path).read_settings()


def test_a_reader_needs_no_lock(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder:
        folder.write_params(0, tree_of(3, 2))
        params = RunFiles(tmp_path).read_params(0, tree_of(3, 2))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(params))
