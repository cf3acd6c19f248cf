"""The folder of a study that is repeated with several seeds of its tuner.

::

    repeats.json   how many repeats there are
    repeat-0/      the study with the first seed of the tuner
    repeat-1/      the same study with the next seed
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Literal

from arlbench.core import files
from arlbench.errors import StorageError
from arlbench.experiments.owned_folder import FolderKind
from arlbench.tuning.folder import REPEATS
from arlbench.tuning.loop import StudyOutcome

_FORMAT_VERSION = 1

#: How folders of repeats are made and held.
KIND = FolderKind(
    noun="repeated study",
    file=REPEATS,
    command="tune",
    lock="repeats.lock",
    busy="works on",
    another="another one",
    kept="Everything written before is intact.",
)


@dataclasses.dataclass(frozen=True)
class RepeatedOutcome:
    """What is known about a repeated study.

    Attributes:
        folder: The folder of all repeats.
        n_repeats: The number of repeats that are planned.
        outcomes: The outcome of each repeat that was begun, in order.
    """

    folder: Path
    n_repeats: int
    outcomes: tuple[StudyOutcome, ...]

    @property
    def status(self) -> Literal["finished", "interrupted"]:
        """Whether it can be continued."""
        ended = [outcome for outcome in self.outcomes if outcome.status == "finished"]
        return "finished" if len(ended) == self.n_repeats else "interrupted"

    @property
    def trained_anything(self) -> bool:
        """Whether a trial of any repeat ended or was tested in this call."""
        return any(outcome.trained_anything for outcome in self.outcomes)


def folder_of(path: str | Path, index: int) -> Path:
    """The folder of a repeat."""
    return Path(path) / f"repeat-{index}"


def is_repeated(path: str | Path) -> bool:
    """Whether a folder holds the repeats of a study."""
    return (Path(path) / REPEATS).exists()


def read_number(path: Path) -> int:
    """How many repeats are planned in a folder.

    Raises:
        StorageError: If the folder holds no repeats, or the file cannot be read.
    """
    file = path / REPEATS
    try:
        content = json.loads(file.read_text())
        version, n = int(content["format_version"]), int(content["repeats"])
    except FileNotFoundError:
        raise StorageError(f"{path} holds no repeats of a study: it has no {REPEATS}.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{file} is damaged ({type(error).__name__}); give the whole command again, with "
            "another folder."
        ) from error
    if version > _FORMAT_VERSION:
        raise StorageError(
            f"{file} has the format {version}, and this version of arlbench reads up to "
            f"{_FORMAT_VERSION}; install a newer one."
        )
    return n


def number_before(path: Path, n: int) -> int:
    """How many repeats were planned; 0 if the folder is new.

    Raises:
        StorageError: If there were more than ``n``.
    """
    before = read_number(path) if is_repeated(path) else 0
    if before > n:
        raise StorageError(
            f"The folder {path} holds {before} repeats; repeat the study {before} times or more, "
            "or choose another folder."
        )
    return before


def write_number(path: Path, n: int) -> None:
    """Writes how many repeats are planned.

    Raises:
        StorageError: If it cannot be written.
    """
    content = {"format_version": _FORMAT_VERSION, "repeats": n}
    try:
        files.write(path / REPEATS, f"{json.dumps(content)}\n")
    except OSError as error:
        raise KIND.unwritable(path, error) from error
