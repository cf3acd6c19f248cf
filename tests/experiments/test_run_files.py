"""The files of a run, read while it trains and afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from arlbench.core.environments import EnvSpec
from arlbench.core.running_statistics import init_state
from arlbench.errors import RunFolderError
from arlbench.experiments.run_files import RunFiles
from arlbench.experiments.run_settings import RunSettings, resolve
from arlbench.experiments.run_writer import RunWriter
from probes import same_bits


def settings_of(*seeds: int, n_evaluations: int) -> RunSettings:
    return resolve(
        EnvSpec("gymnax", "CartPole-v1"), {}, first_seed=seeds[0], n_seeds=len(seeds),
        n_total_timesteps=10_000, n_eval_steps=n_evaluations, n_eval_episodes=1,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[RunWriter]:
    """The writer of a run with seeds 9, 10 and 11 and two evaluations each."""
    writer = RunWriter(tmp_path / "run", settings_of(9, 10, 11, n_evaluations=2))
    yield writer
    writer.close()


def tree_of(*shape: int) -> dict[str, Any]:
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return {"params": {"out": {"bias": np.full(2, 0.5, np.float32), "kernel": values}}}


def test_parameters_and_statistics_come_back_as_they_were(folder: RunWriter) -> None:
    statistics = init_state((3,))
    folder.write_part(4, "params", tree_of(3, 2))
    folder.write_part(4, "normalizer_state", statistics)
    files = RunFiles(folder.path)
    assert same_bits(files.read_part(4, "params", tree_of(3, 2)), tree_of(3, 2))
    assert same_bits(files.read_part(4, "normalizer_state", statistics), statistics)
    with np.load(folder.path / "normalizer-seed-4.npz") as saved:
        assert set(saved.files) == {"count", "mean", "summed_variance", "std"}


def foreign(folder: RunWriter) -> None:
    folder.write_part(4, "params", tree_of(5, 2))


def renamed(folder: RunWriter) -> None:
    folder.write_part(4, "params", {"params": {"head": tree_of(3, 2)["params"]["out"]}})


def no_archive(folder: RunWriter) -> None:
    (folder.path / "params-seed-4.npz").write_bytes(b"something else")


def one_array(folder: RunWriter) -> None:
    with (folder.path / "params-seed-4.npz").open("wb") as file:
        np.save(file, np.zeros(3))


def cut_short(folder: RunWriter) -> None:
    folder.write_part(4, "params", tree_of(3, 2))
    whole = (folder.path / "params-seed-4.npz").read_bytes()
    (folder.path / "params-seed-4.npz").write_bytes(whole[: len(whole) // 2])


def flipped(folder: RunWriter) -> None:
    folder.write_part(4, "params", tree_of(3, 2))
    content = bytearray((folder.path / "params-seed-4.npz").read_bytes())
    content[content.index(np.float32(5.0).tobytes())] ^= 1
    (folder.path / "params-seed-4.npz").write_bytes(content)


def pickled(folder: RunWriter) -> None:
    with (folder.path / "params-seed-4.npz").open("wb") as file:
        np.savez(file, allow_pickle=True, **{"params/out/bias": np.array([{}], object)})


def missing(folder: RunWriter) -> None:
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
        (missing, r"params-seed-4\.npz is missing.*checkpoints"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    damage: Any, complaint: str, folder: RunWriter
) -> None:
    damage(folder)
    with pytest.raises(RunFolderError, match=complaint):
        RunFiles(folder.path).read_part(4, "params", tree_of(3, 2))


def test_statistics_that_were_not_kept_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"normalizer-seed-4\.npz is missing.*checkpoints"):
        RunFiles(tmp_path).read_part(4, "normalizer_state", init_state((3,)))


def test_a_seed_has_ended_when_all_of_its_evaluations_are_there(folder: RunWriter) -> None:
    def ended() -> list[int]:
        return folder.ended_seeds(folder.settings, "params")

    assert ended() == []
    returns = {9: np.zeros((2, 3)), 10: np.zeros((2, 3)), 11: np.zeros((1, 3))}
    folder.write_evaluations(returns, np.array([50, 100]))
    for seed in (9, 11):  # seed 10 was evaluated, but its parameters are missing
        folder.write_part(seed, "params", {"w": np.zeros(1)})
    assert ended() == [9]
    folder.write_summary({"status": "interrupted"})
    assert ended() == [9]
    folder.write_summary({"status": "finished"})
    assert ended() == [9, 11]


@pytest.mark.parametrize("name", ["evaluations.csv", "summary.json"])
@pytest.mark.parametrize("content", ["[1]", '{"a', "seed,evaluation\n1,x\n", "\0"])
def test_files_that_say_nothing_are_named(name: str, content: str, folder: RunWriter) -> None:
    folder.write_part(9, "params", {"w": np.zeros(1)})
    folder.write_evaluations({9: np.zeros((2, 1))}, np.array([50, 100]))
    (folder.path / name).write_text(content)
    if name == "evaluations.csv" and "evaluation" not in content:
        # A table without rows: nothing was evaluated.
        assert folder.ended_seeds(folder.settings, "params") == []
        return
    with pytest.raises(RunFolderError, match=f"{name} is damaged"):
        folder.ended_seeds(folder.settings, "params")


def test_settings_that_are_no_object_are_named(tmp_path: Path) -> None:
    for content in ("[]", "3", '"text"', json.dumps({"versions": {}}), "{"):
        (tmp_path / "settings.json").write_text(content)
        with pytest.raises(RunFolderError, match=r"settings\.json is damaged"):
            RunFiles(tmp_path).read_settings()


def test_settings_of_a_newer_version_name_the_cure(folder: RunWriter) -> None:
    path = folder.path / "settings.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format_version": 99}))
    with pytest.raises(RunFolderError, match=r"settings\.json .*format 99.* install a newer one"):
        RunFiles(folder.path).read_settings()


def test_a_reader_needs_no_lock(folder: RunWriter) -> None:
    folder.write_part(0, "params", tree_of(3, 2))
    params = RunFiles(folder.path).read_part(0, "params", tree_of(3, 2))
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(params))
