"""The folder of a study: readable while it grows, and intact if its writer is killed.

::

    study.json      the definition (problem, space, tuner, seeds) and the budget
    journal.jsonl   trials asked for, results, and results told to the tuner
    states/         last states of trials, from which others may continue
    study.lock      held by the process that writes
"""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import filelock

from arlbench.core import files
from arlbench.core.checks import positive_whole
from arlbench.errors import ArlbenchError, ConfigurationError, StorageError
from arlbench.experiments.experiment import changed_versions, versions_now
from arlbench.tuning import journal, states
from arlbench.tuning.settings import FORMAT_VERSION, StudySettings

_STUDY, _LOCK = "study.json", "study.lock"


@dataclasses.dataclass(frozen=True)
class Budget:
    """The limits of a study, which is finished when it reaches any of them.

    Attributes:
        trials: The number of trials; None means no limit.
        timesteps: Environment steps of training, over all trials and seeds.
        seconds: Seconds of work; pauses do not count.
    """

    trials: int | None = None
    timesteps: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Checks it.

        Raises:
            ConfigurationError: If one is not positive.
        """
        for name in ("trials", "timesteps"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, positive_whole(f"n_{name}", getattr(self, name)))
        if self.seconds is not None and not self.seconds > 0:
            raise ConfigurationError(f"seconds must be above 0, not {self.seconds}.")

    @property
    def unlimited(self) -> bool:
        """Whether only the tuner ends the study."""
        return self.trials is None and self.timesteps is None and self.seconds is None


class StudyFolder:
    """A study in a folder. One process holds it; any number of others may read it meanwhile.

    Args:
        path: The folder. It is made if it does not exist; the same study in it is continued.
        settings: The definition of the study.
        budget: The limits of the study.

    Attributes:
        path: The folder.
        settings: The definition with which the study was begun.
        notes: Sentences about versions that have changed.

    Raises:
        StorageError: If the folder cannot be written, holds something else or another
            study, or if another process holds it.
    """

    def __init__(self, path: Path, settings: StudySettings, budget: Budget) -> None:
        self.path = path
        _make(path)
        self._lock = _hold(path)
        try:
            files.remove_leftovers(path)
            self.settings, self.notes = _continued(path, settings)
            _write(path, self.settings, budget)
            self.events = list(journal.events_in(path / journal.FILE))
            self._journal = journal.Journal(path / journal.FILE)
        except BaseException:
            self._lock.release()
            raise

    def append(self, event: journal.Event) -> None:
        """Writes an event into the journal.

        Raises:
            StorageError: If it cannot be written.
        """
        self._journal.append(event)

    def close(self) -> None:
        """Releases the folder, so that another process can write."""
        self._journal.close()
        self._lock.release()

    def __enter__(self) -> StudyFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_study(path: Path) -> tuple[StudySettings, Budget]:
    """The definition of the study in a folder, and its budget.

    Raises:
        StorageError: If the folder holds none, or it cannot be read.
    """
    file = path / _STUDY
    try:
        content: dict[str, Any] = json.loads(file.read_text())
        version = content["format_version"]
    except FileNotFoundError:
        raise StorageError(f"{path} is not the folder of a study: it has no {_STUDY}.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{file} is damaged ({type(error).__name__}); begin a study in another folder."
        ) from error
    if version > FORMAT_VERSION:
        raise StorageError(
            f"{file} has the format {version}, and this version of arlbench reads up to "
            f"{FORMAT_VERSION}; install a newer one."
        )
    try:
        budget = Budget(**content.pop("budget"))
        return StudySettings.from_mapping(content), budget
    except ArlbenchError as error:
        raise StorageError(f"{file} cannot be continued here: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"{file} is damaged ({error}); begin a study in another folder."
        ) from error


def _continued(path: Path, settings: StudySettings) -> tuple[StudySettings, list[str]]:
    """The study as it was begun, and notes."""
    if not (path / _STUDY).exists():
        return settings, []
    begun, _ = read_study(path)
    if difference := begun.first_difference(settings):
        raise StorageError(
            f"The folder {path} holds another study: {difference}; choose another folder."
        )
    now = versions_now(settings.problem.env_spec)
    note = changed_versions(begun.versions, now)
    return begun, [note] if note else []


def _write(path: Path, settings: StudySettings, budget: Budget) -> None:
    content = {**settings.to_mapping(), "budget": dataclasses.asdict(budget)}
    try:
        files.write(path / _STUDY, f"{json.dumps(content, indent=1)}\n")
    except OSError as error:
        raise _unwritable(path, error) from error


def _make(path: Path) -> None:
    """Makes the folder, unless it holds something that is not a study."""
    own = {_LOCK, files.aside(path / _STUDY).name}
    try:
        path.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in path.iterdir()}
    except OSError as error:
        raise _unwritable(path, error) from error
    if _STUDY not in names and names - own:
        raise StorageError(
            f"The folder {path} already holds something that is not a study; choose another one."
        )
    if not os.access(path, os.W_OK):
        raise StorageError(f"The folder {path} cannot be written; choose another one.")


def _hold(path: Path) -> filelock.BaseFileLock:
    try:
        return files.hold(path / _LOCK)
    except BlockingIOError:
        raise StorageError(
            f"Another process works on the study in {path}; wait for it, or choose another folder."
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"The folder {path} cannot be written ({error.strerror or error}); make room or choose "
        "another one. What was written before is whole."
    )


def states_of(path: Path, limit_gib: float) -> states.States:
    """The states in the folder of a study."""
    return states.States(path / states.FOLDER, limit_gib * 2**30)
