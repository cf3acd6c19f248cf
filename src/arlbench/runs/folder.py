"""The folder of a run: what was asked for, what came of it, readable without this package.

======================  ==========================================================
``settings.json``       every setting, resolved, and the versions of all packages
``evaluations.csv``     one row per seed, evaluation and episode
``summary.json``        return over seeds, and where the time went
``params-seed-N.npz``   final parameters of seed N, an array per leaf
``learning_curve.png``  return against environment steps
======================  ==========================================================
"""

from __future__ import annotations

import csv
import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import numpy as np

from arlbench.errors import RunFolderError
from arlbench.runs.settings import RunSettings

EVALUATION_COLUMNS = ("seed", "evaluation", "timesteps", "episode", "episode_return")

_PACKAGES = ("arlbench", "jax", "jaxlib", "flax", "optax", "flashbax", "gymnax", "numpy")


class RunFolder:
    """Writes the folder of one run; each file is whole or absent."""

    def __init__(self, path: Path) -> None:
        """Creates the folder.

        Raises:
            RunFolderError: If it exists and is not empty, or cannot be written.
        """
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            occupied = any(path.iterdir())
        except OSError as error:
            raise _unwritable(path, error) from error
        if occupied:
            raise RunFolderError(
                f"The folder {path} already holds something; choose another --out or remove it."
            )
        if not os.access(path, os.W_OK):
            raise RunFolderError(f"The folder {path} cannot be written; choose another --out.")

    def write_settings(self, settings: RunSettings) -> None:
        """Writes what the run was asked to do, before it begins."""
        versions = {name: metadata.version(name) for name in _PACKAGES}
        content = {
            **json.loads(settings.to_json()),
            "versions": {"python": platform.python_version(), **versions},
        }
        self._write_text("settings.json", json.dumps(content, indent=2) + "\n")

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
        temporary = self.path / "evaluations.csv.part"
        try:
            with temporary.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(EVALUATION_COLUMNS)
                writer.writerows(rows)
            temporary.replace(self.path / "evaluations.csv")
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def write_params(self, seed: int, params: Any) -> None:
        """Writes the parameters of one seed, named by their path in the tree."""
        leaves = {
            jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
            for path, leaf in jax.tree.leaves_with_path(params)
        }
        name = f"params-seed-{seed}.npz"
        temporary = self.path / f"{name}.part"
        try:
            with temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **leaves)
            temporary.replace(self.path / name)
        except OSError as error:
            raise _unwritable(self.path, error) from error

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Writes the closing numbers."""
        self._write_text("summary.json", json.dumps(summary, indent=2) + "\n")

    def _write_text(self, name: str, text: str) -> None:
        temporary = self.path / f"{name}.part"
        try:
            temporary.write_text(text)
            temporary.replace(self.path / name)
        except OSError as error:
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
