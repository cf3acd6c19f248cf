"""Files that are always complete or absent, even if their writer is killed.

A file is written under a temporary name, synced and then renamed, and its folder is synced. A file
or folder whose name begins with a dot and ends in ``.part`` or ``.old`` is being written or
removed. If its writer is killed, it stays, and the next writer removes it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import filelock

_ASIDE = re.compile(r"\..*\.(part|old)")


def write(path: Path, content: str | bytes) -> None:
    """Writes a complete file; if this fails, ``path`` stays as it was.

    Raises:
        OSError: If it cannot be written.
    """
    whole = content.encode() if isinstance(content, str) else content
    write_with(path, lambda file: file.write(whole))


def write_with(path: Path, write_to: Callable[[BinaryIO], object]) -> None:
    """Writes a complete file, with a function that writes the content to an open file.

    Raises:
        OSError: If it cannot be written.
    """
    beside = aside(path)
    try:
        with beside.open("wb") as file:
            write_to(file)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync(path.parent)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


def aside(path: Path, ending: str = "part") -> Path:
    """The path of a file or folder while it is written (``part``) or removed (``old``)."""
    return path.with_name(f".{path.name}.{ending}")


def is_aside(path: Path) -> bool:
    """Whether :func:`aside` makes names like this one."""
    return _ASIDE.fullmatch(path.name) is not None


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Removes a file, or a folder with its contents, if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Removes what a killed writer left in a folder, if the folder exists."""
    if folder.is_dir():
        for entry in list(folder.iterdir()):
            if is_aside(entry):
                remove(entry)


def hold(path: Path) -> filelock.BaseFileLock:
    """Locks a file; the system releases the lock when this process ends, however it ends.

    Raises:
        BlockingIOError: If another process holds the lock.
        OSError: If the file cannot be written.
    """
    lock = filelock.FileLock(path, blocking=False, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise BlockingIOError(f"Another process holds {path}.") from None
    return lock


@contextlib.contextmanager
def alone(path: Path, patience_seconds: float = -1) -> Iterator[bool]:
    """Locks a file within this context, and yields whether that was possible.

    Args:
        path: The file.
        patience_seconds: How long to wait for another process that holds the lock before continuing
            without it; a negative number waits until it is released.
    """
    is_held = False
    with contextlib.ExitStack() as stack:
        # A folder may be read-only, and older versions of filelock raise the second error on a
        # file system without locks.
        with contextlib.suppress(OSError, NotImplementedError):
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(filelock.FileLock(path, timeout=patience_seconds))
            is_held = True
        yield is_held


def next_folder(parent: Path, name: str) -> Path:
    """The first of ``NAME-001``, ``NAME-002``, … that does not exist yet."""
    slug = "".join(c if c.isalnum() or c in "-_." else "-" for c in name)
    number = 1
    while (parent / f"{slug}-{number:03d}").exists():
        number += 1
    return parent / f"{slug}-{number:03d}"
