"""The folder of a run: never overwritten, complete files, one writer at a time."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.core import files
from arlbench.core.environments import EnvSpec
from arlbench.errors import RunFolderError
from arlbench.experiments.run_settings import RunSettings, resolve
from arlbench.experiments.run_writer import RunWriter


@pytest.fixture(scope="module")
def settings() -> RunSettings:
    return resolve(EnvSpec("gymnax", "CartPole-v1", 4), {}, first_seed=7, n_total_timesteps=10_000)


class RunWriterAt:
    """A writer that is closed at the end."""

    def __init__(self, path: Path, settings: RunSettings | None = None) -> None:
        self._writer = RunWriter(path, settings)

    def __enter__(self) -> RunWriter:
        return self._writer

    def __exit__(self, *_: object) -> None:
        self._writer.close()


def test_an_empty_folder_is_used_and_a_full_one_refused(
    settings: RunSettings, tmp_path: Path
) -> None:
    RunWriter(tmp_path, settings).close()
    assert {path.name for path in tmp_path.iterdir()} == {"settings.json", "run.lock"}
    with pytest.raises(RunFolderError, match="already holds a run; choose another --out"):
        RunWriter(tmp_path, settings)
    with RunWriterAt(tmp_path) as again:
        assert again.settings == settings


def test_a_folder_with_something_else_is_left_alone(settings: RunSettings, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunFolderError, match="already holds something that is not a run"):
        RunWriter(tmp_path, settings)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_start_that_failed_leaves_a_folder_that_can_be_used(
    settings: RunSettings, tmp_path: Path, monkeypatch
) -> None:
    """The disk is full when the settings are written; then there is room, or it is killed again."""
    folder = tmp_path / "run"
    with monkeypatch.context() as patched:
        patched.setattr(RunSettings, "to_json", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            RunWriter(folder, settings)
    assert [path.name for path in folder.iterdir()] == ["run.lock"]
    (folder / ".settings.json.part").write_text("half")
    RunWriter(str(folder), settings).close()
    assert {path.name for path in folder.iterdir()} == {"settings.json", "run.lock"}
    with RunWriterAt(folder) as again:
        assert again.settings == settings


def test_one_process_writes_at_a_time(settings: RunSettings, tmp_path: Path) -> None:
    with (
        RunWriterAt(tmp_path, settings),
        pytest.raises(RunFolderError, match="Another process is training the run in"),
    ):
        RunWriter(tmp_path)
    RunWriter(tmp_path).close()


def test_a_folder_without_a_run_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(
        RunFolderError, match=r"not the folder of a run, because it has no settings\.json; give the"
    ):
        RunWriter(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_removed(settings: RunSettings, tmp_path: Path) -> None:
    RunWriter(tmp_path, settings).close()
    # The temporary names of this version and of version 1.
    for name in (".evaluations.csv.part", "summary.json.part"):
        (tmp_path / name).write_text("half")
    RunWriter(tmp_path).close()
    assert {path.name for path in tmp_path.iterdir()} == {"settings.json", "run.lock"}


def test_evaluations_are_one_row_per_episode(settings: RunSettings, tmp_path: Path) -> None:
    with RunWriterAt(tmp_path / "run", settings) as folder:
        folder.write_evaluations({7: np.array([[1.0, 2.5], [3.0, 4.0]])}, np.array([96, 200, 296]))
    lines = (tmp_path / "run" / "evaluations.csv").read_text().splitlines()
    assert lines == [
        "seed,evaluation,timesteps,episode,episode_return",
        "7,1,96,0,1.0",
        "7,1,96,1,2.5",
        "7,2,200,0,3.0",
        "7,2,200,1,4.0",
    ]


def test_returns_come_back_to_the_bit(settings: RunSettings, tmp_path: Path) -> None:
    returns = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    with RunWriterAt(tmp_path / "run", settings) as folder:
        folder.write_evaluations({7: returns, 8: returns[:0]}, np.arange(3))
        read = folder.read_evaluations()
    assert list(read) == [7]
    assert read[7].dtype == np.float32
    np.testing.assert_array_equal(read[7], returns)


def test_parts_are_named_by_their_path(settings: RunSettings, tmp_path: Path) -> None:
    with RunWriterAt(tmp_path, settings) as folder:
        folder.write_part(3, "params", {"params": {"out": {"bias": np.arange(2.0)}}})
        folder.write_part(3, "normalizer_state", {"mean": np.zeros(1)})
        with np.load(tmp_path / "params-seed-3.npz") as saved:
            np.testing.assert_array_equal(saved["params/out/bias"], [0.0, 1.0])
        assert (tmp_path / "normalizer-seed-3.npz").exists()
        folder.remove_parts(3)
    assert {p.name for p in tmp_path.iterdir()} == {"settings.json", "run.lock"}


@pytest.mark.parametrize(("n_failures", "fails"), [(3, False), (99, True)])
def test_a_result_that_finds_no_room_is_tried_again_for_a_while(
    n_failures: int,
    fails: bool,
    settings: RunSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write, tried = files.write, []

    def full(*arguments: Any) -> None:
        tried.append(arguments)
        if len(tried) <= n_failures:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(*arguments)

    monkeypatch.setattr("arlbench.experiments.run_writer._WAIT_FOR_ROOM_SECONDS", 0.001)
    with RunWriterAt(tmp_path, settings) as folder:
        monkeypatch.setattr(files, "write", full)
        if fails:
            with pytest.raises(RunFolderError, match=r"cannot be written \(No space left"):
                folder.write_summary({"status": "finished"})
        else:
            folder.write_summary({"status": "finished"})
            assert json.loads((tmp_path / "summary.json").read_text()) == {"status": "finished"}
    assert len(tried) == min(n_failures + 1, 10)


def test_a_folder_that_cannot_be_written_is_not_tried_again(
    settings: RunSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refuse(*arguments: Any) -> None:
        tried.append(arguments)
        raise OSError(errno.EROFS, "Read-only file system")

    with RunWriterAt(tmp_path, settings) as folder:
        monkeypatch.setattr(files, "write", refuse)
        with pytest.raises(RunFolderError, match=r"Read-only file system.*another --out"):
            folder.write_summary({})
    assert len(tried) == 1
