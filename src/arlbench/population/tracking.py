"""Collects what is known about a training population; can be called from several threads."""

from __future__ import annotations

import collections
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from arlbench.population.members import (
    MemberId,
    MemberProgress,
    MemberResult,
    MemberTask,
    PopulationProgress,
)

OnMember = Callable[[MemberResult], None]

#: If it returns True, the training stops early.
OnProgress = Callable[[PopulationProgress], bool | None]

#: Receives sentences for the user.
OnNotice = Callable[[str], None]


class Callbacks(NamedTuple):
    """The caller's functions; one that is None is not called."""

    on_member: OnMember | None = None
    on_progress: OnProgress | None = None
    on_notice: OnNotice | None = None


class Tracker:
    """Collects results and progress, and calls the caller's functions, one at a time.

    Args:
        tasks: The members.
        callbacks: The caller's functions.
        feed: Called after each member that ends; returns the members that join. None if none can
            join.

    Attributes:
        results: The members that have ended.
        stopped: Set when training should stop.
    """

    def __init__(
        self,
        tasks: Sequence[MemberTask],
        callbacks: Callbacks,
        feed: Callable[[], Sequence[MemberTask]] | None = None,
    ) -> None:
        self.results: dict[MemberId, MemberResult] = {}
        self.stopped = threading.Event()
        self._failure: BaseException | None = None
        self._feed = feed
        self._joined: list[MemberTask] = []
        self._group_of: dict[MemberId, int] = {}
        self._left_in_group: collections.Counter[int] = collections.Counter()
        self._planned: dict[MemberId, int] = {}
        self._total_timesteps = 0
        self._take_in(tasks)
        self._timesteps = 0
        self._members: dict[MemberId, MemberProgress] = {}
        self._callbacks = callbacks
        self._lock = threading.RLock()

    def on_progress(self, member: MemberId, progress: MemberProgress) -> bool:
        """Takes in the progress of a member; returns whether it should stop."""
        return self.on_progress_of({member: progress})

    def on_progress_of(self, members: Mapping[MemberId, MemberProgress]) -> bool:
        """Takes in the progress of several members; returns whether they should stop."""
        with self._lock:
            for member, progress in members.items():
                self._set(member, progress)
            self._report()
        return self.stopped.is_set()

    def on_notice(self, sentence: str) -> None:
        """Passes on a sentence for the user."""
        with self._lock:
            on_notice = self._callbacks.on_notice
            self._guard(lambda: on_notice and on_notice(sentence))

    def warn(self, sentence: str) -> None:
        """Passes on a sentence; if the caller does not take notices, it becomes a warning."""
        if self._callbacks.on_notice is None:
            warnings.warn(sentence, RuntimeWarning, stacklevel=2)
        self.on_notice(sentence)

    def on_result(self, result: MemberResult) -> None:
        """Takes in a member that has ended."""
        with self._lock:
            self.results[result.id] = result
            self._left_in_group[self._group_of[result.id]] -= 1
            self._set(result.id, _final_progress(result))
            on_member = self._callbacks.on_member
            self._guard(lambda: on_member and on_member(result))
            self._guard(self._let_join)
            self._report()

    @property
    def fed(self) -> bool:
        """Whether members may join."""
        return self._feed is not None

    @property
    def n_members(self) -> int:
        """The number of members, including those that have joined."""
        return len(self._group_of)

    @property
    def n_groups(self) -> int:
        """The number of compiled training programs, also those for members that have joined."""
        return len(self._left_in_group)

    def take_joined(self) -> list[MemberTask]:
        """The members that have joined since the last call."""
        with self._lock:
            joined, self._joined = self._joined, []
        return joined

    def _let_join(self) -> None:
        if self._feed is not None and not self.stopped.is_set():
            joined = self._feed()
            self._take_in(joined)
            self._joined += joined

    def _take_in(self, tasks: Sequence[MemberTask]) -> None:
        for task in tasks:
            self._group_of[task.id] = task.group
            self._left_in_group[task.group] += 1
            self._planned[task.id] = task.total_timesteps
            self._total_timesteps += task.total_timesteps

    def _set(self, member: MemberId, progress: MemberProgress) -> None:
        earlier = self._members.get(member)
        self._timesteps += progress.timesteps - (earlier.timesteps if earlier else 0)
        # A member that continues from a state may have fewer steps to do than planned.
        planned = earlier.total_timesteps if earlier else self._planned[member]
        self._total_timesteps += progress.total_timesteps - planned
        self._members[member] = progress

    def fail(self, error: BaseException) -> None:
        """Stops everything because of an error; the first error is the one that is raised."""
        with self._lock:
            self._failure = self._failure or error
            self.stopped.set()

    def raise_if_failed(self) -> None:
        """Raises the error that stopped everything."""
        if self._failure is not None:
            raise self._failure

    def _report(self) -> None:
        on_progress = self._callbacks.on_progress

        def tell() -> None:
            if on_progress is not None and on_progress(self._progress()):
                self.stopped.set()

        self._guard(tell)

    def _guard(self, call: Callable[[], object]) -> None:
        """Calls a function of the caller; its error will be raised in the caller's thread."""
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
            n_groups=self.n_groups,
            compiling=self._timesteps == 0,
            members=dict(self._members),
        )


def _final_progress(result: MemberResult) -> MemberProgress:
    """The progress of a member that has ended."""
    total = int(result.timesteps[-1])
    if result.diverged_at is None:
        return MemberProgress(total, total, result.returns)
    # An evaluation is either complete or missing, because only whole episodes are played.
    reached = result.returns[result.timesteps < result.diverged_at]
    return MemberProgress(result.diverged_at, total, reached)
