"""Finds the user's code in tracebacks."""

from __future__ import annotations

import os
import sysconfig
import traceback
from collections.abc import Sequence
from pathlib import Path

# This package and Python's own library.
_PACKAGE = str(Path(__file__).resolve().parents[1]) + os.sep
_STANDARD = str(Path(sysconfig.get_path("stdlib")).resolve()) + os.sep

# Folders of installed packages, which are in a folder of Python's library.
_INSTALLED = ("site-packages", "dist-packages")


def user_frames(error: BaseException, foreign: Sequence[str] = ()) -> list[traceback.FrameSummary]:
    """The frames of a traceback that belong to the user, who may have installed the code.

    Args:
        error: The error.
        foreign: Folders of further code that is not the user's, each with a final separator.
    """
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if not _is_foreign(frame.filename, tuple(foreign))]


def raised_at(error: BaseException) -> str:
    """Where in the user's code an error was raised, such as ``" at my_tuners.py, line 12"``.

    It is the last line outside installed packages, because the user's code may have called them.
    If all frames are in such packages, their last line is taken; without any, the text is empty.
    """
    frames = user_frames(error)
    own = [frame for frame in frames if not any(part in frame.filename for part in _INSTALLED)]
    last = (own or frames)[-1:]
    return "".join(f" at {_short(frame.filename)}, line {frame.lineno}" for frame in last)


def _short(filename: str) -> str:
    """The path of a file, relative to the working directory if it is inside."""
    try:
        return str(Path(filename).relative_to(Path.cwd()))
    except (OSError, ValueError):  # the working directory was removed, or the file is elsewhere
        return filename


def _is_foreign(filename: str, further: tuple[str, ...]) -> bool:
    if filename.startswith("<frozen"):
        return True
    resolved = str(Path(filename).resolve())
    # Installed packages may contain a user's code.
    is_standard = resolved.startswith(_STANDARD) and not any(p in resolved for p in _INSTALLED)
    return is_standard or resolved.startswith((_PACKAGE, *further))
