"""A full disk gives one sentence, and everything saved before stays."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import command
from arlbench.autorl import Checkpointer
from arlbench.errors import CheckpointError
from probes import same_bits, small_dqn, small_state

pytestmark = pytest.mark.stress

N_BYTES = 4 * 2**20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={N_BYTES}", "tmpfs", str(path)]
    if shutil.which("mount") is None:
        pytest.skip("the command mount is missing")
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting is not permitted: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", str(path)], check=True)


def fill(disk: Path, leave: int = 0) -> Path:
    """Fills the disk with a file, except for some bytes."""
    filler, system = disk / "filler", os.statvfs(disk)
    filler.write_bytes(bytes(system.f_bavail * system.f_frsize - leave))
    return filler


# From 0 bytes to almost all of the 40 KB that a checkpoint needs.
@pytest.mark.parametrize("leave", [0, 4096, 8192, 16384, 32768])
@pytest.mark.parametrize("background", [False, True])
def test_saving_is_one_error_and_the_checkpoint_before_it_stays(
    leave: int, background: bool, disk: Path
) -> None:
    dqn = small_dqn()
    state = small_state(dqn)
    checkpointer = Checkpointer(disk / "checkpoints", background=background)
    checkpointer.save(dqn, state)
    checkpointer.wait()
    before = sorted((disk / "checkpoints").rglob("*"))
    filler = fill(disk, leave)
    with (
        pytest.raises(CheckpointError, match=r"could not be written \(No space left on device\)"),
        checkpointer,  # which waits at the end
    ):
        checkpointer.save(dqn, state)
    assert sorted((disk / "checkpoints").rglob("*")) == before
    loaded = Checkpointer.load(disk / "checkpoints", dqn)
    assert same_bits(loaded.state, state)
    assert loaded.notes == ()
    filler.unlink()
    checkpointer.save(dqn, state)
    checkpointer.wait()
    assert Checkpointer.load(disk / "checkpoints", dqn).path.name == "checkpoint-000002"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A run with enough room."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert command.finish(*command.WORDS, "--out", folder)[0] == 0
    return folder


def complaints(said: str) -> list[str]:
    """The sentences about faults; asserts that the output has nothing else."""
    assert "Traceback" not in said
    assert "Exception" not in said
    return [line for line in said.splitlines() if line.startswith(("note:", "error:"))]


def test_a_run_goes_on_where_its_checkpoints_find_no_room(disk: Path, whole: Path) -> None:
    # 50,000 rows of 45 bytes and a tree fit once; a second checkpoint does not fit next to them.
    folder = disk / "run"
    status, said = command.finish(*command.WORDS, "--out", folder, "--checkpoint-every", "0.2")
    assert status == 0, said
    notes = complaints(said)
    assert notes
    assert all("No space left on device" in note for note in notes)
    assert command.outcome(folder) == command.outcome(whole)
    assert command.read_every_checkpoint(folder) >= 1
    assert command.leftovers(folder) == []
    print(f"\n{len(notes)} checkpoints found no room; the run ended like one that had it")


def test_a_run_whose_results_find_no_room_ends_with_one_sentence(disk: Path, whole: Path) -> None:
    folder = disk / "run"
    process = command.begin(*command.WORDS, "--out", folder, "--checkpoint-every", "0.2")
    while not any(command.newest(folder)) and process.poll() is None:
        time.sleep(0.01)
    assert process.poll() is None
    filler = fill(disk)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 2, said
    errors = [line for line in complaints(said) if line.startswith("error:")]
    assert len(errors) == 1
    assert "cannot be written (No space left on device)" in errors[0]
    n_checkpoints = command.read_every_checkpoint(folder)
    assert n_checkpoints >= 1
    assert command.leftovers(folder) == []
    filler.unlink()
    status, said = command.finish("--resume", folder, "--checkpoint-every", "0", "--keep", "1")
    assert status == 0, said
    assert command.outcome(folder) == command.outcome(whole)
    print(f"\nended with: {errors[0]}\nand continued from one of {n_checkpoints} checkpoints")


def test_a_run_that_finds_no_room_to_begin_ends_with_one_sentence(disk: Path) -> None:
    fill(disk)
    status, said = command.finish(*command.WORDS, "--out", disk / "run")
    assert status == 2
    assert len(complaints(said)) == 1
    assert os.strerror(errno.ENOSPC) in said
