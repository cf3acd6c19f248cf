"""The folder of a sweep: readable while it grows, and intact even if its writer is killed.

::

    design.json               the problem, every configuration and seed, and versions
    parts/part-000001.parquet the rows of members that ended since the previous part
    sweep.lock                held by the process that trains

Every file is written under a temporary name, synced and then renamed, see
:mod:`arlbench.core.files`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from arlbench.core import files
from arlbench.core.problem import Problem
from arlbench.core.text_values import count
from arlbench.errors import ArlbenchError, StorageError
from arlbench.experiments import parts, version_1
from arlbench.experiments.experiment import Experiment, changed_versions
from arlbench.experiments.owned_folder import FolderKind
from arlbench.experiments.storage import Storage
from arlbench.population import MemberResult
from arlbench.population.members import MemberId

_DESIGN = "design.json"

_KIND = FolderKind(
    noun="sweep",
    file=_DESIGN,
    command="sweep",
    lock="sweep.lock",
    busy="is training",
    another="another --out",
    kept="Everything written before is intact.",
    inside=parts.FOLDER,
)

#: A part is written when this many members have ended…
MEMBERS_A_PART = 256

#: …or when this many seconds have passed since the first of them ended.
SECONDS_A_PART = 2.0

# Long sweeps write less often, to avoid thousands of parts. If they are killed, at most this
# fraction of their time is lost.
_SHARE_A_PART = 0.01


class SweepFolder(Storage):
    """An experiment in a folder, written by one process; others may read it at the same time.

    Args:
        path: The folder, which is created if it does not exist. If it holds an experiment with
            the same problem, that experiment continues, with the new configurations and seeds.
        experiment: The experiment to train.
        members_a_part: Write a part when this many members have ended.
        seconds_a_part: Or when this many seconds have passed since the first of them ended.

    Attributes:
        path: The folder.
        notes: Sentences about what was added, and about versions that have changed.

    Raises:
        StorageError: If the folder cannot be written, holds something else, an experiment with
            another problem or one of a newer version, or if another process writes it.
    """

    def __init__(
        self,
        path: str | Path,
        experiment: Experiment,
        *,
        members_a_part: int = MEMBERS_A_PART,
        seconds_a_part: float = SECONDS_A_PART,
    ) -> None:
        path = self.path = Path(path)
        self._members_a_part = members_a_part
        self._seconds_a_part = seconds_a_part
        self._ended: list[MemberResult] = []
        self._mutex = threading.RLock()
        self._timer: threading.Timer | None = None
        self._begun_at = time.monotonic()
        self._closed = False
        self._error: StorageError | None = None
        _KIND.make(path)
        self._lock = _KIND.hold(path)
        try:
            for folder in (path, path / parts.FOLDER):
                files.remove_leftovers(folder)
            self._owner, self.notes = _continued(path, experiment)
            self._next = max((number for number, _ in parts.numbered(path)), default=0) + 1
            self._kept = parts.kept_members(path, self._owner)
        except BaseException:
            self._lock.release()
            raise
        self.experiment = self._owner.experiment

    def missing(self) -> list[MemberId]:
        return [member for member in self.experiment.members if member not in self._kept]

    def rows(self) -> pa.Table:
        return parts.read_all(parts.numbered(self.path), self._owner)

    def add(self, result: MemberResult) -> None:
        with self._mutex:
            if self._closed:
                raise StorageError(f"The sweep in {self.path} was closed; open it again.")
            self._ended.append(result)
            if self._error is not None:
                raise self._error
            if len(self._ended) >= self._members_a_part:
                self.flush()
            elif self._timer is None:
                elapsed = time.monotonic() - self._begun_at
                seconds = max(self._seconds_a_part, _SHARE_A_PART * elapsed)
                self._timer = threading.Timer(seconds, self._flush_in_time)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        with self._mutex:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            # Try again after an error: the disk may have room by now.
            self._error = None
            if not self._ended:
                return
            part = parts.path_of(self.path, self._next)
            try:
                parts.write(part, self.experiment, self._ended)
            except OSError as error:
                raise _KIND.unwritable(part.parent, error) from error
            self._kept |= {result.id for result in self._ended}
            self._ended = []
            self._next += 1

    def close(self) -> None:
        try:
            self.flush()
        finally:
            self._closed = True
            self._lock.release()

    def _flush_in_time(self) -> None:
        with self._mutex:
            try:
                self.flush()
            except StorageError as error:
                # Nobody catches errors of this thread; the next call reports them.
                self._error = error


def is_sweep(path: str | Path) -> bool:
    """Whether a folder belongs to a sweep."""
    return (Path(path) / _DESIGN).exists()


def read_experiment(path: str | Path) -> Experiment:
    """The experiment in a folder.

    Raises:
        StorageError: If it does not exist, is damaged, or was written by a newer version.
    """
    return _read_owner(Path(path)).experiment


def read_rows(path: str | Path) -> pa.Table:
    """All rows of an experiment in order, even while it grows.

    Raises:
        StorageError: If it does not exist, or one of its files is damaged.
    """
    # Parts are listed first: rows that are added to the experiment meanwhile are in later parts.
    folder = Path(path)
    listed = parts.numbered(folder)
    return parts.read_all(listed, _read_owner(folder))


def _read_owner(path: Path) -> parts.Owner:
    file = path / _DESIGN
    try:
        return _owner_of(file, json.loads(file.read_text()))
    except FileNotFoundError:
        raise _KIND.missing(path) from None
    except StorageError:
        raise
    except ArlbenchError as error:
        raise StorageError(f"{file} cannot be used here: {error}") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StorageError(
            f"{file} is damaged ({error}); start the sweep in another folder."
        ) from error


def _owner_of(file: Path, content: Mapping[str, Any]) -> parts.Owner:
    """The experiment in a ``design.json`` of any version."""
    is_old = "format_version" not in content
    version = int(content["schema_version" if is_old else "format_version"])
    parts.check_version(file, version)
    problem = (
        version_1.problem_of_design(content) if is_old else Problem.from_mapping(content["problem"])
    )
    names = {name: None for config in content["configs"] for name in config}
    parts.check_names(file, names, problem)
    if is_old:
        experiment = version_1.experiment_of_design(content)
        return parts.Owner(experiment, version_1.design_fingerprint(content))
    return parts.Owner(Experiment.from_mapping(content))


def _continued(path: Path, asked: Experiment) -> tuple[parts.Owner, list[str]]:
    """The experiment in the folder, written again if it was extended, and notes.

    It is extended by the configurations and seeds of ``asked`` that it does not have yet.
    """
    if not is_sweep(path):
        _write_design(path, asked)
        return parts.Owner(asked), []
    owner = _read_owner(path)
    found = owner.experiment
    if difference := found.first_difference(asked):
        raise StorageError(
            f"The folder {path} holds another sweep: {difference}; choose another --out, or give "
            "the settings that it began with."
        )
    notes = [changed_versions(found.versions, asked.versions)]
    grown = found.grown_by(asked)
    if grown is not found:
        if found.format_version == version_1.FORMAT_VERSION:
            raise StorageError(
                f"The sweep in {path} was started by an older version, which counted timesteps in "
                "another way: it can be finished but not extended; choose another --out."
            )
        _write_design(path, grown)
        notes.append(_growth(found, grown))
    return owner._replace(experiment=grown), [note for note in notes if note]


def _growth(before: Experiment, after: Experiment) -> str:
    """A sentence about the additions."""
    added = {
        "configuration": len(after.configs) - len(before.configs),
        "seed": len(after.seeds) - len(before.seeds),
    }
    words = [count(n, noun) for noun, n in added.items() if n]
    was = "was" if sum(added.values()) == 1 else "were"
    return (
        f"{' and '.join(words)} {was} added to the sweep, which now has {after.n_members} "
        "training runs."
    )


def _write_design(path: Path, experiment: Experiment) -> None:
    try:
        files.write(path / _DESIGN, experiment.to_json())
    except OSError as error:
        raise _KIND.unwritable(path, error) from error
