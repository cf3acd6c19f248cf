"""Decides which process trains which member next."""

from __future__ import annotations

import collections
import threading
from collections.abc import Hashable, Iterable

from arlbench.population.members import MemberTask


class TaskQueue:
    """Waiting members, given out so that few programs are compiled and all processes end together.

    A process stays with the groups whose program it has. If these have no members left, it
    takes the group with the most work among those that no process has begun. Only if all
    groups have been begun does it help with a group of another process. Within a group the
    longest members come first, and members of equal length in their order.

    Args:
        tasks: The members that wait.
        fed: Whether further members may appear, because they join or because the process that
            trains them dies. A process without a member then waits as long as any is in training.
    """

    def __init__(self, tasks: Iterable[MemberTask], fed: bool = False) -> None:
        # The last task of a list is taken first.
        self._waiting: dict[int, list[MemberTask]] = collections.defaultdict(list)
        self._work: dict[int, float] = collections.defaultdict(float)
        self._fed = fed
        self._n_training = 0
        self._begun_by: dict[int, set[Hashable]] = collections.defaultdict(set)
        self._changed = threading.Condition()
        self.add(tasks)

    def add(self, tasks: Iterable[MemberTask]) -> None:
        """Takes in members that wait."""
        with self._changed:
            joined = set()
            for task in tasks:
                joined.add(task.group)
                self._waiting[task.group].append(task)
                self._work[task.group] += task.cost
            for group in joined:
                self._waiting[group].sort(key=lambda task: (-task.cost, task.id), reverse=True)
            self._changed.notify_all()

    def take(self, who: Hashable) -> MemberTask | None:
        """The next member for this process; None if no members are left and none can join."""
        with self._changed:
            while not (groups := [group for group, tasks in self._waiting.items() if tasks]):
                if not self._fed or not self._n_training:
                    return None
                self._changed.wait()
            group = max(groups, key=lambda group: self._preference(group, who))
            self._begun_by[group].add(who)
            task = self._waiting[group].pop()
            self._work[group] -= task.cost
            self._n_training += 1
            return task

    def give_back(self, task: MemberTask) -> None:
        """Puts back a member whose process has died."""
        with self._changed:
            self._waiting[task.group].append(task)
            self._work[task.group] += task.cost
            self.done()

    def done(self) -> None:
        """Records that the training of a member has ended, for whatever reason."""
        with self._changed:
            self._n_training -= 1
            self._changed.notify_all()

    @property
    def is_done(self) -> bool:
        """Whether no member waits and none is in training."""
        with self._changed:
            return not self._n_training and not any(self._waiting.values())

    def _preference(self, group: int, who: Hashable) -> tuple[bool, bool, float]:
        begun_by = self._begun_by[group]
        return who in begun_by, not begun_by, self._work[group]
