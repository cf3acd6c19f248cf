"""Checkpoints of members that train on other machines, where the folders do not exist.

The process that writes the folders sends the checkpoints from which a member begins. The other
machine unpacks them into a temporary folder, in which the member trains as if it were at home. The
checkpoints that the member writes are sent back to the folders to which they belong.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from arlbench.core import checkpoints, files
from arlbench.core.checkpoints import CheckpointFolder
from arlbench.errors import CheckpointError
from arlbench.population.handover import Handover
from arlbench.population.members import MemberTask

#: The folders of a task, by what they are for. Each holds numbered checkpoints.
BEGIN, NETWORK, END, SAVING = "begin", "network", "end", "saving"

_TO_THE_WORKER = (BEGIN, NETWORK, SAVING)
_FROM_THE_WORKER = (END, SAVING)

_PREFIX = "arlbench-member-"
_LOCK = ".lock"

# An unlocked folder is left over, unless it is so new that its process has not locked it yet.
_LEFT_OVER_SECONDS = 60.0


class Parcel(NamedTuple):
    """A checkpoint on its way to another machine.

    Attributes:
        purpose: Which of the task's folders it is from, or for.
        name: Its name in the folder of the sender.
        content: The packed checkpoint.
    """

    purpose: str
    name: str
    content: bytes


def sent_with(task: MemberTask) -> tuple[Parcel, ...]:
    """The checkpoints with which a member begins.

    Raises:
        CheckpointError: If one cannot be read.
    """
    folders = _folders_of(task)
    found = ((name, _newest(folders.get(name))) for name in _TO_THE_WORKER)
    return tuple(Parcel(name, path.name, checkpoints.packed(path)) for name, path in found if path)


def keep(parcel: Parcel, task: MemberTask) -> None:
    """Writes a checkpoint of a member that trains elsewhere to the folder to which it belongs.

    Raises:
        CheckpointError: If it cannot be written; earlier ones are untouched.
    """
    n_kept = task.saving.keep if parcel.purpose == SAVING and task.saving else 1
    folder = CheckpointFolder(_folders_of(task)[parcel.purpose], n_kept)
    folder.unpack(folder.next_path(), parcel.content)


class Lodging:
    """A temporary folder for the checkpoints of one member; it is removed at the end.

    Args:
        task: The member's task, with the folders of the sender.
        parcels: What was sent with it.

    Attributes:
        task: The task, with folders in the temporary one.

    Raises:
        CheckpointError: If it cannot be written.
    """

    def __init__(self, task: MemberTask, parcels: tuple[Parcel, ...]) -> None:
        parent = Path(tempfile.gettempdir())
        _remove_leftovers(parent)
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            self._lock = files.hold(self._folder / _LOCK)
        except OSError as error:
            raise CheckpointError(
                f"A worker cannot write to {parent} ({error.strerror or error}); make room there."
            ) from error
        self._at_home = _folders_of(task)
        self._here = {name: self._folder / name for name in self._at_home}
        self._known = {parcel.purpose: parcel.name for parcel in parcels}
        self.task = self._moved(task)
        try:
            for parcel in parcels:
                folder = CheckpointFolder(self._here[parcel.purpose])
                folder.unpack(folder.path / parcel.name, parcel.content)
        except BaseException:
            self.close()
            raise

    def _moved(self, task: MemberTask) -> MemberTask:
        here, saving = self._here, task.saving
        return task._replace(
            handover=Handover(here.get(BEGIN), here.get(NETWORK), here.get(END)),
            saving=None if saving is None else saving._replace(folder=here[SAVING]),
        )

    def news(self) -> list[Parcel]:
        """What the member has written since the last call, if it is complete."""
        found: list[Parcel] = []
        for name in _FROM_THE_WORKER:
            # A checkpoint may be removed while it is packed, because a newer one is complete.
            with contextlib.suppress(CheckpointError):
                path = _newest(self._here.get(name))
                if path is not None and self._known.get(name) != path.name:
                    found.append(Parcel(name, path.name, checkpoints.packed(path)))
                    self._known[name] = path.name
        return found

    def at_home(self, sentence: str) -> str:
        """A sentence with the folders of the sender in place of temporary ones."""
        for name, here in self._here.items():
            sentence = sentence.replace(str(here), str(self._at_home[name]))
        return sentence

    def close(self) -> None:
        """Removes everything."""
        self._lock.release()
        with contextlib.suppress(OSError):
            files.remove(self._folder)


def _folders_of(task: MemberTask) -> Mapping[str, Path]:
    handover = task.handover
    named = {BEGIN: handover.begin, NETWORK: handover.network, END: handover.end}
    named[SAVING] = None if task.saving is None else task.saving.folder
    return {name: Path(folder) for name, folder in named.items() if folder is not None}


def _newest(folder: Path | None) -> Path | None:
    found = None if folder is None else checkpoints.newest_in(folder)
    return None if found is None else found[0]


def _remove_leftovers(parent: Path) -> None:
    """Removes the folders of workers that were killed."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > _LEFT_OVER_SECONDS:
                files.hold(folder / _LOCK).release()
                files.remove(folder)
