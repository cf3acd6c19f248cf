"""The folder of a run: what was asked for, what came of it, readable without this package.

======================  ==========================================================
``settings.json``       every setting, resolved, and the versions of all packages
``evaluations.csv``     one row per seed, evaluation and episode
``summary.json``        return over seeds, and where the time went
``params-seed-N.npz``   final parameters of seed N, an array per leaf
``learning_curve.png``  return against environment steps
``checkpoints/``        where the run can go on, see :mod:`arlbench.core.checkpoints`
======================  ==========================================================
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock
import jax
import numpy as np

from arlbench.errors import RunFolderError
from arlbench.runs.settings import RunSettings

EVALUATION_COLUMNS = ("seed", "evaluation", "timesteps", "episode", "episode_return")

_PACKAGES = ("arlbench", "jax", "jaxlib", "flax", "optax", "flashbax", "gymnax", "numpy")


class RunFolder:
    """The folder of one run, held by one process; each file in it is whole or absent."""

    def __init__(self, path: Path) -> None:
        """Creates the folder of a new run.

        Raises:
            RunFolderError: If it exists and is not empty, or cannot be written.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            occupied = any(path.iterdir())
        except OSError as error:
            raise _unwritable(path, error) from error
        if occupied:
            raise RunFolderError(
                f"The folder {path} already holds something; choose another --out, remove it, or "
                f"continue its run with --resume {path}."
            )
        self._hold(path)

    @classmethod
    def reopen(cls, path: Path) -> RunFolder:
        """Opens the folder of a run that was begun earlier.

        Raises:
            RunFolderError: If it holds no run, or if another process works on it.
        """
        if not (path / "settings.json").is_file():
            raise RunFolderError(
                f"There is no run in {path}: it has no settings.json. Give --resume the folder "
                "that a training printed."
            )
        folder = cls.__new__(cls)
        folder._hold(path)
        for leftover in path.glob("*.part"):
            leftover.unlink()
        return folder

    def _hold(self, path: Path) -> None:
        self.path = path
        if not os.access(path, os.W_OK):
            raise RunFolderError(f"The folder {path} cannot be written; choose another --out.")
        # The system frees it when the process ends, however it ends.
        self._lock = filelock.FileLock(path / "run.lock", blocking=False)
        try:
            self._lock.acquire()
        except filelock.Timeout:
            raise RunFolderError(f"Another process is training in {path}; wait for it.") from None
        except OSError as error:
            raise _unwritable(path, error) from error

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        """Lets others work on it."""
        self._lock.release()

    @property
    def checkpoints(self) -> Path:
        """The folder of the run's checkpoints."""
        return self.path / "checkpoints"

    def write_settings(self, settings: RunSettings) -> None:
        """Writes what the run was asked to do, before it begins."""
        versions = {name: metadata.version(name) for name in _PACKAGES}
        content = {
            **json.loads(settings.to_json()),
            "versions": {"python": platform.python_version(), **versions},
        }
        self._write_text("settings.json", json.dumps(content, indent=2) + "\n")

    def read_settings(self) -> tuple[RunSettings, str]:
        """What the run was asked to do.

        Returns:
            The settings, and a sentence where it was begun with other packages.

        Raises:
            RunFolderError: If the file is damaged.
        """
        path = self.path / "settings.json"
        try:
            content = json.loads(path.read_text())
            versions = content.pop("versions")
            settings = RunSettings.from_mapping(content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunFolderError(f"{path} is damaged ({error}); begin a new run.") from error
        changed = [
            f"{name} {version} (now {metadata.version(name)})"
            for name, version in versions.items()
            if name in _PACKAGES and version != metadata.version(name)
        ]
        note = f"Begun with {', '.join(changed)}: the last bits may differ." if changed else ""
        return settings, note

    def read_summary(self) -> dict[str, Any] | None:
        """The closing numbers, or None where the run has not ended yet."""
        path = self.path / "summary.json"
        try:
            return json.loads(path.read_text()) if path.exists() else None
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{path} is damaged ({error}); remove it to resume.") from error

    def is_finished(self) -> bool:
        """Whether nothing is left to train.

        Raises:
            RunFolderError: If the run diverged, because it would do so again.
        """
        status = (self.read_summary() or {}).get("status")
        if status == "diverged":
            raise RunFolderError(
                f"The run in {self.path} ended because learning became non-finite, and would do so "
                "again; begin a new one with a lower learning_rate."
            )
        return status == "finished"

    def write_evaluations(self, returns: dict[int, np.ndarray], interval: int) -> None:
        """Writes all returns so far.

        Args:
            returns: For each seed ``[n_evaluations, n_eval_episodes]``.
            interval: Environment steps between two evaluations.
        """
        rows = [
            (seed, i + 1, (i + 1) * interval, episode, float(episode_return))
            for seed, evaluations in returns.items()
            for i, evaluation in enumerate(evaluations)
            for episode, episode_return in enumerate(evaluation)
        ]

        def write(path: Path) -> None:
            with path.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(EVALUATION_COLUMNS)
                writer.writerows(rows)

        self._replace("evaluations.csv", write)

    def write_params(self, seed: int, params: Any) -> None:
        """Writes the parameters of one seed, named by their path in the tree."""
        leaves = {
            jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
            for path, leaf in jax.tree.leaves_with_path(params)
        }

        def write(path: Path) -> None:
            with path.open("wb") as file:
                np.savez(file, allow_pickle=False, **leaves)

        self._replace(f"params-seed-{seed}.npz", write)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Writes the closing numbers."""
        self._write_text("summary.json", json.dumps(summary, indent=2) + "\n")

    def _write_text(self, name: str, text: str) -> None:
        self._replace(name, lambda path: path.write_text(text))

    def _replace(self, name: str, write: Callable[[Path], Any]) -> None:
        temporary = self.path / f"{name}.part"
        try:
            write(temporary)
            temporary.replace(self.path / name)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise _unwritable(self.path, error) from error


def next_folder(parent: Path, env_name: str) -> Path:
    """The first of ``ENV-001``, ``ENV-002``, … that is not there yet."""
    slug = "".join(c if c.isalnum() or c in "-_." else "-" for c in env_name)
    number = 1
    while (parent / f"{slug}-{number:03d}").exists():
        number += 1
    return parent / f"{slug}-{number:03d}"


def _unwritable(path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(
        f"The folder {path} cannot be written ({error.strerror}); choose another --out."
    )
