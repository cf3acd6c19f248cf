"""The manifest of a checkpoint: what it is, and which files belong to it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from arlbench.errors import CheckpointError, ConfigurationError

#: Increased when earlier versions of arlbench cannot read what this version writes.
FORMAT_VERSION = 1

_FORMAT = "arlbench checkpoint"
_PACKAGES = ("arlbench", "jax", "jaxlib", "flax", "optax", "flashbax", "numpy")


@dataclasses.dataclass(frozen=True)
class FileRecord:
    """Size in bytes and SHA-256 of one file."""

    size: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The contents of ``manifest.json``.

    Attributes:
        files: Every file of the checkpoint by its name.
        info: Information from the writer for readers, JSON values.
        versions: The versions of the packages that wrote it.
        format_version: Version of the folder's layout.
    """

    files: Mapping[str, FileRecord]
    info: Mapping[str, Any]
    versions: Mapping[str, str]
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """The manifest, followed by its own checksum.

        Raises:
            ConfigurationError: If ``info`` is not JSON.
        """
        content = as_json({"format": _FORMAT, **dataclasses.asdict(self)})
        return json.dumps({"content": content, "sha256": _checksum(content)}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, path: Path) -> Manifest:
        """The inverse of :meth:`to_json`; ``path`` is for errors.

        Raises:
            CheckpointError: If it is damaged, is something else, or has a newer format.
        """
        try:
            document = json.loads(text)
            content = document["content"]
            whole = document["sha256"] == _checksum(content)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise CheckpointError(
                f"{path} is damaged, or is not the manifest of a checkpoint."
            ) from None
        if not whole:
            raise CheckpointError(f"{path} is damaged: its checksum does not match its content.")
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise CheckpointError(f"{path} is not the manifest of an {_FORMAT}.")
        if content["format_version"] > FORMAT_VERSION:
            raise CheckpointError(
                f"{path} has the format {content['format_version']}, and this version of arlbench "
                f"reads up to {FORMAT_VERSION}; install arlbench "
                f"{content.get('versions', {}).get('arlbench')}, which wrote it, or a newer one."
            )
        return cls(
            files={name: FileRecord(**record) for name, record in content["files"].items()},
            info=content["info"],
            versions=content["versions"],
            format_version=content["format_version"],
        )


def as_json(value: Any) -> Any:
    """The value as a JSON file would return it: names are strings, tuples are lists.

    Raises:
        ConfigurationError: If it cannot be written as JSON.
    """
    try:
        return json.loads(json.dumps(value, default=_plain))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            f"Values that are saved together with a state must be JSON: {error}."
        ) from None


def _plain(value: Any) -> Any:
    """A NumPy number as a Python number."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"the type {type(value).__name__} is not supported")


def package_versions() -> dict[str, str]:
    """The versions of the packages that a result depends on."""
    return dict(_versions())


@functools.cache
def _versions() -> tuple[tuple[str, str], ...]:
    # Reading them takes longer than writing a small checkpoint.
    return tuple((name, metadata.version(name)) for name in _PACKAGES)


def record_of(path: Path) -> FileRecord:
    """Size and checksum of a file on disk."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileRecord(path.stat().st_size, digest)


def _checksum(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
