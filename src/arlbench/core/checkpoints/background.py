"""Writes in the background while a training runs, one job after another."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable


class BackgroundWriter:
    """Runs jobs in one thread, one at a time."""

    def __init__(self) -> None:
        self._executor = concurrent.futures.ThreadPoolExecutor(1, "arlbench-writer")
        self._job: concurrent.futures.Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a job is still running."""
        return self._job is not None and not self._job.done()

    def submit(self, job: Callable[[], None]) -> None:
        """Starts a job after the previous one has ended.

        Raises:
            Exception: Whatever the previous job raised.
        """
        self.wait()
        self._job = self._executor.submit(job)

    def wait(self) -> None:
        """Waits for the running job.

        Raises:
            Exception: The exception that the job raised; each one is raised only once.
        """
        job, self._job = self._job, None
        if job is not None:
            job.result()

    def raise_if_failed(self) -> None:
        """Raises the exception of a job that has ended, without waiting."""
        if not self.busy:
            self.wait()
