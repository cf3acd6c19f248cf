"""Checkpoints that travel arrive whole, or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arlbench.core.checkpoints import (
    CheckpointFolder,
    newest_in,
    read_checkpoint,
    write_checkpoint,
)
from arlbench.errors import CheckpointError
from arlbench.population import MemberSaving, travelling
from arlbench.population.handover import Handover
from arlbench.population.travelling import BEGIN, END, SAVING, Lodging, Parcel, keep, sent_with


class Task:
    """What is read of a task."""

    def __init__(self, handover: Handover = Handover(), saving: MemberSaving | None = None) -> None:  # noqa: B008
        self.handover, self.saving = handover, saving

    def _replace(self, **changed: Any) -> Any:
        return Task(**{"handover": self.handover, "saving": self.saving, **changed})


def write(folder: Path, value: float, **settings: Any) -> Path:
    """Writes the next checkpoint of a folder: an array of one value."""
    of_all = CheckpointFolder(folder, **settings)
    path = of_all.next_path()
    of_all.write(path, {"part": {"x": np.full(3, value)}}, {"value": value})
    return path


def value_of(path: Path) -> float:
    parts, manifest = read_checkpoint(path, {"part": None})
    assert manifest.info["value"] == parts["part"]["x"][0]
    return float(manifest.info["value"])


@pytest.fixture
def abroad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files of the other machine."""
    folder = tmp_path / "abroad"
    folder.mkdir()
    monkeypatch.setattr(travelling.tempfile, "gettempdir", lambda: str(folder))
    return folder


def test_only_the_newest_checkpoints_are_sent(tmp_path: Path) -> None:
    write(tmp_path / "begin", 1.0)
    write(tmp_path / "begin", 2.0)
    begin, end, saved = tmp_path / "begin", tmp_path / "end", tmp_path / "saved"
    parcels = sent_with(Task(Handover(begin, None, end), MemberSaving(saved)))
    assert [(parcel.purpose, parcel.name) for parcel in parcels] == [(BEGIN, "checkpoint-000002")]


def test_a_member_finds_them_abroad_and_sends_back_what_it_writes(tmp_path, abroad) -> None:
    write(tmp_path / "begin", 1.0)
    write(tmp_path / "saved", 2.0)
    handover = Handover(begin=tmp_path / "begin", end=tmp_path / "end")
    task = Task(handover, MemberSaving(tmp_path / "saved", 5.0, keep=2))
    lodging = Lodging(task, sent_with(task))
    there = lodging.task
    assert there.saving.every_seconds == 5.0
    assert abroad in there.handover.begin.parents
    assert value_of(newest_in(there.handover.begin)[0]) == 1.0
    assert newest_in(there.saving.folder) == (there.saving.folder / "checkpoint-000001", "")
    assert lodging.news() == []

    for value in (3.0, 4.0):
        write(there.saving.folder, value)
        (parcel,) = lodging.news()
        assert lodging.news() == []
        keep(parcel, task)
    write(there.handover.end, 9.0)
    (last,) = lodging.news()
    keep(last, task)
    kept = sorted(path.name for path in (tmp_path / "saved").glob("checkpoint-*"))
    assert kept == ["checkpoint-000002", "checkpoint-000003"]
    assert value_of(newest_in(tmp_path / "saved")[0]) == 4.0
    assert newest_in(tmp_path / "end") == (tmp_path / "end" / "checkpoint-000001", "")
    assert value_of(newest_in(tmp_path / "end")[0]) == 9.0
    lodging.close()
    assert list(abroad.iterdir()) == []


def test_a_state_that_is_left_twice_is_kept_once(tmp_path: Path) -> None:
    """A worker died after it had left its state, and before its result arrived."""
    task = Task(Handover(end=tmp_path / "end"))
    for value in (1.0, 2.0):
        path = write(tmp_path / f"of-worker-{value}", value)
        keep(Parcel(END, path.name, travelling.checkpoints.packed(path)), task)
    assert [p.name for p in (tmp_path / "end").glob("checkpoint-*")] == ["checkpoint-000002"]
    assert value_of(tmp_path / "end" / "checkpoint-000002") == 2.0


def full(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch) -> None:
    path = write(tmp_path / "there", 1.0)
    parcel = Parcel(SAVING, path.name, travelling.checkpoints.packed(path))
    task = Task(saving=MemberSaving(tmp_path / "here"))
    keep(parcel, task)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"checkpoint-000002 could not be .*No space left"):
        keep(parcel, task)
    assert sorted(p.name for p in (tmp_path / "here").iterdir()) == ["checkpoint-000001", "newest"]


def test_a_worker_without_room_leaves_no_folder(tmp_path: Path, abroad: Path, monkeypatch) -> None:
    write(tmp_path / "begin", 1.0)
    task = Task(Handover(begin=tmp_path / "begin"))
    parcels = sent_with(task)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="No space left"):
        Lodging(task, parcels)
    assert list(abroad.iterdir()) == []


def test_sentences_name_the_folders_of_the_sender(tmp_path: Path, abroad: Path) -> None:
    lodging = Lodging(Task(saving=MemberSaving(tmp_path / "saved")), ())
    there = lodging.task.saving.folder / "checkpoint-000001"
    assert lodging.at_home(f"{there} is damaged.") == (
        f"{tmp_path / 'saved' / 'checkpoint-000001'} is damaged."
    )


def test_folders_of_killed_workers_are_removed(tmp_path: Path, abroad: Path) -> None:
    left, used = abroad / "arlbench-member-left", Lodging(Task(), ())
    write_checkpoint(left / "begin" / "checkpoint-000001", {}, {})
    (other,) = [path for path in abroad.iterdir() if path != left]
    for folder in (left, other):
        os.utime(folder, (0, 0))
    new = Lodging(Task(), ())
    assert not left.exists()
    assert other.exists()
    new.close()
    used.close()
    assert list(abroad.iterdir()) == []
