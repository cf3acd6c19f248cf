"""A folder of checkpoints: complete or absent, numbered, pointed at, tidied."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.core import files
from arlbench.core.checkpoints import folder as module
from arlbench.core.checkpoints.folder import (
    CheckpointFolder,
    is_checkpoint,
    newest_in,
    read_checkpoint,
    read_manifest,
    write_checkpoint,
)
from arlbench.core.checkpoints.trees import write_tree
from arlbench.errors import CheckpointError

LIKE = {"a": {"x": np.float64(0)}}


def parts(value: float) -> Any:
    return {"a": {"x": np.array(value)}}


def write(folder: CheckpointFolder, value: float) -> Path:
    path = folder.next_path()
    folder.write(path, parts(value), {"value": value})
    return path


def value_in(path: Path) -> float:
    read, manifest = read_checkpoint(path, LIKE)
    assert manifest.info["value"] == float(read["a"]["x"])
    return float(read["a"]["x"])


def names_in(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_checkpoints_are_numbered_and_the_newest_is_pointed_at(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path / "checkpoints")
    assert newest_in(folder.path) is None
    assert [write(folder, x).name for x in (1.0, 2.0)] == ["checkpoint-000001", "checkpoint-000002"]
    assert names_in(folder.path) == ["checkpoint-000001", "checkpoint-000002", "newest"]
    assert (folder.path / "newest").read_text() == "checkpoint-000002\n"
    assert newest_in(folder.path) == (folder.path / "checkpoint-000002", "")
    assert [value_in(folder.path / f"checkpoint-00000{n}") for n in (1, 2)] == [1.0, 2.0]


def test_the_number_after_the_last_of_six_digits_has_seven(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    write_checkpoint(tmp_path / "checkpoint-999999", parts(1.0), {"value": 1.0})
    assert write(folder, 2.0).name == "checkpoint-1000000"
    found = newest_in(tmp_path)
    assert found is not None
    assert value_in(found[0]) == 2.0


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_no_more_than_the_newest_are_kept(keep: int, tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path, keep)
    for value in range(5):
        write(folder, value)
        kept = [f"checkpoint-{n:06d}" for n in range(1, 6) if value + 1 - keep < n <= value + 1]
        assert names_in(tmp_path) == [*kept, "newest"]


def test_a_checkpoint_is_not_written_over(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "one", parts(1.0), {"value": 1.0})
    with pytest.raises(CheckpointError, match="one could not be written"):
        write_checkpoint(tmp_path / "one", parts(2.0), {"value": 2.0})
    assert value_in(tmp_path / "one") == 1.0
    assert names_in(tmp_path) == ["one"]


@pytest.mark.parametrize("pointer", [None, "", "checkpoint-000001", "elsewhere", "\xff", "../x"])
def test_the_newest_is_found_whatever_the_pointer_says(pointer: str | None, tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    write(folder, 1.0), write(folder, 2.0)
    (tmp_path / "newest").unlink()
    if pointer is not None:
        (tmp_path / "newest").write_bytes(pointer.encode("latin-1"))
    found = newest_in(tmp_path)
    assert found is not None
    assert value_in(found[0]) == 2.0
    assert found[1].endswith("does not name the newest checkpoint; checkpoint-000002 is used.")


def test_a_pointer_to_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    shutil.rmtree(write(folder, 1.0))
    with pytest.raises(CheckpointError, match="newest names is missing"):
        newest_in(tmp_path)


def test_what_a_killed_writer_leaves_is_no_checkpoint_and_is_removed(tmp_path: Path) -> None:
    folder = CheckpointFolder(tmp_path)
    write(folder, 1.0)
    # Half written, half removed, and a pointer that was not yet renamed.
    shutil.copytree(tmp_path / "checkpoint-000001", tmp_path / ".checkpoint-000002.part")
    shutil.copytree(tmp_path / "checkpoint-000001", tmp_path / ".checkpoint-000000.old")
    (tmp_path / ".newest.part").write_text("checkpo")
    (tmp_path / "mine.txt").write_text("not a leftover")
    found = newest_in(tmp_path)
    assert found is not None
    assert found[0].name == "checkpoint-000001"
    folder.tidy()
    assert names_in(tmp_path) == ["checkpoint-000001", "mine.txt", "newest"]
    assert CheckpointFolder(tmp_path / "nowhere").tidy() is None


def test_a_writer_writes_over_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / ".checkpoint-000001.part").mkdir()
    (tmp_path / ".checkpoint-000001.part" / "a.npz").write_text("half")
    assert value_in(write(CheckpointFolder(tmp_path), 4.0)) == 4.0


def full_disk(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["write_tree", "record_of", "sync"])
def test_where_writing_fails_nothing_is_left_and_those_before_stay(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = CheckpointFolder(tmp_path, keep=1)
    write(folder, 1.0)
    before = names_in(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(files if step == "sync" else module, step, full_disk)
        with pytest.raises(CheckpointError, match=r"000002 could not be .* \(No space left on"):
            write(folder, 2.0)
    assert names_in(tmp_path) == before
    assert newest_in(tmp_path) == (tmp_path / "checkpoint-000001", "")
    assert write(folder, 3.0).name == "checkpoint-000002"


def test_where_nothing_could_point_at_a_checkpoint_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = CheckpointFolder(tmp_path)
    write(folder, 1.0)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full_disk)
        with pytest.raises(CheckpointError, match="No space left"):
            write(folder, 2.0)
    folder.tidy()
    assert names_in(tmp_path) == ["checkpoint-000001", "newest"]


def test_an_interrupted_writer_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "record_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(CheckpointFolder(tmp_path), 1.0)
    assert names_in(tmp_path) == []


def test_only_the_parts_asked_for_are_read(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "one", {**parts(1.0), "b": np.zeros(2)}, {})
    (tmp_path / "one" / "b.npz").write_text("damaged")
    assert set(read_checkpoint(tmp_path / "one", {**LIKE, "unknown": None})[0]) == {"a"}
    with pytest.raises(CheckpointError, match=r"b\.npz is damaged: it has 7 bytes, but"):
        read_checkpoint(tmp_path / "one", {"b": None})


def test_damage_is_named_by_its_kind(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "one", parts(1.0), {})
    file = tmp_path / "one" / "a.npz"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=r"a\.npz is damaged: its checksum"):
        read_checkpoint(tmp_path / "one", LIKE)
    file.unlink()
    with pytest.raises(CheckpointError, match=r"a\.npz cannot be read"):
        read_checkpoint(tmp_path / "one", LIKE)


def test_a_folder_without_a_manifest_is_no_checkpoint(tmp_path: Path) -> None:
    assert not is_checkpoint(tmp_path)
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CheckpointError, match="is not a readable checkpoint"):
            read_manifest(path)
    (tmp_path / "manifest.json").write_bytes(b"\xff\xfe")
    with pytest.raises(CheckpointError, match="is not a readable checkpoint"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"name": "a web app"}))
    with pytest.raises(CheckpointError, match="or is not the manifest of a checkpoint"):
        read_manifest(tmp_path)


def test_a_misfit_names_the_checkpoint_and_the_part(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "one", parts(1.0), {})
    with pytest.raises(CheckpointError, match=r"one: a: the leaf x has the shape \(\)"):
        read_checkpoint(tmp_path / "one", {"a": {"x": np.zeros(3)}})


def test_a_signed_checkpoint_with_an_object_in_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_object(path: Path, tree: Any) -> None:
        write_tree(path, tree)
        np.savez(path, x=np.array([print], dtype=object), __types__="{}")

    monkeypatch.setattr(module, "write_tree", write_object)
    write_checkpoint(tmp_path / "one", parts(1.0), {})
    with pytest.raises(CheckpointError, match="does not contain a tree of arrays"):
        read_checkpoint(tmp_path / "one", LIKE)
