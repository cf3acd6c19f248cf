"""What is known of a population while it trains; safe to tell from several threads."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Mapping, Sequence

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
        self._group_of = {task.id: task.group for task in tasks}
        self._left_in_group = collections.Counter(self._group_of.values())
        self._n_groups = len(self._left_in_group)
        self._total_timesteps = sum(task.total_timesteps for task in tasks)
        self._steps: dict[MemberId, int] = {}
        self._timesteps = 0
        self._on_member = on_member
        self._on_progress = on_progress
        self._lock = threading.RLock()

    def on_steps(self, member: MemberId, timesteps: int) -> bool:
        """Takes in what a member has done; whether it should stop."""
        return self.on_steps_of({member: timesteps})

    def on_steps_of(self, timesteps: Mapping[MemberId, int]) -> bool:
        """The same of several members at once."""
        with self._lock:
            for member, steps in timesteps.items():
                self._set_steps(member, steps)
            self._report()
        return self.stopped.is_set()

    def on_result(self, result: MemberResult) -> None:
        """Takes in a member that has ended."""
        with self._lock:
            self.results[result.id] = result
            self._left_in_group[self._group_of[result.id]] -= 1
            ended_at = result.timesteps[-1] if result.diverged_at is None else result.diverged_at
            self._set_steps(result.id, int(ended_at))
            self._guard(lambda: self._on_member and self._on_member(result))
            self._report()

    def _set_steps(self, member: MemberId, steps: int) -> None:
        self._timesteps += steps - self._steps.get(member, 0)
        self._steps[member] = steps

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
        return PopulationProgress(
            members_done=len(self.results),
            members_total=len(self._group_of),
            timesteps=self._timesteps,
            total_timesteps=self._total_timesteps,
            groups_done=sum(left == 0 for left in self._left_in_group.values()),
            n_groups=self._n_groups,
            compiling=self._timesteps == 0,
        )
