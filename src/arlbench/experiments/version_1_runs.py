"""Reads runs that version 0.2 of this package began, in format version 1.

Their seeds trained one after another, and one chain of checkpoints held the progress of the
run: in the middle of one seed, with all earlier seeds finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from arlbench.core import checkpoints, files
from arlbench.core.algorithms.algorithm import Algorithm, TrainingProgress
from arlbench.core.algorithms.checkpointing import Checkpointer
from arlbench.core.algorithms.measured import Seconds
from arlbench.errors import CheckpointError
from arlbench.population.saving import Position, write_position


def newest_checkpoint(chain: Path, seeds: Sequence[int], seed: int) -> Path | None:
    """The newest checkpoint of the chain if it belongs to this seed.

    Args:
        chain: The folder of the run's checkpoints.
        seeds: The seeds of the run.
        seed: One of them.

    Raises:
        CheckpointError: If a checkpoint is recorded but missing or damaged.
    """
    found = checkpoints.newest_in(chain)
    if found is None:
        return None
    path, _ = found
    index = checkpoints.read_manifest(path).info.get("info", {}).get("seed_index")
    return path if index is not None and seeds[index] == seed else None


def move_checkpoint(
    checkpoint: Path,
    to: Path,
    seed: int,
    n_eval_episodes: int,
    algorithm: Algorithm,
) -> tuple[str, ...]:
    """Writes the state of the chain as the first checkpoint in the seed's own folder.

    Args:
        checkpoint: A checkpoint of the chain, in the middle of this seed.
        to: The folder of the seed's own checkpoints, which is empty.
        seed: The seed.
        n_eval_episodes: Episodes of each of its evaluations.
        algorithm: The algorithm that trains.

    Returns:
        Sentences about what has changed since then.

    Raises:
        CheckpointError: If it is damaged, does not belong to this run, or cannot be written.
    """
    try:
        loaded = Checkpointer.load(checkpoint, algorithm)
    except CheckpointError as error:
        raise CheckpointError(
            f"{error} Nothing was changed; remove that checkpoint's folder to continue from the "
            "previous one, or start a new run."
        ) from error
    info = loaded.info
    returns = loaded.extra.get(str(seed), np.zeros((0, n_eval_episodes), np.float32))
    training = TrainingProgress(loaded.state, info["timesteps"], info["total_timesteps"], returns)
    write_position(Checkpointer(to), algorithm, Position(training, Seconds(**info["elapsed"])))
    return loaded.notes


def remove_leftovers(path: Path) -> None:
    """Removes unfinished files that a killed process of that version left."""
    for leftover in path.glob("*.part"):
        files.remove(leftover)
