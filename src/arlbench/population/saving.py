"""Members that save themselves: when, what a checkpoint holds, and how to continue from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from arlbench.core import memory
from arlbench.core.algorithms.algorithm import Algorithm, TrainingProgress
from arlbench.core.algorithms.checkpointing import Checkpointer, LoadedCheckpoint, Snapshot
from arlbench.core.algorithms.measured import Seconds
from arlbench.core.checks import positive_whole
from arlbench.errors import CheckpointError, ConfigurationError, ConsumedStateError

_EVAL_REWARDS = "eval_rewards"

# The seconds between two copies of the position of a member whose environment may raise an error,
# the largest share of time that the copies take, and the most bytes of a copy.
_COPY_SECONDS = 5.0
_COPY_SHARE = 0.02
_LARGEST_COPY = 2**30


class MemberSaving(NamedTuple):
    """Where and when a member saves itself.

    Attributes:
        folder: The folder of its checkpoints; it continues from the newest complete one.
        every_seconds: Time between two checkpoints; 0 saves only when stopped.
        keep: How many checkpoints to keep.
    """

    folder: Path
    every_seconds: float = 60.0
    keep: int = 2

    def checked(self) -> MemberSaving:
        """Returns these settings after checking them.

        Raises:
            ConfigurationError: If a setting is impossible.
        """
        if not self.every_seconds >= 0:
            raise ConfigurationError(
                f"every_seconds must be 0 or more seconds, not {self.every_seconds}."
            )
        return MemberSaving(
            Path(self.folder), float(self.every_seconds), positive_whole("keep", self.keep)
        )


class Position(NamedTuple):
    """The position of a member in its training.

    Attributes:
        training: Steps, evaluations, and the state from which it continues.
        seconds: The time that it has taken so far.
    """

    training: TrainingProgress
    seconds: Seconds


def take_position(checkpointer: Checkpointer, algorithm: Algorithm, position: Position) -> Snapshot:
    """Copies everything that a member needs for an exact continuation into ordinary memory.

    Raises:
        ConsumedStateError: If its state has been trained further.
    """
    training = position.training
    return checkpointer.take(
        algorithm,
        training.state,
        extra={_EVAL_REWARDS: np.asarray(training.eval_rewards, np.float32)},
        info={
            "timesteps": training.timesteps,
            "total_timesteps": training.total_timesteps,
            "seconds": position.seconds._asdict(),
        },
    )


def write_position(checkpointer: Checkpointer, algorithm: Algorithm, position: Position) -> None:
    """Writes everything that a member needs for an exact continuation.

    Raises:
        CheckpointError: In the same cases as ``Checkpointer.save``.
    """
    checkpointer.write(algorithm, take_position(checkpointer, algorithm, position))


def read_position(folder: Path, algorithm: Algorithm) -> tuple[Position, tuple[str, ...]]:
    """Reads what :func:`write_position` last wrote, with notes about anything that differs.

    Raises:
        CheckpointError: If it is damaged, or does not belong to this member.
    """
    try:
        loaded = Checkpointer.load(folder, algorithm)
        return _position_of(loaded), loaded.notes
    except CheckpointError as error:
        raise CheckpointError(
            f"{error} Nothing was changed; remove that checkpoint's folder to continue from the "
            f"previous one, or {folder} to start again."
        ) from error


def _position_of(loaded: LoadedCheckpoint) -> Position:
    info: Mapping[str, Any] = loaded.info
    if not {"timesteps", "total_timesteps", "seconds"} <= info.keys():
        raise CheckpointError(f"{loaded.path} is not a checkpoint of a member in training.")
    training = TrainingProgress(
        loaded.state,
        info["timesteps"],
        info["total_timesteps"],
        np.asarray(loaded.extra[_EVAL_REWARDS], np.float32),
    )
    return Position(training, Seconds(**info["seconds"]))


class MemberCheckpoints:
    """Saves the position of a member, at intervals and when it is stopped.

    Args:
        saving: When and where to save; None saves nothing.
        algorithm: The algorithm that is training.
        on_notice: Receives a sentence for the user if a checkpoint could not be saved.
    """

    def __init__(
        self, saving: MemberSaving | None, algorithm: Algorithm, on_notice: Callable[[str], None]
    ) -> None:
        self._saving = saving
        self._algorithm = algorithm
        self._on_notice = on_notice
        self._last = time.monotonic()
        self._memory = _Memory()
        self._checkpointer = (
            None
            if saving is None
            else Checkpointer(saving.folder, keep=saving.keep, background=True)
        )

    def load(self) -> Position | None:
        """The member's position at its newest checkpoint; None if it has no checkpoint yet.

        Raises:
            CheckpointError: If the checkpoint is damaged, or does not belong to this member.
        """
        if self._saving is None or self._checkpointer is None:
            return None
        position = None
        if self._checkpointer.newest is not None:
            position, notes = read_position(self._saving.folder, self._algorithm)
            for note in notes:
                self._on_notice(note)
        self._checkpointer.tidy()
        self._last = time.monotonic()
        return position

    def save_if_due(self, position: Callable[[], Position]) -> None:
        """Saves if it is time and the previous checkpoint is written; the training continues."""
        if self._saving is None or self._checkpointer is None:
            return
        every = self._saving.every_seconds
        if every and time.monotonic() - self._last >= every and not self._checkpointer.busy:
            self._attempt(lambda: self._save(position))
        elif self._algorithm.uses_host:
            checkpointer = self._checkpointer
            self._memory.keep_if_due(
                position, lambda: take_position(checkpointer, self._algorithm, position())
            )

    def save_now(self, position: Callable[[], Position]) -> None:
        """Saves, and waits until it is written."""
        # An earlier checkpoint that could not be written must not prevent this one.
        self.close()
        self._attempt(lambda: self._save(position))
        self.close()

    def save_after_fault(self) -> None:
        """Saves the newest known position, if an environment on the host has failed.

        The segment in which it failed has reused the memory of the state with which it began,
        so this may be a position of some seconds earlier.
        """
        if self._checkpointer is None:
            return
        checkpointer, latest, kept = self._checkpointer, self._memory.latest, self._memory.kept
        self.close()
        try:
            if latest is not None:
                self._attempt(lambda: self._save(latest))
        except ConsumedStateError:
            if kept is not None:
                self._attempt(lambda: checkpointer.write(self._algorithm, kept))
        self.close()

    def close(self) -> None:
        """Waits until everything is written."""
        if self._checkpointer is not None:
            self._attempt(self._checkpointer.wait)

    def _save(self, position: Callable[[], Position]) -> None:
        self._last = time.monotonic()
        self._memory = _Memory()
        if self._checkpointer is not None:
            self._checkpointer.poll()
            write_position(self._checkpointer, self._algorithm, position())

    def _attempt(self, action: Callable[[], object]) -> None:
        """If a checkpoint cannot be written, the user is told, and the training continues."""
        try:
            action()
        except CheckpointError as error:
            self._on_notice(f"{error} Earlier checkpoints are complete.")


class _Memory:
    """The newest position, and a copy of a position in ordinary memory.

    A position can be used until the training continues from it, a copy at any time.

    Attributes:
        latest: Returns the newest position; None if no position is known yet.
        kept: The copy; None if no copy was made yet.
    """

    def __init__(self) -> None:
        self.latest: Callable[[], Position] | None = None
        self.kept: Snapshot | None = None
        self._due = time.monotonic() + _COPY_SECONDS

    def keep_if_due(self, position: Callable[[], Position], take: Callable[[], Snapshot]) -> None:
        """Remembers a position, and makes a copy if it is time and the state is not too large."""
        self.latest = position
        if (begin := time.monotonic()) < self._due:
            return
        if memory.tree_bytes(position().training.state) <= _LARGEST_COPY:
            self.kept = take()
        end = time.monotonic()
        self._due = end + max(_COPY_SECONDS, (end - begin) / _COPY_SHARE)
