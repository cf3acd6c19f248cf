"""Trains members on all cores: in this process and in worker processes."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, NamedTuple, TypeVar

import jax

from arlbench import errors
from arlbench.core.problem import Problem
from arlbench.population import sending, workers
from arlbench.population.members import MemberProgress, MemberResult, MemberTask
from arlbench.population.messages import Answer, Failed, Notice, Report, Setup, Stop
from arlbench.population.queueing import TaskQueue
from arlbench.population.ray_cluster import cluster
from arlbench.population.ray_worker import RayWorker
from arlbench.population.sequential import Ahead, Listener, train_member
from arlbench.population.tracking import Tracker

# Amounts of work in the unit of Algorithm.cost. Less work than the first (about two seconds) is
# done before a new process could begin with it; less than the second, before a process that
# already exists could begin with it.
_WORTH_A_PROCESS = 4e6
_WORTH_A_MESSAGE = 5e5

_NO_WORKER = (
    "Members train in this process, one after another, because no worker process could train them."
)

AnyWorker = TypeVar("AnyWorker", workers.Worker, RayWorker)


class Recovery(NamedTuple, Generic[AnyWorker]):
    """What happens when a worker dies.

    Attributes:
        replace: Starts another worker in its place.
        most_deaths: How many workers have to die while training a member before training fails.
        sentence: The error message in this case; ``{member}`` stands for the member.
        notice: The sentence that tells the user of each death; empty for none.
    """

    replace: Callable[[AnyWorker], AnyWorker]
    most_deaths: int
    sentence: str
    notice: str = ""


_RECOVERY = Recovery(
    workers.replace,
    most_deaths=2,
    sentence="Two processes died while training member {member}; the machine may have too little "
    "memory. Call use_cores with fewer cores, or train smaller members.",
)


def start_workers_for(work: float, n_members: int) -> None:
    """Starts as many workers as are worth it for populations with this much work in total.

    Args:
        work: The work of all populations to come, in the unit of ``Algorithm.cost``.
        n_members: Members of each population.
    """
    if jax.default_backend() == "cpu" and cluster() is None:
        n_useful = min(workers.wanted_cores(), n_members, round(work / _WORTH_A_PROCESS))
        workers.start_workers(max(n_useful - 1, workers.n_started()))


def train_on_cores(
    tasks: Sequence[MemberTask], tracker: Tracker, only_workers: bool = False
) -> int:
    """Trains members until all are done; returns how many processes were used.

    Args:
        tasks: The members.
        tracker: Receives their progress, and says when to stop.
        only_workers: Whether this process, whose default device is an accelerator, leaves all
            members to workers. It still trains those that cannot leave it, or that no worker has
            trained.
    """
    if not tasks:  # members join only when others end
        return 0
    queue = TaskQueue(tasks, tracker.fed)
    work = sum(task.cost for task in tasks)
    here_already = min(1 + workers.n_started(), round(work / _WORTH_A_MESSAGE))
    worth = max(1, round(work / _WORTH_A_PROCESS), here_already)
    # Members that join later are worth processes too, even if there is little work at first.
    most = sys.maxsize if tracker.fed else min(len(tasks), worth)
    useful = min(workers.wanted_cores(), most)
    # Accelerators belong to this process; workers are for the CPU.
    n_helpers = useful - 1 if jax.default_backend() == "cpu" else 0
    if only_workers:
        n_helpers = useful
    if n_helpers and not _can_leave(tasks[0].problem, tracker):
        n_helpers = 0
    with workers.borrowed(n_helpers) as helpers:
        threads = [
            threading.Thread(target=_serve, args=(worker, queue, tracker), daemon=True)
            for worker in helpers
        ]
        for thread in threads:
            thread.start()
        trains_here = not only_workers
        try:
            if trains_here:
                _train_here(queue, tracker, "forwards" if helpers else None)
            _join(threads)
            if only_workers and not queue.is_done and not tracker.stopped.is_set():
                trains_here = True
                if n_helpers:
                    tracker.warn(_NO_WORKER)
            # If a worker died at the end, its member is still to be trained.
            _train_here(queue, tracker, None)
        except BaseException as error:
            tracker.fail(error)
            _join(threads)
        return len(helpers) + trains_here


def _can_leave(problem: Problem, tracker: Tracker) -> bool:
    """Whether members can train in other processes; if not, the user is told."""
    if (reason := sending.obstacle(problem)) is not None:
        where = "on one core" if jax.default_backend() == "cpu" else "in this process"
        tracker.warn(f"The population trains {where}, because {reason}")
        return False
    if sending.have_changed(problem):
        # Existing workers have imported definitions that have changed since.
        workers.start_workers(0)
    return True


def _train_here(queue: TaskQueue, tracker: Tracker, ahead: Ahead) -> None:
    while not tracker.stopped.is_set() and (task := queue.take("here")) is not None:
        try:
            result = train_member(task, _listener(task, tracker), ahead)
            if result is not None:
                _take_in(result, queue, tracker)
        finally:
            queue.done()


def _take_in(result: MemberResult, queue: TaskQueue, tracker: Tracker) -> None:
    """Records a member that has ended, and queues the members that join because of it."""
    tracker.on_result(result)
    queue.add(tracker.take_joined())


def _listener(task: MemberTask, tracker: Tracker) -> Listener:
    return Listener(lambda progress: tracker.on_progress(task.id, progress), tracker.on_notice)


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.join()


def _serve(worker: workers.Worker, queue: TaskQueue, tracker: Tracker) -> None:
    """Gives a worker one member after another, and passes on its messages."""
    try:
        if not worker.wait_until_ready(tracker.stopped):
            if tracker.stopped.is_set():
                return
            warnings.warn(
                "A worker process could not start, so a population trains on fewer cores; the "
                "process has printed the reason.",
                RuntimeWarning,
                stacklevel=2,
            )
            return
        while not tracker.stopped.is_set() and (task := queue.take(_name(worker))) is not None:
            worker = serve_one(worker, task, queue, tracker, _RECOVERY)
    except BaseException as error:
        tracker.fail(error)


def _name(worker: workers.Worker) -> Hashable:
    return id(worker)


def serve_one(
    worker: AnyWorker,
    task: MemberTask,
    queue: TaskQueue,
    tracker: Tracker,
    recovery: Recovery[AnyWorker],
) -> AnyWorker:
    """Has one member trained; returns the worker for the next one."""
    try:
        outcome = _trained_by(worker, task, tracker)
    except (EOFError, OSError):
        # The worker must have ended before another process continues from the checkpoint.
        worker.close()
        _give_back(task, queue, tracker, recovery)
        return recovery.replace(worker)
    except BaseException:
        queue.done()
        raise
    try:
        if isinstance(outcome, Failed):
            tracker.fail(_error_from(outcome, task))
        elif outcome is not None:
            _take_in(outcome, queue, tracker)
    finally:
        queue.done()
    return worker


def _trained_by(worker: AnyWorker, task: MemberTask, tracker: Tracker) -> Answer:
    worker.send((Setup.of_this_process(task.problem), task))
    if not worker.wait_for_message(tracker.stopped):
        # It is still compiling, so its member has nothing to save, and waiting is not useful.
        worker.close()
        return None
    asked_to_stop = False
    while isinstance(message := worker.receive(), (MemberProgress, Notice)):
        if _hear(message, task, tracker) and not asked_to_stop:
            worker.send(Stop())
            asked_to_stop = True
    return message


def _hear(message: Report, task: MemberTask, tracker: Tracker) -> bool:
    """Passes on a worker's report about its member; returns whether the member should stop."""
    if isinstance(message, MemberProgress):
        return tracker.on_progress(task.id, message)
    tracker.on_notice(message.sentence)
    return tracker.stopped.is_set()


def _error_from(failed: Failed, task: MemberTask) -> Exception:
    """The error of a worker: arlbench's own errors as they are, others with their traceback."""
    kind = getattr(errors, failed.kind, None)
    if isinstance(kind, type) and issubclass(kind, errors.ArlbenchError):
        return kind(failed.message)
    return RuntimeError(f"Member {tuple(task.id)} failed in a worker process.\n{failed.traceback}")


def _give_back(
    task: MemberTask, queue: TaskQueue, tracker: Tracker, recovery: Recovery[AnyWorker]
) -> None:
    """Lets another process train the member of a dead worker, which may have run out of memory."""
    if task.attempts + 1 >= recovery.most_deaths:
        tracker.fail(RuntimeError(recovery.sentence.format(member=tuple(task.id))))
    elif recovery.notice:
        tracker.warn(recovery.notice)
    queue.give_back(task._replace(attempts=task.attempts + 1))
