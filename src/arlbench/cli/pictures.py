"""Writes pictures into the folder of a sweep or study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from arlbench.core import files
from arlbench.errors import StorageError


def write(pictures: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Writes pictures, given by their names without ending; their paths.

    Raises:
        StorageError: If they cannot be written.
    """
    paths = {folder / f"{name}.png": png for name, png in pictures.items()}
    try:
        for path, png in paths.items():
            files.write(path, png)
    except OSError as error:
        raise StorageError(
            f"The pictures cannot be written to {folder} ({error.strerror}); make room and give "
            "the command again. All results have been kept."
        ) from error
    return list(paths)
