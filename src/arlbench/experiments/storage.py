"""What keeps the results of an experiment."""

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
        experiment: What is trained, with all that earlier calls added to it.
    """

    experiment: Experiment

    @abc.abstractmethod
    def missing(self) -> list[MemberId]:
        """The members that are not kept yet, in order."""

    @abc.abstractmethod
    def add(self, result: MemberResult) -> None:
        """Takes a member that has ended; it is kept soon, at the latest by :meth:`flush`.

        Raises:
            StorageError: If it cannot be written, now or since the last call.
        """

    @abc.abstractmethod
    def rows(self) -> pa.Table:
        """All that is kept, as :mod:`arlbench.experiments.table` describes it, in order.

        Raises:
            StorageError: If something that was kept is damaged.
        """

    @abc.abstractmethod
    def flush(self) -> None:
        """Keeps all that has ended.

        Raises:
            StorageError: If it cannot be written; what was kept before is whole.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """The same, and lets another process write."""

    # What a storage may want besides results.

    def saving(self) -> Mapping[MemberId, MemberSaving]:
        """Which members save where they stand, and where."""
        return {}

    def keep_parts(self) -> tuple[str, ...]:
        """The parts of a member's final state that its result must hold."""
        return ()

    def init_options(self) -> Mapping[str, Any] | None:
        """Options of ``Algorithm.init`` to ask for; None takes what the members need."""
        return None

    def on_progress(self, progress: PopulationProgress) -> None:  # noqa: B027
        """Told several times a second where the members stand."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
