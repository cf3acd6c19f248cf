"""Checkpoints on disk: written under a temporary name, synced, renamed and pointed at.

::

    checkpoints/
      newest                  the name of the newest complete checkpoint
      checkpoint-000007/
        manifest.json         a description, and size and checksum of every other file
        params.npz            a tree of arrays; one file for each part
        …

A folder whose name begins with a dot is being written or removed. If its writer is killed, the
folder stays, and the next writer removes it.
"""

from __future__ import annotations

import contextlib
import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from arlbench.core import files
from arlbench.core.checkpoints.manifest import Manifest, package_versions, record_of
from arlbench.core.checkpoints.trees import read_leaves, read_tree, write_tree
from arlbench.errors import CheckpointError

_MANIFEST = "manifest.json"
_POINTER = "newest"
_NAME = re.compile(r"checkpoint-(\d{6,})")


def write_checkpoint(path: Path, parts: Mapping[str, Any], info: Mapping[str, Any]) -> None:
    """Writes a checkpoint; afterwards ``path`` is a complete one, or does not exist.

    Args:
        path: The checkpoint's folder, which must not exist yet.
        parts: Trees of arrays by name.
        info: JSON values.

    Raises:
        CheckpointError: If it cannot be written; then nothing is left of it.
    """
    with _whole(path) as aside:
        trees = [aside / f"{name}.npz" for name in parts]
        for file, tree in zip(trees, parts.values(), strict=True):
            write_tree(file, tree)
        manifest = Manifest({f.name: record_of(f) for f in trees}, info, package_versions())
        (aside / _MANIFEST).write_text(manifest.to_json())


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Gives a folder to fill, which becomes ``path`` when it is complete.

    Raises:
        CheckpointError: If it cannot be written; then nothing is left of it.
    """
    aside = files.aside(path)
    try:
        files.remove(aside)
        aside.mkdir(parents=True)
        yield aside
        for file in (*aside.iterdir(), aside):
            files.sync(file)
        aside.rename(path)
        files.sync(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            files.remove(aside)
        if isinstance(error, CheckpointError) or not isinstance(error, OSError):
            raise
        raise _unwritable(path, error) from error


def packed(path: Path) -> bytes:
    """A whole checkpoint as bytes, for another machine.

    Raises:
        CheckpointError: If it cannot be read.
    """
    content = io.BytesIO()
    try:
        with tarfile.open(fileobj=content, mode="w") as archive:
            for file in sorted(path.iterdir()):
                archive.add(file, file.name)
    except OSError as error:
        raise CheckpointError(
            f"The checkpoint {path} cannot be read ({error.strerror or error})."
        ) from error
    return content.getvalue()


def is_checkpoint(path: Path) -> bool:
    """Whether the folder is a single checkpoint, not a folder of several."""
    return (path / _MANIFEST).exists()


def read_manifest(path: Path) -> Manifest:
    """The manifest of a checkpoint.

    Raises:
        CheckpointError: If it does not exist, is damaged or has a newer format.
    """
    file = path / _MANIFEST
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path} is not a readable checkpoint ({error}).") from error
    return Manifest.from_json(text, file)


def read_checkpoint(path: Path, likes: Mapping[str, Any]) -> tuple[dict[str, Any], Manifest]:
    """Reads parts of a checkpoint, each into the structure of a given tree.

    Args:
        path: The checkpoint's folder.
        likes: For each part to read, a tree of arrays or shapes; see ``read_tree``. None reads
            the part as it is, as NumPy arrays by name.

    Returns:
        The requested parts, as far as they were saved, and the manifest.

    Raises:
        CheckpointError: If a file is missing or damaged, or a leaf does not fit.
    """
    manifest = read_manifest(path)
    wanted = [name for name in likes if f"{name}.npz" in manifest.files]
    for name in wanted:
        _verify(path / f"{name}.npz", manifest)
    try:
        parts = {name: _read(path / f"{name}.npz", likes[name]) for name in wanted}
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    return parts, manifest


class CheckpointFolder:
    """A folder of numbered checkpoints, with one writer at a time.

    Args:
        path: The folder; it is created when the first checkpoint is written.
        keep: How many checkpoints to keep; older ones are removed. None keeps all.
    """

    def __init__(self, path: Path, keep: int | None = None) -> None:
        self.path = path
        self._keep = keep

    def next_path(self) -> Path:
        """The path of the next checkpoint."""
        numbers = [number for number, _ in _numbered(self.path)]
        return self.path / f"checkpoint-{max(numbers, default=0) + 1:06d}"

    def write(self, path: Path, parts: Mapping[str, Any], info: Mapping[str, Any]) -> None:
        """Writes a checkpoint at ``next_path``, points at it, and removes old ones.

        Raises:
            CheckpointError: If it cannot be written; earlier checkpoints are untouched.
        """
        write_checkpoint(path, parts, info)
        self._point_at(path)
        self._remove_old()

    def unpack(self, path: Path, content: bytes) -> None:
        """Writes what :func:`packed` returned, in the same way and with the same errors."""
        with _whole(path) as aside, tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(aside, filter="data")
        self._point_at(path)
        self._remove_old()

    def tidy(self) -> None:
        """Removes what a killed writer left behind."""
        files.remove_leftovers(self.path)

    def _point_at(self, path: Path) -> None:
        try:
            files.write(self.path / _POINTER, path.name + "\n")
        except OSError as error:
            # The checkpoint is complete, but nothing points at it: remove it, as if it had not
            # been written.
            with contextlib.suppress(OSError):
                _move_away(path)
            raise _unwritable(path, error) from error

    def _remove_old(self) -> None:
        if self._keep is None:
            return
        for _, path in _numbered(self.path)[: -self._keep]:
            # One checkpoint too many does no harm; the next writer tries again.
            with contextlib.suppress(OSError):
                _move_away(path)


def newest_in(path: Path) -> tuple[Path, str] | None:
    """The newest complete checkpoint of a folder, or None if there never was one.

    Checkpoints get their names when they are complete, so the newest one has the largest
    number, even if a writer was killed before it could point at it.

    Returns:
        Its path, and a sentence to show if the pointer does not name it, otherwise "".

    Raises:
        CheckpointError: If a checkpoint is recorded but missing.
    """
    numbered, pointer = _numbered(path), path / _POINTER
    if not numbered:
        if pointer.exists():
            raise CheckpointError(f"The checkpoint that {pointer} names is missing.")
        return None
    newest = numbered[-1][1]
    try:
        named = pointer.read_text().strip()
    except (OSError, UnicodeDecodeError):
        named = ""
    note = f"The file {pointer} does not name the newest checkpoint; {newest.name} is used."
    return newest, "" if named == newest.name else note


def _numbered(path: Path) -> list[tuple[int, Path]]:
    entries: Iterable[Path] = path.iterdir() if path.is_dir() else ()
    matches = ((_NAME.fullmatch(entry.name), entry) for entry in entries)
    return sorted((int(match[1]), entry) for match, entry in matches if match)


def _read(file: Path, like: Any) -> Any:
    return read_leaves(file) if like is None else read_tree(file, like, file.stem)


def _verify(file: Path, manifest: Manifest) -> None:
    expected = manifest.files[file.name]
    try:
        found = record_of(file)
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read ({error.strerror}).") from error
    if found.size != expected.size:
        raise CheckpointError(
            f"{file} is damaged: it has {found.size} bytes, but {expected.size} were written."
        )
    if found != expected:
        raise CheckpointError(f"{file} is damaged: its checksum is not the one that was saved.")


def _unwritable(path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"The checkpoint {path} could not be written ({error.strerror or error})."
    )


def _move_away(path: Path) -> None:
    """Removes a folder, which never looks like a checkpoint while it is half removed."""
    aside = files.aside(path, "old")
    files.remove(aside)
    path.rename(aside)
    files.remove(aside)
