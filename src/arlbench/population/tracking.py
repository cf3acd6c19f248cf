"""What is known of a population while it trains; safe to tell from several threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from arlbench.population.members import (
    MemberId,
    MemberResult,
    MemberTask,
    PopulationProgress,
)

OnMember = Callable[[MemberResult], None]

#: Training stops early where it returns True.
OnProgress = Callable[[PopulationProgress], bool | None]


class Tracker:
    """Collects results and progress, and calls the caller's functions, one at a time.

    Attributes:
        results: The members that have ended.
        stopped: Set when training should stop.
    """

    def __init__(
        self,
        tasks: Sequence[MemberTask],
        on_member: OnMember | None,
        on_progress: OnProgress | None,
    ) -> None:
        self.results: dict[MemberId, MemberResult] = {}
        self.stopped = threading.Event()
        self._failure: BaseException | None = None
        self._groups = {task.id: task.group for task in tasks}
        self._total_timesteps = sum(task.total_timesteps for task in tasks)
        self._steps: dict[MemberId, int] = {}
        self._on_member = on_member
        self._on_progress = on_progress
        self._lock = threading.RLock()

    def on_steps(self, member: MemberId, timesteps: int) -> bool:
        """Takes in what a member has done; whether it should stop."""
        with self._lock:
            self._steps[member] = timesteps
            self._report()
        return self.stopped.is_set()

    def on_result(self, result: MemberResult) -> None:
        """Takes in a member that has ended."""
        with self._lock:
            self.results[result.id] = result
            self._steps[result.id] = (
                int(result.timesteps[-1]) if result.diverged_at is None else result.diverged_at
            )
            self._guard(lambda: self._on_member and self._on_member(result))
            self._report()

    def fail(self, error: BaseException) -> None:
        """Stops everything because of an error; the first one counts."""
        with self._lock:
            self._failure = self._failure or error
            self.stopped.set()

    def raise_if_failed(self) -> None:
        """Raises the error that stopped everything."""
        if self._failure is not None:
            raise self._failure

    def _report(self) -> None:
        def tell() -> None:
            if self._on_progress is not None and self._on_progress(self._progress()):
                self.stopped.set()

        self._guard(tell)

    def _guard(self, call: Callable[[], object]) -> None:
        """An error in the caller's function is raised in the caller's thread."""
        try:
            call()
        except BaseException as error:
            self.fail(error)

    def _progress(self) -> PopulationProgress:
        unfinished = {group for member, group in self._groups.items() if member not in self.results}
        n_groups = len(set(self._groups.values()))
        return PopulationProgress(
            members_done=len(self.results),
            members_total=len(self._groups),
            timesteps=sum(self._steps.values()),
            total_timesteps=self._total_timesteps,
            group=n_groups - len(unfinished),
            n_groups=n_groups,
            compiling=not any(self._steps.values()),
        )
