"""The files of a run: its settings and results, readable without this package.

=========================  ==========================================================
``settings.json``          every setting, resolved, and the versions of all packages
``evaluations.csv``        one row per seed, evaluation and episode
``summary.json``           return over seeds, and how the time was spent
``params-seed-N.npz``      final parameters of seed N, an array per leaf
``normalizer-seed-N.npz``  statistics of its observations, if they are normalised
``learning_curve.png``     return against environment steps
``checkpoints/seed-N/``    checkpoints of seed N, see :mod:`arlbench.core.checkpoints`
=========================  ==========================================================

Each part of a state that acting needs has such an ``.npz`` file. If a seed was stopped, its files
hold the parameters at that point until it has ended.
"""

from __future__ import annotations

import csv
import json
import zipfile
from pathlib import Path
from typing import Any

import jax
import numpy as np

from arlbench.core import checkpoints
from arlbench.errors import ArlbenchError, RunFolderError
from arlbench.experiments import version_1_runs
from arlbench.experiments.run_settings import RunSettings

SETTINGS, EVALUATIONS, SUMMARY = "settings.json", "evaluations.csv", "summary.json"

EVALUATION_COLUMNS = ("seed", "evaluation", "timesteps", "episode", "episode_return")

# Errors from reading a file of another kind.
_NO_ARRAYS = (OSError, ValueError, LookupError, AttributeError, TypeError, EOFError,
              zipfile.BadZipFile)  # fmt: skip


class RunFiles:
    """Reads what a run has written so far, even while another process trains it.

    Attributes:
        path: The run's folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def checkpoints(self) -> Path:
        """The folder of the run's checkpoints."""
        return self.path / "checkpoints"

    def checkpoints_of(self, seed: int) -> Path:
        """The folder of one seed's checkpoints."""
        return self.checkpoints / f"seed-{seed}"

    def newest_checkpoint(self, settings: RunSettings, seed: int) -> Path | None:
        """The newest checkpoint of a seed; None if it has none.

        Raises:
            CheckpointError: If a checkpoint is recorded but missing.
        """
        if (found := checkpoints.newest_in(self.checkpoints_of(seed))) is not None:
            return found[0]
        return version_1_runs.newest_checkpoint(self.checkpoints, settings.seeds, seed)

    def read_settings(self) -> RunSettings:
        """The settings of the run.

        Raises:
            RunFolderError: If the file is damaged, or a newer version has written it.
        """
        path = self.path / SETTINGS
        try:
            return RunSettings.from_mapping(json.loads(path.read_text()))
        except ArlbenchError as error:
            raise RunFolderError(f"{path} cannot be used: {str(error).rstrip('.')}.") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise RunFolderError(f"{path} is damaged ({error}); start a new run.") from error

    def read_summary(self) -> dict[str, Any] | None:
        """The summary; None if nothing has ended yet.

        Raises:
            RunFolderError: If the file is damaged.
        """
        path = self.path / SUMMARY
        try:
            return dict(json.loads(path.read_text())) if path.exists() else None
        except (OSError, ValueError, TypeError) as error:
            raise RunFolderError(f"{path} is damaged ({error}); remove it to resume.") from error

    def read_evaluations(self) -> dict[int, np.ndarray]:
        """The returns so far: for each seed float32 ``[n_evaluations, n_eval_episodes]``.

        Raises:
            RunFolderError: If the file is damaged.
        """
        path = self.path / EVALUATIONS
        episodes: dict[int, dict[int, list[float]]] = {}
        try:
            with path.open(newline="") as file:
                for row in csv.DictReader(file):
                    of_seed = episodes.setdefault(int(row["seed"]), {})
                    of_one = of_seed.setdefault(int(row["evaluation"]), [])
                    of_one.append(float(row["episode_return"]))
            return {
                seed: np.array(list(of_seed.values()), np.float32)
                for seed, of_seed in episodes.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise RunFolderError(
                f"{path} is damaged ({error}); remove it to resume, or give one of the run's "
                "checkpoints."
            ) from error

    def ended_seeds(self, settings: RunSettings, part: str) -> list[int]:
        """The seeds whose training has ended and whose agents are kept, in the order of the seeds.

        Args:
            settings: Settings of the run.
            part: The part of an agent that is written last, which is the first of ``acting_parts``.

        Raises:
            RunFolderError: If a file that is needed for this is damaged.
        """
        kept = [seed for seed in settings.seeds if self.part_file(seed, part).is_file()]
        if not kept or (self.read_summary() or {}).get("status") == "finished":
            return kept
        evaluations = self.read_evaluations()
        n_evaluations = settings.problem.n_eval_steps
        return [seed for seed in kept if len(evaluations.get(seed, ())) >= n_evaluations]

    def part_files(self, seed: int) -> list[Path]:
        """The files of one seed's final state."""
        return list(self.path.glob(f"*-seed-{seed}.npz"))

    def part_file(self, seed: int, name: str) -> Path:
        """The path of one part of a seed's final state."""
        return self.path / f"{name.removesuffix('_state')}-seed-{seed}.npz"

    def read_part(self, seed: int, name: str, like: Any) -> Any:
        """One part of a seed's final state, in the structure of a given tree of arrays or shapes.

        Raises:
            RunFolderError: If the file is missing, damaged, or belongs to another network.
        """
        path = self.part_file(seed, name)
        if not path.exists():
            raise RunFolderError(
                f"{path.name} is missing in {self.path}, and the agent cannot act without it; give "
                "one of the run's checkpoints, or train again."
            )
        return _read_tree(path, like)


def named_leaves(tree: Any) -> dict[str, Any]:
    """The leaves of a tree by name; the name of a leaf is its path."""
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
    wanted = named_leaves(like)
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
