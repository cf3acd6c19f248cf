"""The folder of a run: what was asked for, what came of it, readable without this package.

=========================  ==========================================================
``settings.json``          every setting, resolved, and the versions of all packages
``evaluations.csv``        one row per seed, evaluation and episode
``summary.json``           return over seeds, and where the time went
``params-seed-N.npz``      final parameters of seed N, an array per leaf
``normalizer-seed-N.npz``  statistics of its observations, if ``normalize_observations``
``learning_curve.png``     return against environment steps
``checkpoints/``           where the run can go on, see :mod:`arlbench.core.checkpoints`
=========================  ==========================================================

A seed that was stopped has the parameters of that point until it has gone on to its end.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import platform
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import filelock
import jax
import numpy as np

from arlbench.core import checkpoints
from arlbench.core.environments import library_version
from arlbench.errors import RunFolderError
from arlbench.runs.settings import RunSettings

EVALUATION_COLUMNS = ("seed", "evaluation", "timesteps", "episode", "episode_return")

# What reading a file of another kind ends with.
_NO_ARRAYS = (OSError, ValueError, LookupError, AttributeError, TypeError, EOFError,
              zipfile.BadZipFile)  # fmt: skip

_PACKAGES = ("arlbench", "jax", "jaxlib", "flax", "optax", "flashbax", "numpy")


class RunFiles:
    """What a run has written so far, for reading, also while another process trains in it.

    Attributes:
        path: The run's folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def checkpoints(self) -> Path:
        """The folder of the run's checkpoints."""
        return self.path / "checkpoints"

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
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunFolderError(f"{path} is damaged ({error}); begin a new run.") from error
        now = _versions(settings.env_spec.framework)
        changed = [
            f"{name} {version} (now {now[name]})"
            for name, version in versions.items()
            if name in now and version != now[name]
        ]
        note = f"Begun with {', '.join(changed)}: the last bits may differ." if changed else ""
        return settings, note

    def read_summary(self) -> dict[str, Any] | None:
        """The closing numbers, or None where the run has not ended yet."""
        path = self.path / "summary.json"
        try:
            return dict(json.loads(path.read_text())) if path.exists() else None
        except (OSError, ValueError, TypeError) as error:
            raise RunFolderError(f"{path} is damaged ({error}); remove it to resume.") from error

    def ended_seeds(self, settings: RunSettings) -> list[int]:
        """The seeds whose parameters are those at their end, in the order of the seeds.

        Raises:
            RunFolderError: If a file that says so is damaged.
        """
        kept = [seed for seed in settings.seeds if self._params(seed).is_file()]
        if not kept or (self.read_summary() or {}).get("status") == "finished":
            return kept
        evaluations = self._evaluations()
        return [seed for seed in kept if len(evaluations.get(seed, ())) >= settings.n_eval_steps]

    def _evaluations(self) -> dict[int, set[int]]:
        """The numbers of the evaluations that each seed has had."""
        path = self.path / "evaluations.csv"
        evaluations: dict[int, set[int]] = {}
        try:
            with path.open(newline="") as file:
                for row in csv.DictReader(file):
                    evaluations.setdefault(int(row["seed"]), set()).add(int(row["evaluation"]))
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise RunFolderError(
                f"{path} is damaged ({error}); give one of the run's checkpoints."
            ) from error
        return evaluations

    def read_params(self, seed: int, like: Any) -> Any:
        """The parameters of one seed, in the structure of a tree of arrays or shapes.

        Raises:
            RunFolderError: If the file is damaged, or belongs to another network.
        """
        return _read_tree(self._params(seed), like)

    def read_normalizer(self, seed: int, like: Any) -> Any:
        """The statistics of one seed's observations; see :meth:`read_params`.

        Raises:
            RunFolderError: The same, or if the run did not keep them.
        """
        path = self._normalizer(seed)
        if not path.exists():
            raise RunFolderError(
                f"The run in {self.path} has normalize_observations, and {path.name} is missing, "
                "without which its agents cannot act; give one of its checkpoints, or train again."
            )
        return _read_tree(path, like)

    def _params(self, seed: int) -> Path:
        return self.path / f"params-seed-{seed}.npz"

    def _normalizer(self, seed: int) -> Path:
        return self.path / f"normalizer-seed-{seed}.npz"


class RunFolder(RunFiles):
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

    def write_settings(self, settings: RunSettings) -> None:
        """Writes what the run was asked to do, before it begins."""
        versions = _versions(settings.env_spec.framework)
        content = {
            **json.loads(settings.to_json()),
            "versions": {"python": platform.python_version(), **versions},
        }
        self._write_text("settings.json", json.dumps(content, indent=2) + "\n")

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
        self._write_tree(self._params(seed), params)

    def write_normalizer(self, seed: int, statistics: Any) -> None:
        """Writes the statistics of one seed's observations, the same way."""
        self._write_tree(self._normalizer(seed), statistics)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Writes the closing numbers."""
        self._write_text("summary.json", json.dumps(summary, indent=2) + "\n")

    def _write_tree(self, path: Path, tree: Any) -> None:
        leaves = {name: np.asarray(leaf) for name, leaf in _named_leaves(tree).items()}

        def write(path: Path) -> None:
            with path.open("wb") as file:
                np.savez(file, allow_pickle=False, **leaves)

        self._replace(path.name, write)

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


def _versions(framework: str) -> dict[str, str]:
    """The versions of the packages that a result depends on."""
    return {name: metadata.version(name) for name in _PACKAGES} | library_version(framework)


def next_folder(parent: Path, env_name: str) -> Path:
    """The first of ``ENV-001``, ``ENV-002``, … that is not there yet."""
    slug = "".join(c if c.isalnum() or c in "-_." else "-" for c in env_name)
    number = 1
    while (parent / f"{slug}-{number:03d}").exists():
        number += 1
    return parent / f"{slug}-{number:03d}"


def _named_leaves(tree: Any) -> dict[str, Any]:
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree.leaves_with_path(tree)
    }


def _read_tree(path: Path, like: Any) -> Any:
    """The arrays of a file in the structure of ``like``, on the default device."""
    try:
        with path.open("rb") as content, np.load(content, allow_pickle=False) as file:
            stored = {name: file[name] for name in file.files}
    except _NO_ARRAYS as error:
        raise RunFolderError(
            f"{path} is damaged ({error}); give one of the run's checkpoints, or train again."
        ) from error
    wanted = _named_leaves(like)
    for name in sorted(stored.keys() | wanted.keys()):
        there, here = (_shape_text(leaves.get(name)) for leaves in (stored, wanted))
        if there != here:
            raise RunFolderError(
                f"{path} belongs to another network or environment: {name} is {there} there and "
                f"{here} here."
            )
    leaves = checkpoints.on_device([stored[name] for name in wanted])
    return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _shape_text(leaf: Any) -> str:
    return "absent" if leaf is None else f"{leaf.dtype}{list(leaf.shape)}"


def _unwritable(path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(
        f"The folder {path} cannot be written ({error.strerror}); choose another --out."
    )
