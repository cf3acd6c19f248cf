"""Checkpoints of a run: when one is due, what it holds, and going on from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from arlbench.autorl import Checkpointer
from arlbench.core.algorithms.algorithm import Algorithm, TrainingProgress
from arlbench.core.checks import positive_whole
from arlbench.errors import CheckpointError, ConfigurationError
from arlbench.runs.folder import RunFolder
from arlbench.runs.settings import RunSettings


class Saving(NamedTuple):
    """When a run saves where it stands.

    Attributes:
        every_seconds: Time between two checkpoints; 0 saves only when stopped.
        keep: Checkpoints to keep.
    """

    every_seconds: float = 60.0
    keep: int = 2

    @classmethod
    def checked(cls, every_seconds: float, keep: int) -> Saving:
        """The same from what a user gave.

        Raises:
            ConfigurationError: If it is impossible.
        """
        if not every_seconds >= 0:
            raise ConfigurationError(
                f"checkpoint_every must be 0 or more seconds, not {every_seconds}."
            )
        return cls(every_seconds, positive_whole("keep", keep))


class Elapsed(NamedTuple):
    """Time that a run took, in seconds.

    Attributes:
        compiling: Spent on tracing and compiling.
        training: The rest, evaluations included.
    """

    compiling: float = 0.0
    training: float = 0.0


class RunPosition(NamedTuple):
    """Where a run stands: in the middle of one seed, with all before it done.

    Attributes:
        seed_index: Which of the seeds is training, from 0.
        training: Where its training stands, with the state to go on from.
        returns: For each seed begun, returns ``[n_evaluations, n_eval_episodes]``.
        elapsed: Time that it took so far.
    """

    seed_index: int
    training: TrainingProgress
    returns: dict[int, np.ndarray]
    elapsed: Elapsed


class RunCheckpoints:
    """Saves where a run stands, every so often and when it is stopped.

    Args:
        folder: The run's folder.
        algorithm: What is training.
        saving: When to save, and how many checkpoints to keep.
        on_notice: Takes a sentence for the user, where one could not be saved.
    """

    def __init__(
        self,
        folder: RunFolder,
        algorithm: Algorithm,
        saving: Saving,
        on_notice: Callable[[str], None],
    ) -> None:
        self._checkpointer = Checkpointer(folder.checkpoints, keep=saving.keep, background=True)
        self._checkpointer.tidy()
        self._algorithm = algorithm
        self._every = saving.every_seconds
        self._on_notice = on_notice
        self._last = time.monotonic()

    def save_if_due(self, position: RunPosition) -> None:
        """Saves if it is time and the one before is written; the run goes on meanwhile."""
        if not self._every or self._checkpointer.busy:
            return
        if time.monotonic() - self._last >= self._every:
            self._saving(lambda: self._save(position))

    def save_now(self, position: RunPosition) -> None:
        """Saves, and waits until it is written."""

        def save_and_wait() -> None:
            self._save(position)
            self._checkpointer.wait()

        # What could not be written before must not keep this one from being tried.
        self.close()
        self._saving(save_and_wait)

    def close(self) -> None:
        """Waits for what is being written."""
        self._saving(self._checkpointer.wait)

    def _save(self, position: RunPosition) -> None:
        self._last = time.monotonic()
        training = position.training
        self._checkpointer.save(
            self._algorithm,
            training.state,
            extra={str(seed): returns for seed, returns in position.returns.items()},
            info={
                "seed_index": position.seed_index,
                "timesteps": training.timesteps,
                "total_timesteps": training.total_timesteps,
                "elapsed": position.elapsed._asdict(),
            },
        )

    def _saving(self, action: Callable[[], Any]) -> None:
        """A checkpoint that cannot be written does not stop a run; the user is told."""
        try:
            self._checkpointer.poll()
            action()
        except CheckpointError as error:
            self._on_notice(f"{error} Those before it are whole.")


def load_position(
    folder: RunFolder, settings: RunSettings, algorithm: Algorithm
) -> tuple[RunPosition | None, tuple[str, ...]]:
    """Where a run stood at its newest checkpoint; None where it has none yet.

    Raises:
        CheckpointError: If it is damaged, or does not belong to this run.
    """
    if Checkpointer(folder.checkpoints).newest is None:
        return None, ("There is no checkpoint yet: the run begins at its first step.",)
    try:
        loaded = Checkpointer.load(folder.checkpoints, algorithm)
    except CheckpointError as error:
        raise CheckpointError(
            f"{error} Nothing was changed; remove that checkpoint's folder to go on from the one "
            "before it, or begin a new run."
        ) from error
    # In the order of the seeds; the names of a tree are in alphabetical order.
    seeds = [seed for seed in settings.seeds if str(seed) in loaded.extra]
    returns = {seed: loaded.extra[str(seed)] for seed in seeds}
    info = loaded.info
    seed_index = info["seed_index"]
    none_yet = np.zeros((0, settings.n_eval_episodes), np.float32)
    training = TrainingProgress(
        loaded.state,
        info["timesteps"],
        info["total_timesteps"],
        returns.get(settings.seeds[seed_index], none_yet),
    )
    return RunPosition(seed_index, training, returns, Elapsed(**info["elapsed"])), loaded.notes
