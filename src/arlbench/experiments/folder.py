"""The folder of a sweep: readable while it grows, and whole whenever its writer is killed.

::

    design.json               every configuration, seed, setting and version
    parts/part-000001.parquet the rows of trainings that ended since the part before
    sweep.lock                held by the process that trains

Every file is written aside, synced and renamed into place. A name that begins with a dot
is being written, or was when its writer was killed; the next writer removes it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
import pyarrow as pa
import pyarrow.parquet as pq

from arlbench.errors import ArlbenchError, SweepStoreError
from arlbench.sweeps.design import SCHEMA_VERSION, SweepDesign
from arlbench.sweeps.table import in_order, schema_of, table_of

if TYPE_CHECKING:
    from arlbench.population import MemberResult

_DESIGN, _PARTS, _LOCK = "design.json", "parts", "sweep.lock"
_PART = re.compile(r"part-(\d{6,})\.parquet")
_ASIDE = ".part"

#: A part is written when so many trainings have ended…
MEMBERS_A_PART = 256

#: …or when so much time has passed since the first of them did, in seconds.
SECONDS_A_PART = 2.0

# Long sweeps write less often, or reading them would mean opening thousands of parts:
# at most this share of their time is lost when they are killed.
_SHARE_A_PART = 0.01


class SweepStore:
    """The folder of one sweep, held by one process; any number may read it meanwhile.

    Args:
        path: The folder. It is made where there is none; a sweep of the same design in it
            is continued.
        design: What the sweep trains.
        members_a_part: Write a part when so many trainings have ended.
        seconds_a_part: Or when so much time has passed since the first of them.

    Raises:
        SweepStoreError: If the folder cannot be written, holds something else or a sweep
            of another design or a newer schema, or if another process holds it.
    """

    def __init__(
        self,
        path: Path,
        design: SweepDesign,
        *,
        members_a_part: int = MEMBERS_A_PART,
        seconds_a_part: float = SECONDS_A_PART,
    ) -> None:
        self.path = path
        self.design = design
        self._members_a_part = members_a_part
        self._seconds_a_part = seconds_a_part
        self._ended: list[MemberResult] = []
        self._mutex = threading.RLock()
        self._timer: threading.Timer | None = None
        self._begun_at = time.monotonic()
        self._closed = False
        self._error: SweepStoreError | None = None
        _make(path)
        self._lock = _hold(path)
        try:
            self._remove_leftovers()
            self._begun_with = _same_design(path, design)
            self._next = max((number for number, _ in _numbered(path)), default=0) + 1
            self._kept = _kept_members(path, design)
        except BaseException:
            self._lock.release()
            raise

    def versions_note(self) -> str:
        """A sentence where the sweep was begun with other packages; empty where it was not."""
        now = self.design.versions
        changed = [
            f"{name} {version} (now {now.get(name, 'absent')})"
            for name, version in self._begun_with.versions.items()
            if version != now.get(name)
        ]
        return f"Begun with {', '.join(changed)}: results may differ." if changed else ""

    def missing(self) -> list[tuple[int, int]]:
        """The trainings that are not kept yet: indices of configuration and seed."""
        return [member for member in self.design.members if member not in self._kept]

    def add(self, result: MemberResult) -> None:
        """Takes in a training that has ended; it is on disk soon.

        Raises:
            SweepStoreError: If the folder could not be written, now or since the last call.
        """
        with self._mutex:
            if self._closed:
                raise SweepStoreError(f"The sweep in {self.path} was closed; open it again.")
            self._ended.append(result)
            self._raise_error()
            if len(self._ended) >= self._members_a_part:
                self.flush()
            elif self._timer is None:
                elapsed = time.monotonic() - self._begun_at
                seconds = max(self._seconds_a_part, _SHARE_A_PART * elapsed)
                self._timer = threading.Timer(seconds, self._flush_in_time)
                self._timer.daemon = True
                self._timer.start()

    def flush(self) -> None:
        """Writes all that has ended.

        Raises:
            SweepStoreError: If the folder cannot be written; all earlier parts are whole.
        """
        with self._mutex:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            # Tried again after an error: the disk may have room by now.
            self._error = None
            if not self._ended:
                return
            part = self.path / _PARTS / f"part-{self._next:06d}.parquet"
            _write(part, _to_bytes(table_of(self.design, self._ended)))
            self._kept |= {(result.config_index, result.seed_index) for result in self._ended}
            self._ended = []
            self._next += 1

    def close(self) -> None:
        """Writes all that has ended, and lets another process have the folder."""
        try:
            self.flush()
        finally:
            self._closed = True
            self._lock.release()

    def __enter__(self) -> SweepStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _flush_in_time(self) -> None:
        with self._mutex:
            try:
                self.flush()
            except SweepStoreError as error:
                # This thread has no one to tell; the next call does.
                self._error = error

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _remove_leftovers(self) -> None:
        for folder in (self.path, self.path / _PARTS):
            for leftover in folder.glob(f".*{_ASIDE}"):
                leftover.unlink()


def read_design(path: Path) -> SweepDesign:
    """The design of the sweep in a folder.

    Raises:
        SweepStoreError: If there is none, or if it is damaged or of a newer schema.
    """
    file = path / _DESIGN
    try:
        content = json.loads(file.read_text())
        _check_schema(file, int(content["schema_version"]))
        return SweepDesign.from_mapping(content)
    except FileNotFoundError:
        raise SweepStoreError(
            f"There is no sweep in {path}: it has no {_DESIGN}; give the folder that a sweep named."
        ) from None
    except SweepStoreError:
        raise
    except (ArlbenchError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SweepStoreError(
            f"{file} is damaged ({error}); begin the sweep in another folder."
        ) from error


def read_table(path: Path) -> pa.Table:
    """All that is kept of a sweep, also while it grows, in the order of the design.

    Raises:
        SweepStoreError: If there is no sweep, or one of its files is damaged.
    """
    design = read_design(path)
    parts = [_read_part(part, design) for _, part in _numbered(path)]
    return in_order(pa.concat_tables([schema_of(design).empty_table(), *parts]))


def _make(path: Path) -> None:
    """Makes the folder, unless it holds something that is no sweep."""
    parts = path / _PARTS
    try:
        path.mkdir(parents=True, exist_ok=True)
        names = {entry.name for entry in path.iterdir()}
        foreign = names - {_PARTS, _LOCK, _aside(_DESIGN)} or list(parts.glob("part-*"))
        if _DESIGN not in names and foreign:
            raise SweepStoreError(
                f"The folder {path} already holds something that is no sweep; choose another --out."
            )
        parts.mkdir(exist_ok=True)
    except SweepStoreError:
        raise
    except OSError as error:
        raise _unwritable(path, error) from error
    if not os.access(path, os.W_OK):
        raise SweepStoreError(f"The folder {path} cannot be written; choose another --out.")


def _same_design(path: Path, design: SweepDesign) -> SweepDesign:
    """The design in the folder, written there if there is none."""
    if not (path / _DESIGN).exists():
        _write(path / _DESIGN, design.to_json().encode())
        return design
    found = read_design(path)
    if difference := found.first_difference(design):
        raise SweepStoreError(
            f"The folder {path} holds another sweep: {difference}; choose another --out, or give "
            "the settings that it was begun with."
        )
    return found


def _hold(path: Path) -> filelock.BaseFileLock:
    # The system frees it when the process ends, however it ends.
    lock = filelock.FileLock(path / _LOCK, blocking=False, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise SweepStoreError(
            f"Another process is training the sweep in {path}; wait for it, or choose another "
            "--out."
        ) from None
    except OSError as error:
        raise _unwritable(path, error) from error
    return lock


def _kept_members(path: Path, design: SweepDesign) -> set[tuple[int, int]]:
    """The trainings in all parts: indices of configuration and seed."""
    index_of_seed = {seed: index for index, seed in enumerate(design.seeds)}
    part_of: dict[tuple[int, int], Path] = {}
    for _, part in _numbered(path):
        keys = _read_part(part, design).select(["config", "seed"]).to_pylist()
        for member in {(row["config"], index_of_seed[row["seed"]]) for row in keys}:
            if member in part_of:
                raise SweepStoreError(
                    f"{part} and {part_of[member].name} hold the same training (configuration "
                    f"{member[0]}, seed {design.seeds[member[1]]}); delete one of the two files."
                )
            part_of[member] = part
    return set(part_of)


def _numbered(path: Path) -> list[tuple[int, Path]]:
    """The parts of a sweep in the order in which they were written."""
    matches = ((_PART.fullmatch(entry.name), entry) for entry in (path / _PARTS).glob("part-*"))
    return sorted((int(match[1]), entry) for match, entry in matches if match)


def _read_part(part: Path, design: SweepDesign) -> pa.Table:
    try:
        table = pq.read_table(part, page_checksum_verification=True, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise SweepStoreError(
            f"{part} is damaged ({_first_line(error)}); delete it: what it held is trained again "
            "when the sweep goes on."
        ) from error
    metadata = table.schema.metadata or {}
    _check_schema(part, int(metadata.get(b"schema_version", b"0")))
    if metadata.get(b"design") != design.fingerprint.encode():
        raise SweepStoreError(f"{part} belongs to another sweep; move it out of the folder.")
    return table


def _check_schema(file: Path, version: int) -> None:
    if version > SCHEMA_VERSION:
        raise SweepStoreError(
            f"{file} has the schema {version}, and this version of arlbench reads up to "
            f"{SCHEMA_VERSION}; install a newer one."
        )


def _to_bytes(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, write_page_checksum=True)
    return buffer.getvalue()


def _aside(name: str) -> str:
    return f".{name}{_ASIDE}"


def _write(path: Path, content: bytes) -> None:
    """Writes a file; at ``path`` there is a whole one afterwards, or none."""
    aside = path.with_name(_aside(path.name))
    try:
        with aside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise _unwritable(path.parent, error) from error


def _unwritable(path: Path, error: OSError) -> SweepStoreError:
    return SweepStoreError(
        f"The folder {path} cannot be written ({error.strerror or error}); make room or choose "
        "another --out. What was written before is whole."
    )


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0][:200].rstrip(".")
