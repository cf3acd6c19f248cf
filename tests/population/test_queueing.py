"""Which process trains which member next."""

from __future__ import annotations

import dataclasses

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
