"""Training members on every core: here, and in worker processes."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence

import jax

from arlbench.core.environments.registry import registered_frameworks
from arlbench.population import workers
from arlbench.population.mapped import train_member
from arlbench.population.members import MemberResult, MemberTask
from arlbench.population.messages import Failed, Steps, Stop
from arlbench.population.queueing import TaskQueue
from arlbench.population.tracking import Tracker

# Work below this is done before another process could begin with it; in the unit of
# Algorithm.estimated_cost, about two seconds.
_WORTH_A_PROCESS = 4e6


def train_on_cores(tasks: Sequence[MemberTask], tracker: Tracker) -> int:
    """Trains members until none is left; returns how many processes did."""
    queue = TaskQueue(tasks)
    work = sum(task.cost for task in tasks)
    useful = max(1, min(workers.wanted_cores(), len(tasks), round(work / _WORTH_A_PROCESS)))
    # Accelerators belong to this process; workers are for the CPU.
    helpers = workers.start_workers(useful - 1) if jax.default_backend() == "cpu" else []
    threads = [
        threading.Thread(target=_serve, args=(worker, queue, tracker), daemon=True)
        for worker in helpers
    ]
    for thread in threads:
        thread.start()
    try:
        while not tracker.stopped.is_set() and (task := queue.take("here")) is not None:
            on_steps = functools.partial(tracker.on_steps, task.id)
            result = train_member(task, on_steps, "forwards" if helpers else None)
            if result is not None:
                tracker.on_result(result)
    except BaseException as error:
        tracker.fail(error)
    for thread in threads:
        thread.join()
    return 1 + len(helpers)


def _serve(worker: workers.Worker, queue: TaskQueue, tracker: Tracker) -> None:
    """Gives a worker one member after another, and passes on what it sends."""
    while not tracker.stopped.is_set() and (task := queue.take(worker)) is not None:
        try:
            outcome = _trained_by(worker, task, tracker)
        except (EOFError, OSError):
            _give_back(task, queue, tracker)
            return
        if isinstance(outcome, Failed):
            tracker.fail(RuntimeError(f"Member {tuple(task.id)} failed. {outcome.error}"))
        elif outcome is not None:
            tracker.on_result(outcome)


def _trained_by(
    worker: workers.Worker, task: MemberTask, tracker: Tracker
) -> MemberResult | Failed | None:
    worker.send((registered_frameworks(), task))
    asked_to_stop = False
    while isinstance(message := worker.receive(), Steps):
        if tracker.on_steps(task.id, message.timesteps) and not asked_to_stop:
            worker.send(Stop())
            asked_to_stop = True
    return message


def _give_back(task: MemberTask, queue: TaskQueue, tracker: Tracker) -> None:
    """A worker has died, perhaps for want of memory: its member is for another process."""
    if task.attempts > 1:
        tracker.fail(
            RuntimeError(
                f"Two processes died while training member {tuple(task.id)}; the machine may have "
                "too little memory. Lower buffer_size, or call use_cores with fewer cores."
            )
        )
    queue.give_back(task._replace(attempts=task.attempts + 1))
