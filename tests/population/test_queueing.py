"""Which process trains which member next."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

from arlbench.population.queueing import TaskQueue


@dataclasses.dataclass
class Waiting:
    """The fields of a task that a queue reads; it counts how often its work is read."""

    id: tuple[int, int]
    work: float
    group: int = 0
    n_reads: int = 0

    @property
    def cost(self) -> float:
        self.n_reads += 1
        return self.work


def take_all(queue: TaskQueue) -> list[tuple[int, int]]:
    """Trains all members in turn; nothing joins when one ends."""
    taken = []
    while (task := queue.take("here")) is not None:
        taken.append(task.id)
        queue.done()
        queue.add([])
    return taken


def test_the_longest_come_first_also_among_those_that_join() -> None:
    queue = TaskQueue([Waiting((0, 0), 1.0), Waiting((1, 0), 3.0), Waiting((2, 0), 3.0)])
    queue.add([Waiting((3, 0), 2.0)])
    assert take_all(queue) == [(1, 0), (2, 0), (3, 0), (0, 0)]


def test_waiting_members_are_not_sorted_again_whenever_another_ends() -> None:
    tasks = [Waiting((i, 0), float(i % 7), group=i % 2) for i in range(100)]
    assert len(take_all(TaskQueue(tasks))) == 100
    # When it joins, when it is sorted, and when it is taken.
    assert {task.n_reads for task in tasks} == {3}


def test_processes_share_the_groups_and_then_help_each_other() -> None:
    members = [Waiting((i, j), work, group=i) for i, work in enumerate((1.0, 5.0)) for j in (0, 1)]
    queue = TaskQueue(members)
    takers = ["first", "second", "second", "first", "first"]
    taken = [queue.take(who) for who in takers]
    # The first begins with the most work; the second takes the other group, and stays with it.
    ids = [None if task is None else task.id for task in taken]
    assert ids == [(1, 0), (0, 0), (0, 1), (1, 1), None]


def test_a_process_stays_with_its_group_although_nobody_has_begun_another() -> None:
    works = {(0, 0): 1.0, (0, 1): 1.0, (1, 0): 5.0, (1, 1): 5.0}
    queue = TaskQueue([Waiting(member, work, group=member[0]) for member, work in works.items()])
    assert take_all(queue) == [(1, 0), (1, 1), (0, 0), (0, 1)]


def test_a_helper_takes_from_the_group_with_the_most_work_left() -> None:
    # 9 + 1 and 4 + 4; after one member of each, 1 and 4 are left.
    works = {(0, 0): 9.0, (0, 1): 1.0, (1, 0): 4.0, (1, 1): 4.0}
    queue = TaskQueue([Waiting(member, work, group=member[0]) for member, work in works.items()])
    taken = [queue.take(who) for who in ("first", "second", "helper")]
    assert [task.id for task in taken if task] == [(0, 0), (1, 0), (1, 1)]


def test_what_is_given_back_is_taken_next_and_counts_as_work() -> None:
    queue = TaskQueue([Waiting((0, 0), 5.0), Waiting((0, 1), 1.0), Waiting((1, 0), 3.0, group=1)])
    task = queue.take("dead")
    queue.give_back(task)
    assert not queue.is_done
    # Of two groups that it has not begun, the one that nobody has begun comes first.
    assert [queue.take("other").id for _ in range(3)] == [(1, 0), (0, 0), (0, 1)]
    assert queue.take("other") is None


def test_a_process_waits_for_what_may_join_until_nobody_trains() -> None:
    queue = TaskQueue([Waiting((0, 0), 1.0)], fed=True)
    assert queue.take("one").id == (0, 0)
    taken: list[Any] = []
    waiting = threading.Thread(target=lambda: taken.extend([queue.take("two"), queue.take("two")]))
    waiting.start()
    queue.add([Waiting((1, 0), 1.0)])
    while any(queue._waiting.values()):
        time.sleep(0.001)
    assert waiting.is_alive()
    queue.done()
    queue.done()
    waiting.join(10.0)
    assert [task and task.id for task in taken] == [(1, 0), None]
    assert queue.is_done
