"""Writes the folder of a run, for one process at a time; each file is complete or absent."""

from __future__ import annotations

import csv
import errno
import io
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from arlbench.core import files
from arlbench.errors import RunFolderError
from arlbench.experiments import version_1_runs
from arlbench.experiments.owned_folder import FolderKind, resume_command
from arlbench.experiments.run_files import (
    EVALUATION_COLUMNS,
    EVALUATIONS,
    SETTINGS,
    SUMMARY,
    RunFiles,
    named_leaves,
)
from arlbench.experiments.run_settings import RunSettings

_KIND = FolderKind(
    noun="run",
    file=SETTINGS,
    command="train",
    lock="run.lock",
    busy="is training",
    another="another --out",
    kept="Everything written before is intact.",
    error=RunFolderError,
)

# If the disk has no room for both, a result is more important than a checkpoint. Another process
# may be using the room for a checkpoint, which it removes if it fails, so try this many times.
_ATTEMPTS, _WAIT_FOR_ROOM_SECONDS = 10, 0.2


class RunWriter(RunFiles):
    """Writes the files of one run; all other processes are refused.

    Args:
        path: The folder. If it exists already, it must be empty, or hold the run to continue.
        settings: What to train; None takes the settings of the run in the folder.

    Attributes:
        settings: What the run trains.
        reopened: Whether the folder held it already.

    Raises:
        RunFolderError: If the folder cannot be used, or another process works on it.
    """

    def __init__(self, path: str | Path, settings: RunSettings | None = None) -> None:
        super().__init__(path)
        self.reopened = settings is None
        if settings is None:
            self._require_run()
        else:
            _KIND.make(self.path)
        self._lock = _KIND.hold(self.path)
        try:
            self.settings = self._reopen() if settings is None else self._begin(settings)
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Lets other processes work on the folder."""
        self._lock.release()

    def write_evaluations(self, returns: Mapping[int, np.ndarray], timesteps: np.ndarray) -> None:
        """Writes all returns so far.

        Args:
            returns: Returns of each seed, ``[n_evaluations, n_eval_episodes]``.
            timesteps: Environment steps at each evaluation, ``[n_eval_steps]``.
        """
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(EVALUATION_COLUMNS)
        for seed, evaluations in returns.items():
            for i, evaluation in enumerate(evaluations):
                writer.writerows(
                    (seed, i + 1, int(timesteps[i]), episode, float(episode_return))
                    for episode, episode_return in enumerate(evaluation)
                )
        self._write(EVALUATIONS, text.getvalue())

    def write_part(self, seed: int, name: str, tree: Any) -> None:
        """Writes a part of one seed's state, with leaves named by their paths in the tree."""
        leaves = {path: np.asarray(leaf) for path, leaf in named_leaves(tree).items()}
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **leaves)
        self._write(self.part_file(seed, name).name, content.getvalue())

    def remove_parts(self, seed: int) -> None:
        """Removes all parts of one seed's state."""
        for path in self.part_files(seed):
            files.remove(path)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Writes the summary."""
        self._write(SUMMARY, json.dumps(summary, indent=2) + "\n")

    def _write(self, name: str, content: str | bytes) -> None:
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                files.write(self.path / name, content)
                return
            except OSError as error:
                if error.errno != errno.ENOSPC or not attempts_left:
                    raise _KIND.unwritable(self.path, error) from error
            time.sleep(_WAIT_FOR_ROOM_SECONDS)

    def _require_run(self) -> None:
        if not (self.path / SETTINGS).is_file():
            raise _KIND.missing(self.path)

    def _begin(self, settings: RunSettings) -> RunSettings:
        if (self.path / SETTINGS).exists():
            raise RunFolderError(
                f"The folder {self.path} already holds a run; choose another --out, remove it, or "
                f"continue its run with: {resume_command('train', self.path)}"
            )
        self._write(SETTINGS, settings.to_json())
        return settings

    def _reopen(self) -> RunSettings:
        settings = self.read_settings()
        files.remove_leftovers(self.path)
        files.remove_leftovers(self.checkpoints)
        version_1_runs.remove_leftovers(self.path)
        return settings
