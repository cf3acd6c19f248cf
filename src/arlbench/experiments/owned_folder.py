"""Makes and locks folders that one process writes, and words the errors about them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import NamedTuple

import filelock

from arlbench.core import files
from arlbench.errors import StorageError


def resume_command(command: str, path: Path) -> str:
    """The command that continues what a folder holds.

    Args:
        command: What began it: ``train``, ``sweep`` or ``tune``.
        path: The folder.
    """
    return shlex.join(["arlbench", command, "--resume", str(path)])


class FolderKind(NamedTuple):
    """A kind of folder, and the words for it in error messages.

    Attributes:
        noun: What such a folder holds.
        file: The name of the file that every such folder has.
        command: The command that makes such folders, such as ``train``.
        lock: The name of the lock file that the writing process holds.
        busy: The verb for what the writing process does, such as ``is training``.
        another: What to choose instead of a folder that cannot be used.
        kept: A sentence about what a failed write leaves intact.
        inside: The name of a folder that is made in it; empty for none.
        error: The class of the errors.
    """

    noun: str
    file: str
    command: str
    lock: str
    busy: str
    another: str
    kept: str
    inside: str = ""
    error: type[StorageError] = StorageError

    def make(self, path: Path) -> None:
        """Makes the folder, unless it holds something else.

        Raises:
            StorageError: If it holds something else, or cannot be written.
        """
        own = {self.lock, files.aside(path / self.file).name} | ({self.inside} - {""})
        try:
            path.mkdir(parents=True, exist_ok=True)
            names = {entry.name for entry in path.iterdir()}
            foreign = names - own or (self.inside and any((path / self.inside).glob("[!.]*")))
            if self.file not in names and foreign:
                raise self.error(
                    f"The folder {path} already holds something that is not a {self.noun}; choose "
                    f"{self.another}."
                )
            if self.inside:
                (path / self.inside).mkdir(exist_ok=True)
        except StorageError:
            raise
        except OSError as error:
            raise self.unwritable(path, error) from error
        if not os.access(path, os.W_OK):
            raise self.error(f"The folder {path} cannot be written; choose {self.another}.")

    def hold(self, path: Path) -> filelock.BaseFileLock:
        """Holds the folder until the lock is released, or this process ends.

        Raises:
            StorageError: If another process holds it, or it cannot be written.
        """
        try:
            return files.hold(path / self.lock)
        except BlockingIOError:
            raise self.error(
                f"Another process {self.busy} the {self.noun} in {path}; wait for it, or choose "
                f"{self.another}."
            ) from None
        except OSError as error:
            raise self.unwritable(path, error) from error

    def missing(self, path: Path) -> StorageError:
        """The error for a folder that does not exist or holds something else."""
        fault = "does not exist"
        if path.exists():
            fault = f"is not the folder of a {self.noun}, because it has no {self.file}"
        return self.error(
            f"{path} {fault}; give the folder that 'arlbench {self.command}' printed."
        )

    def unwritable(self, path: Path, error: OSError) -> StorageError:
        """The error for a folder in which a file could not be written."""
        return self.error(
            f"The folder {path} cannot be written ({error.strerror or error}); make room or choose "
            f"{self.another}. {self.kept}"
        )
