"""Files are either complete or unchanged, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from arlbench.core import files


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_text_and_bytes_are_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write(path, "länger als vorher")
    assert path.read_text(encoding="utf-8") == "länger als vorher"
    files.write(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    files.write_with(path, lambda file: (file.write(b"a"), file.write(b"b")))
    assert path.read_bytes() == b"ab"
    assert names_in(tmp_path) == ["a.json"]


def test_the_file_and_then_its_folder_are_synced(tmp_path: Path, monkeypatch) -> None:
    synced = []
    fsync = os.fsync

    def remember(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append(("folder" if is_folder else "file", names_in(tmp_path)))
        fsync(descriptor)

    monkeypatch.setattr(files.os, "fsync", remember)
    files.write(tmp_path / "a", "content")
    # Before the name exists, and after.
    assert synced == [("file", [".a.part"]), ("folder", ["a"])]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left"), KeyboardInterrupt()])
def test_what_fails_leaves_the_file_before(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a"
    files.write(path, "before")

    def fail(file) -> None:
        file.write(b"half")
        raise error

    with pytest.raises(type(error)):
        files.write_with(path, fail)
    assert path.read_text() == "before"
    assert names_in(tmp_path) == ["a"]


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        files.write(tmp_path / "nowhere" / "a", "content")


def test_leftovers_are_known_by_their_names(tmp_path: Path) -> None:
    assert files.aside(Path("x/a.json")) == Path("x/.a.json.part")
    assert files.aside(Path("x/a"), "old") == Path("x/.a.old")
    for name in (".a.part", ".b.json.old", "a.part", ".hidden", "b.old"):
        (tmp_path / name).write_text("")
    (tmp_path / ".c.part").mkdir()
    (tmp_path / ".c.part" / "inside").write_text("")
    files.remove_leftovers(tmp_path)
    assert names_in(tmp_path) == [".hidden", "a.part", "b.old"]
    files.remove_leftovers(tmp_path / "nowhere")


def test_what_is_removed_may_be_a_file_a_folder_or_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    for name in ("folder", "file", "nothing"):
        files.remove(tmp_path / name)
    assert names_in(tmp_path) == []


HOLD = """
import sys, time
from pathlib import Path
from arlbench.core import files

lock = files.hold(Path(sys.argv[1]))
print("holding", flush=True)
time.sleep(600)
"""


def test_a_lock_is_held_until_its_process_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    words = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "holding\n"
        with pytest.raises(BlockingIOError, match=r"Another process holds .*a\.lock"):
            files.hold(path)
        process.kill()
    lock = files.hold(path)
    lock.release()
    files.hold(path).release()


def test_the_next_folder_is_the_first_that_does_not_exist(tmp_path: Path) -> None:
    assert files.next_folder(tmp_path, "CartPole-v1").name == "CartPole-v1-001"
    (tmp_path / "CartPole-v1-001").mkdir()
    (tmp_path / "CartPole-v1-003").mkdir()
    assert files.next_folder(tmp_path, "CartPole-v1").name == "CartPole-v1-002"
    assert files.next_folder(tmp_path, "ALE/Pong v5").name == "ALE-Pong-v5-001"


def test_what_is_done_alone_holds_its_file(tmp_path: Path) -> None:
    file = tmp_path / "new" / "lock"
    with files.alone(file) as is_alone:
        assert is_alone
        with pytest.raises(BlockingIOError):
            files.hold(file)
    files.hold(file).release()


def test_a_file_that_another_holds_for_too_long_is_not_waited_for(tmp_path: Path) -> None:
    held = files.hold(tmp_path / "lock")
    with files.alone(tmp_path / "lock", 0.01) as is_alone:
        assert not is_alone
    held.release()


@pytest.mark.parametrize("error", [PermissionError("read-only"), NotImplementedError("no locks")])
def test_what_cannot_be_locked_is_done_anyway(tmp_path: Path, monkeypatch, error) -> None:
    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(filelock.FileLock, "_acquire", fail)
    with files.alone(tmp_path / "lock") as is_alone:
        assert not is_alone


def test_errors_of_what_is_done_alone_are_raised(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError), files.alone(tmp_path / "lock"):
        raise NotADirectoryError
