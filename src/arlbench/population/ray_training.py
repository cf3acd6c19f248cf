"""Trains members on the cores of a Ray cluster; this process only hands them out."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from arlbench.errors import ConfigurationError
from arlbench.population import sending
from arlbench.population.cores import Recovery, serve_one, train_on_cores
from arlbench.population.members import MemberTask
from arlbench.population.queueing import TaskQueue
from arlbench.population.ray_cluster import Cluster
from arlbench.population.ray_worker import RayWorker
from arlbench.population.tracking import Tracker

# After this time without any worker, the user is told what the training waits for.
_PATIENCE_SECONDS = 30.0

_REPORT_SECONDS = 0.25

# How often in a row a worker may die while it starts.
_MOST_STARTS = 3


def train_on_ray(tasks: Sequence[MemberTask], tracker: Tracker, cluster: Cluster) -> int:
    """Trains members until all are done; returns how many processes were used."""
    if not tasks:  # members join only when others end
        return 0
    problem = tasks[0].problem
    if sending.obstacle(problem) is not None:
        return train_on_cores(tasks, tracker)
    if sending.have_changed(problem):
        # Existing workers have imported definitions that have changed since.
        cluster.close_workers()
    n_useful = cluster.n_cores() if tracker.fed else min(cluster.n_cores(), len(tasks))
    with cluster.borrowed(n_useful) as helpers:
        if not helpers:
            return train_on_cores(tasks, tracker)
        serving = _Serving(TaskQueue(tasks, fed=True), tracker, cluster, helpers)
        serving.run()
        return len(helpers)


class _Serving:
    """Gives members to workers, each of which has a thread in this process.

    A thread without a member waits while others train, because it takes over their members if
    their workers die.

    Args:
        queue: The members that wait.
        tracker: Receives their progress, and says when to stop.
        cluster: Replaces workers that have died.
        helpers: The workers.
    """

    def __init__(
        self, queue: TaskQueue, tracker: Tracker, cluster: Cluster, helpers: Sequence[RayWorker]
    ) -> None:
        self._queue = queue
        self._tracker = tracker
        self._helpers = helpers
        self._any_ready = threading.Event()
        self._recovery = Recovery(
            cluster.replace,
            most_deaths=4,
            sentence="Four Ray workers died while training member {member}; their nodes may have "
            "too little memory. Give Ray fewer cores for each node, or train smaller members.",
            notice="A Ray worker has died; its member begins again on another one, from its "
            "newest checkpoint if it has one.",
        )

    def is_set(self) -> bool:
        """Whether a worker that has not started yet is not needed any more."""
        return self._tracker.stopped.is_set() or self._queue.is_done

    def run(self) -> None:
        """Returns when all members have ended, or when training should stop."""
        threads = [
            threading.Thread(target=self._serve, args=(worker,), daemon=True)
            for worker in self._helpers
        ]
        for thread in threads:
            thread.start()
        try:
            self._listen(threads)
        except BaseException as error:
            self._tracker.fail(error)
            for thread in threads:
                thread.join()

    def _listen(self, threads: Sequence[threading.Thread]) -> None:
        """Lets the caller stop the training even while no worker says anything."""
        patient_until = time.monotonic() + _PATIENCE_SECONDS
        for thread in threads:
            while thread.is_alive():
                thread.join(_REPORT_SECONDS)
                self._tracker.on_progress_of({})
                if time.monotonic() > patient_until and not self._any_ready.is_set():
                    patient_until = float("inf")
                    self._tracker.warn(
                        "No core of the Ray cluster is free yet; the training begins when one is."
                    )

    def _serve(self, worker: RayWorker) -> None:
        try:
            while not self._tracker.stopped.is_set():
                worker, is_ready = self._when_ready(worker)
                task = self._queue.take(id(worker)) if is_ready else None
                if task is None:
                    return
                worker = serve_one(worker, task, self._queue, self._tracker, self._recovery)
        except BaseException as error:
            self._tracker.fail(error)

    def _when_ready(self, worker: RayWorker) -> tuple[RayWorker, bool]:
        """The worker or its replacement, and whether it has started and is still needed."""
        for _ in range(_MOST_STARTS):
            try:
                is_ready = worker.wait_until_ready(self)
            except EOFError:
                worker = self._recovery.replace(worker)
                continue
            if is_ready:
                self._any_ready.set()
            return worker, is_ready
        raise ConfigurationError(
            f"{_MOST_STARTS} Ray workers in a row died while they started; Ray's logs, by default "
            "in /tmp/ray/session_latest/logs, say why."
        )
