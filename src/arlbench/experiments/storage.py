"""The interface of storages, which keep the results of an experiment."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from arlbench.experiments.experiment import Experiment
from arlbench.population import MemberResult, PopulationProgress

if TYPE_CHECKING:
    import pyarrow as pa

    from arlbench.population.members import MemberId
    from arlbench.population.saving import MemberSaving


class Storage(abc.ABC):
    """Keeps each member of an experiment when it ends; one process at a time writes.

    Attributes:
        experiment: The experiment, with everything that earlier calls added to it.
    """

    experiment: Experiment

    @abc.abstractmethod
    def missing(self) -> list[MemberId]:
        """The members that are not kept yet, in order."""

    @abc.abstractmethod
    def add(self, result: MemberResult) -> None:
        """Takes a member that has ended, and keeps it soon, at the latest in :meth:`flush`.

        Raises:
            StorageError: If it cannot be written, now or since the last call.
        """

    @abc.abstractmethod
    def rows(self) -> pa.Table:
        """All rows in order, as :mod:`arlbench.experiments.table` describes them.

        Raises:
            StorageError: If a file is damaged.
        """

    @abc.abstractmethod
    def flush(self) -> None:
        """Keeps all members that have ended.

        Raises:
            StorageError: If it cannot be written; everything that was kept before is intact.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Keeps all members that have ended, and lets another process write."""

    # What a storage may request besides results.

    def saving(self) -> Mapping[MemberId, MemberSaving]:
        """Which members save their state, and in which folders."""
        return {}

    def keep_parts(self) -> tuple[str, ...]:
        """The parts of a member's final state that its result must hold."""
        return ()

    def init_options(self) -> Mapping[str, Any] | None:
        """Options for ``Algorithm.init``; None takes what the members need."""
        return None

    def on_progress(self, progress: PopulationProgress) -> None:  # noqa: B027
        """Called several times per second with the progress of the members."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
