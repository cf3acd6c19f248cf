"""The folder of a run, held by one process; each file in it is whole or absent."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from arlbench.core import files
from arlbench.errors import RunFolderError
from arlbench.experiments import version_1_runs
from arlbench.experiments.run_files import (
    EVALUATION_COLUMNS,
    EVALUATIONS,
    SETTINGS,
    SUMMARY,
    RunFiles,
    named_leaves,
)
from arlbench.experiments.run_settings import RunSettings

_LOCK = "run.lock"

# A result goes before a checkpoint if there is no room for both: what another process is
# writing may have taken the room, and is removed if it fails. So often it is tried again.
_ATTEMPTS, _WAIT_FOR_ROOM_SECONDS = 10, 0.2


class RunWriter(RunFiles):
    """Writes the files of one run; whoever else wants to is refused.

    Args:
        path: The folder, which may exist if it is empty.
        settings: What to train; None takes those of the run in the folder.

    Attributes:
        settings: What it trains.

    Raises:
        RunFolderError: If it cannot be used, or another process works on it.
    """

    def __init__(self, path: Path, settings: RunSettings | None = None) -> None:
        super().__init__(path)
        if settings is None:
            self._require_run()
        else:
            self._make()
        self._hold()
        try:
            self.settings = self._begun() if settings is None else settings
            if settings is not None:
                self._write(SETTINGS, settings.to_json())
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Lets others work on it."""
        self._lock.release()

    def write_evaluations(self, returns: Mapping[int, np.ndarray], timesteps: np.ndarray) -> None:
        """Writes all returns so far.

        Args:
            returns: For each seed ``[n_evaluations, n_eval_episodes]``.
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
        """Writes a part of one seed's state, leaves named by their path in the tree."""
        leaves = {path: np.asarray(leaf) for path, leaf in named_leaves(tree).items()}
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **leaves)
        self._write(self.part_file(seed, name).name, content.getvalue())

    def remove_parts(self, seed: int) -> None:
        """Removes all parts of one seed's state."""
        for path in self.part_files(seed):
            files.remove(path)

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Writes the closing numbers."""
        self._write(SUMMARY, json.dumps(summary, indent=2) + "\n")

    def _write(self, name: str, content: str | bytes) -> None:
        for attempts_left in reversed(range(_ATTEMPTS)):
            try:
                files.write(self.path / name, content)
                return
            except OSError as error:
                if error.errno != errno.ENOSPC or not attempts_left:
                    raise _unwritable(self.path, error) from error
            time.sleep(_WAIT_FOR_ROOM_SECONDS)

    def _require_run(self) -> None:
        if not (self.path / SETTINGS).is_file():
            raise RunFolderError(
                f"There is no run in {self.path}: it has no settings.json. Give --resume the "
                "folder that a training printed."
            )

    def _make(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            occupied = any(self.path.iterdir())
        except OSError as error:
            raise _unwritable(self.path, error) from error
        if occupied:
            raise RunFolderError(
                f"The folder {self.path} already holds something; choose another --out, remove it, "
                f"or continue its run with --resume {self.path}."
            )

    def _hold(self) -> None:
        if not os.access(self.path, os.W_OK):
            raise RunFolderError(f"The folder {self.path} cannot be written; choose another --out.")
        try:
            self._lock = files.hold(self.path / _LOCK)
        except BlockingIOError:
            raise RunFolderError(
                f"Another process is training in {self.path}; wait for it."
            ) from None
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def _begun(self) -> RunSettings:
        settings = self.read_settings()
        files.remove_leftovers(self.path)
        files.remove_leftovers(self.checkpoints)
        version_1_runs.remove_leftovers(self.path)
        return settings


def _unwritable(path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(
        f"The folder {path} cannot be written ({error.strerror}); choose another --out."
    )
