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
    longest members come first, and equally long ones in their order.
    """

    def __init__(self, tasks: Iterable[MemberTask]) -> None:
        self._waiting: dict[int, list[MemberTask]] = collections.defaultdict(list)
        # The last task of a list is taken first.
        self._work: dict[int, float] = collections.defaultdict(float)
        for task in sorted(tasks, key=lambda task: (-task.cost, task.id), reverse=True):
            self._waiting[task.group].append(task)
            self._work[task.group] += task.cost
        self._begun_by: dict[int, set[Hashable]] = collections.defaultdict(set)
        self._lock = threading.Lock()

    def take(self, who: Hashable) -> MemberTask | None:
        """The next member for this process; None if no members are left."""
        with self._lock:
            groups = [group for group, tasks in self._waiting.items() if tasks]
            if not groups:
                return None
            group = max(groups, key=lambda group: self._preference(group, who))
            self._begun_by[group].add(who)
            task = self._waiting[group].pop()
            self._work[group] -= task.cost
            return task

    def give_back(self, task: MemberTask) -> None:
        """Puts back a member whose process has died."""
        with self._lock:
            self._waiting[task.group].append(task)
            self._work[task.group] += task.cost

    def _preference(self, group: int, who: Hashable) -> tuple[bool, bool, float]:
        begun_by = self._begun_by[group]
        return who in begun_by, not begun_by, self._work[group]
