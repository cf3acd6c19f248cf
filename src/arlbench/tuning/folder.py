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
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from arlbench.core import files
from arlbench.core.algorithms.declarations import positive
from arlbench.core.checks import INT32_MAX, positive_whole
from arlbench.errors import ArlbenchError, ConfigurationError, StorageError
from arlbench.experiments.experiment import changed_versions, versions_now
from arlbench.experiments.owned_folder import FolderKind
from arlbench.tuning import journal, states
from arlbench.tuning.settings import FORMAT_VERSION, StudySettings

_STUDY = "study.json"

#: How folders of studies are made and held.
KIND = FolderKind(
    noun="study",
    file=_STUDY,
    command="tune",
    lock="study.lock",
    busy="works on",
    another="another one",
    kept="Everything written before is intact.",
)

#: The file of a folder that holds the repeats of a study.
REPEATS = "repeats.json"

#: The limits of a study, as the fields of :class:`Budget` are called.
Limit = Literal["trials", "timesteps", "seconds"]


@dataclasses.dataclass(frozen=True)
class Budget:
    """The limits of a study, which is finished when it reaches any of them.

    Attributes:
        trials: The number of trials; None means no limit.
        timesteps: Environment steps of training, over all trials and seeds.
        seconds: Seconds of work; pauses do not count.
        test_seeds: The seeds of the test at the end; None in studies that did not record them.
        test_last: Whether only the last incumbent is tested.
        state_limit_gib: How much the states of trials may take on disk.
        memory_limit_gib: The memory limit of each member.
    """

    trials: int | None = None
    timesteps: int | None = None
    seconds: float | None = None
    test_seeds: tuple[int, ...] | None = None
    test_last: bool = False
    state_limit_gib: float = 20.0
    memory_limit_gib: float = 4.0

    def __post_init__(self) -> None:
        """Checks the limits.

        Raises:
            ConfigurationError: If a limit is not positive and finite.
        """
        # All trials together may have more steps than the counters of one agent can hold.
        for name, at_most in (("trials", INT32_MAX), ("timesteps", None)):
            if (given := getattr(self, name)) is not None:
                object.__setattr__(self, name, positive_whole(f"n_{name}", given, at_most))
        if self.seconds is not None:
            object.__setattr__(self, "seconds", positive("seconds", self.seconds))
        if self.test_seeds is not None:
            # Files have lists.
            object.__setattr__(self, "test_seeds", tuple(self.test_seeds))

    @property
    def unlimited(self) -> bool:
        """Whether only the tuner ends the study."""
        return self.trials is None and self.timesteps is None and self.seconds is None

    def reached(self, trials: int, timesteps: int, seconds: float) -> Limit | None:
        """The limit that a study has reached; None if further trials may begin.

        Args:
            trials: The number of trials that it has begun.
            timesteps: The environment steps of those that have ended.
            seconds: The seconds that it has worked.
        """
        spent: dict[Limit, float] = {"timesteps": timesteps, "seconds": seconds, "trials": trials}
        limits = {name: getattr(self, name) for name in spent}
        return next(
            (name for name, limit in limits.items() if limit is not None and spent[name] >= limit),
            None,
        )


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
        ConfigurationError: If the study has more trials than the budget allows.
    """

    def __init__(self, path: Path, settings: StudySettings, budget: Budget) -> None:
        self.path = path
        _refuse_repeats(path)
        self._was_there = path.exists()
        KIND.make(path)
        self._lock = KIND.hold(path)
        try:
            files.remove_leftovers(path)
            self.settings, self.notes = _continued(path, settings)
            self.events = list(journal.events_in(path / journal.FILE))
            _require_room(path, self.events, budget)
            self._before = (path / _STUDY).read_bytes() if is_study(path) else None
            _write(path, self.settings, budget)
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

    def withdraw(self) -> None:
        """Leaves everything as it was before, because the study is refused after all."""
        if self._before is not None:
            files.write(self.path / _STUDY, self._before)
        elif self._was_there:
            for name in (_STUDY, journal.FILE, KIND.lock):
                files.remove(self.path / name)
        else:
            files.remove(self.path)

    def close(self) -> None:
        """Releases the folder, so that another process can write."""
        self._journal.close()
        self._lock.release()

    def __enter__(self) -> StudyFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_study(path: Path) -> bool:
    """Whether a folder belongs to a study."""
    return (path / _STUDY).exists()


def read_study(path: Path) -> tuple[StudySettings, Budget]:
    """The definition of the study in a folder, and its budget.

    Raises:
        StorageError: If the folder does not hold a study that can be read.
    """
    file = path / _STUDY
    try:
        content: dict[str, Any] = json.loads(file.read_text())
        version = content["format_version"]
    except (FileNotFoundError, NotADirectoryError):
        _refuse_repeats(path)
        raise KIND.missing(path) from None
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
        raise StorageError(f"{file} cannot be used here: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise StorageError(
            f"{file} is damaged ({error}); begin a study in another folder."
        ) from error


def _refuse_repeats(path: Path) -> None:
    """Raises if a folder holds the repeats of a study instead of one."""
    if (path / REPEATS).exists():
        raise StorageError(
            f"{path} holds the repeats of a study; name one of them, such as {path}/repeat-0, or "
            "continue all of them (--resume)."
        ) from None


def _require_room(path: Path, events: Iterable[journal.Event], budget: Budget) -> None:
    """Raises if a study has begun more trials than it may have."""
    n = sum(len(event.trials) for event in events if isinstance(event, journal.Asked))
    if budget.trials is not None and n > budget.trials:
        raise ConfigurationError(
            f"The study in {path} has {n} trials already, so it cannot be limited to "
            f"{budget.trials}; allow {n} or more."
        )


def _continued(path: Path, settings: StudySettings) -> tuple[StudySettings, list[str]]:
    """The study as it was begun, and notes."""
    if not is_study(path):
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
        raise KIND.unwritable(path, error) from error


def states_of(path: Path, limit_gib: float) -> states.States:
    """The states in the folder of a study."""
    return states.States(path / states.FOLDER, limit_gib * 2**30)
